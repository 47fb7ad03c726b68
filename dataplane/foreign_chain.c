/* Helpers for messages about foreign chains. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/attribute.h"
#include "dataplane/foreign_nft.h"

#define SHOWN 64 /* of what is shown; longer names are cut */

uint32_t foreign_chain_word(const struct nlattr *a)
{
    uint32_t value = 0;

    if (attribute_size(a) >= sizeof(value))
        memcpy(&value, attribute_data(a), sizeof(value));
    return ntohl(value);
}

const char *foreign_chain_family_name(uint8_t family)
{
    switch (family) {
    case NFPROTO_INET:
        return "inet";
    case NFPROTO_IPV4:
        return "ip";
    case NFPROTO_IPV6:
        return "ip6";
    case NFPROTO_NETDEV:
        return "netdev";
    default:
        return "";
    }
}

void foreign_chain_describe(const struct foreign_chain *chain, char why[FOREIGN_TEXT])
{
    snprintf(why, FOREIGN_TEXT, "nftables table %s %.*s, chain %.*s",
             foreign_chain_family_name(chain->family), SHOWN, chain->table, SHOWN, chain->name);
}

const char *foreign_chain_attributes(const struct nlmsghdr *h, size_t *size)
{
    const struct nfgenmsg *head = NLMSG_DATA(h);
    const char *start = (const char *)head + NLMSG_ALIGN(sizeof(*head));

    *size = h->nlmsg_len < NLMSG_LENGTH(sizeof(*head))
                ? 0
                : (size_t)((const char *)h + h->nlmsg_len - start);
    return start;
}

uint32_t foreign_chain_family(uint8_t family, uint32_t ip4, uint32_t ip6)
{
    return family == NFPROTO_IPV4 ? ip4 : family == NFPROTO_IPV6 ? ip6 : ip4 | ip6;
}

/* Whether a chain applies to forwarded packets. */
