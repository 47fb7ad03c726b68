/* Foreign chains of nftables: foreign_nft.c reads chains, foreign_rule.c rules, foreign_chain.c
 * holds helpers for both. */
#ifndef DATAPLANE_FOREIGN_NFT_H
#define DATAPLANE_FOREIGN_NFT_H

#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <stddef.h>

#include "dataplane/foreign.h"

struct foreign_chain {
    uint8_t family;
    uint32_t hook;
    bool hooked, nat, accepts;
    uint32_t rules;
    char table[NFT_TABLE_MAXNAMELEN], name[NFT_CHAIN_MAXNAMELEN];
    const struct nlattr *devices; /* NFTA_CHAIN_HOOK as received */
};

/* A number in network byte order; 0 where it is none. */
uint32_t foreign_chain_word(const struct nlattr *attribute);
/* "nftables table inet x, chain y" */
void foreign_chain_describe(const struct foreign_chain *chain, char why[FOREIGN_TEXT]);
/* Of an nfnetlink message. */
const char *foreign_chain_attributes(const struct nlmsghdr *message, size_t *ret_size);
/* "inet", "ip" …; "" for a family that has no forwarded packets. */
const char *foreign_chain_family_name(uint8_t family);
/* Those of the two flags that chains of a family apply to. */
uint32_t foreign_chain_family(uint8_t family, uint32_t ip4, uint32_t ip6);

/* Adds the interfaces that the rules of a chain apply to, or its whole family. Negative errno. */
int foreign_rule_read(struct foreign *foreign, const struct foreign_chain *chain);

#endif
