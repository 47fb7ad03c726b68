/* Foreign rules, as far as they are limited to an interface: those that begin with a comparison of
 * it. Others apply to everything. */
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include "bpf/abi.h"
#include "dataplane/attribute.h"
#include "dataplane/foreign_nft.h"
#include "dataplane/dump.h"

struct interface_match {
    char name[IFNAMSIZ];
    uint32_t ifindex;
    bool prefix, out;
};

/* The expression's name and data. */
static const struct nlattr *expression(const struct nlattr *element, char name[16])
{
    const struct nlattr *a = attribute_find(element, NFTA_EXPR_NAME);

    snprintf(name, 16, "%.*s", a ? (int)attribute_size(a) : 0, a ? attribute_data(a) : "");
    return attribute_find(element, NFTA_EXPR_DATA);
}

static uint32_t meta_key(const struct nlattr *data)
{
    const struct nlattr *key = attribute_find(data, NFTA_META_KEY);

    return key ? foreign_chain_word(key) : NFT_META_LEN;
}

/* What the register is compared with, if it is for equality. */
static const struct nlattr *compared(const struct nlattr *data)
{
    const struct nlattr *op = attribute_find(data, NFTA_CMP_OP);
    const struct nlattr *with = attribute_find(data, NFTA_CMP_DATA);

    return op && with && foreign_chain_word(op) == NFT_CMP_EQ
               ? attribute_find(with, NFTA_DATA_VALUE)
               : NULL;
}

/* `iifname "lan0"`, `oif 5` and so on. */
static bool match_of(uint32_t key, const struct nlattr *value, struct interface_match *match)
{
    size_t size = attribute_size(value);

    *match = (struct interface_match){.out = key == NFT_META_OIF || key == NFT_META_OIFNAME};
    if (key == NFT_META_IIFNAME || key == NFT_META_OIFNAME) {
        snprintf(match->name, sizeof(match->name), "%.*s", (int)size, attribute_data(value));
        match->prefix = size < IFNAMSIZ; /* as long as what is given; else with its end */
        return match->name[0] != 0;
    }
    if ((key != NFT_META_IIF && key != NFT_META_OIF) || size < sizeof(match->ifindex))
        return false;
    memcpy(&match->ifindex, attribute_data(value), sizeof(match->ifindex));
    return match->ifindex != 0;
}

/* The rule begins with comparisons, one of them of an interface. */
static bool find_match(const struct nlattr *expressions, struct interface_match *match)
{
    uint32_t key = 0;
    bool loaded = false;
    char name[16];

    EACH_ATTRIBUTE(element, attribute_data(expressions), attribute_size(expressions))
    {
        const struct nlattr *data = expression(element, name), *value;

        if (data && !loaded && !strcmp(name, "meta")) {
            key = meta_key(data);
            loaded = true;
        } else if (data && loaded && !strcmp(name, "cmp")) {
            value = compared(data);
            if (value && match_of(key, value, match))
                return true;
            loaded = false;
        } else {
            return false;
        }
    }
    return false;
}

struct rules {
    struct foreign *foreign;
    const struct foreign_chain *chain;
    bool all; /* about everything */
    char why[FOREIGN_TEXT];
};

static bool on_rule(void *arg, const struct nlmsghdr *h)
{
    struct rules *rules = arg;
    struct interface_match match;
    struct foreign_place *place;
    size_t size;
    const char *start = foreign_chain_attributes(h, &size);
    bool found = false;

    if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
        return true;
    EACH_ATTRIBUTE(a, start, size)
    {
        if (attribute_type(a) == NFTA_RULE_EXPRESSIONS)
            found = find_match(a, &match);
    }
    if (!found) {
        rules->all = true;
        return false;
    }
    place = foreign_note_place(rules->foreign, FOREIGN_NFTABLES, match.ifindex ? NULL : match.name,
                               match.ifindex, rules->why);
    place->in |= !match.out;
    place->out |= match.out;
    place->prefix |= match.prefix;
    return true;
}

static void put_text(struct nlattr *a, uint16_t type, const char *value)
{
    a->nla_type = type;
    a->nla_len = (uint16_t)(sizeof(*a) + strlen(value) + 1);
    memcpy(a + 1, value, strlen(value) + 1);
}

int foreign_rule_read(struct foreign *foreign, const struct foreign_chain *chain)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
        char names[2 * (sizeof(struct nlattr) + NFT_TABLE_MAXNAMELEN)];
    } request = {.h = {.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .head = {.nfgen_family = chain->family, .version = NFNETLINK_V0}};
    struct rules rules = {.foreign = foreign, .chain = chain};
    struct nlattr *a = (void *)request.names;
    int r;

    foreign_chain_describe(chain, rules.why);
    put_text(a, NFTA_RULE_TABLE, chain->table);
    request.h.nlmsg_len =
        (uint32_t)(sizeof(request.h) + sizeof(request.head)) + NLA_ALIGN(a->nla_len);
    a = (void *)(request.names + NLA_ALIGN(a->nla_len));
    put_text(a, NFTA_RULE_CHAIN, chain->name);
    request.h.nlmsg_len += NLA_ALIGN(a->nla_len);
    r = dump_run(NETLINK_NETFILTER, &request.h, on_rule, &rules);
    if (r == -ENOENT) /* deleted in between */
        return -EINTR;
    if (rules.all)
        foreign_note(foreign, FOREIGN_NFTABLES,
                     foreign_chain_family(chain->family, FOREIGN_IP4, FOREIGN_IP6), rules.why);
    return r;
}
