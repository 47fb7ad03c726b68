/* The files that read nftables' chains of others: company_nft.c chains, company_rule.c rules,
 * company_chain.c words of both. */
#ifndef DATAPLANE_COMPANY_NFT_H
#define DATAPLANE_COMPANY_NFT_H

#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <stddef.h>

#include "dataplane/company.h"

struct company_chain {
    uint8_t family;
    uint32_t hook;
    bool hooked, nat, accepts;
    uint32_t rules;
    char table[NFT_TABLE_MAXNAMELEN], name[NFT_CHAIN_MAXNAMELEN];
    const struct nlattr *devices; /* NFTA_CHAIN_HOOK as it came */
};

/* A number in network byte order; 0 where it is none. */
uint32_t company_chain_word(const struct nlattr *attribute);
/* "nftables table inet x, chain y" */
void company_chain_describe(const struct company_chain *chain, char why[COMPANY_TEXT]);
/* Of an nfnetlink message. */
const char *company_chain_attributes(const struct nlmsghdr *message, size_t *ret_size);
/* "inet", "ip" …; "" for one that does not count here. */
const char *company_chain_family_name(uint8_t family);
/* Of two flags those that chains of a family are about. */
uint32_t company_chain_family(uint8_t family, uint32_t ip4, uint32_t ip6);

/* What the rules of a chain are about: interfaces, or its whole family. Negative errno. */
int company_rule_read(struct company *company, const struct company_chain *chain);

#endif
