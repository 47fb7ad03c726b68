/* Foreign chains at nftables' hooks. Their rules are not interpreted, only where they apply: an
 * accepting chain without rules does not apply to any packet, one whose rules all begin with an
 * interface applies to that interface, one of type nat to first packets; any other to all packets
 * of its family. iptables-nft's chains are included. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/buf.h"
#include "dataplane/attribute.h"
#include "dataplane/foreign_nft.h"
#include "dataplane/dump.h"

#ifndef NFT_TABLE_F_DORMANT
#define NFT_TABLE_F_DORMANT 1
#endif

struct reading {
    struct foreign *foreign;
    struct buf dormant; /* names of tables: family byte, name, 0 */
    struct buf filters; /* struct foreign_chain: whose rules are to be read */
};

static void text(const struct nlattr *a, char *to, size_t size)
{
    snprintf(to, size, "%.*s", (int)attribute_size(a), attribute_data(a));
}

/* ---- tables ---- */

static bool on_table(void *arg, const struct nlmsghdr *h)
{
    struct reading *reading = arg;
    const struct nfgenmsg *head = NLMSG_DATA(h);
    char name[NFT_TABLE_MAXNAMELEN] = "";
    uint32_t flags = 0;
    size_t size;
    const char *start = foreign_chain_attributes(h, &size);

    if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE) || !size)
        return true;
    EACH_ATTRIBUTE(a, start, size)
    {
        if (attribute_type(a) == NFTA_TABLE_NAME)
            text(a, name, sizeof(name));
        else if (attribute_type(a) == NFTA_TABLE_FLAGS)
            flags = foreign_chain_word(a);
    }
    if (flags & NFT_TABLE_F_DORMANT) {
        buf_addc(&reading->dormant, (char)head->nfgen_family);
        buf_add(&reading->dormant, name, strlen(name) + 1);
    }
    return true;
}

static bool is_dormant(const struct reading *reading, uint8_t family, const char *name)
{
    for (size_t at = 0; at < reading->dormant.len;) {
        const char *entry = reading->dormant.data + at;

        if ((uint8_t)entry[0] == family && !strcmp(entry + 1, name))
            return true;
        at += strlen(entry + 1) + 2;
    }
    return false;
}

/* ---- chains ---- */

static void read_chain(const struct nlmsghdr *h, struct foreign_chain *chain)
{
    size_t size;
    const char *start = foreign_chain_attributes(h, &size);
    const struct nlattr *number;

    chain->family = ((const struct nfgenmsg *)NLMSG_DATA(h))->nfgen_family;
    chain->accepts = true;
    EACH_ATTRIBUTE(a, start, size)
    {
        switch (attribute_type(a)) {
        case NFTA_CHAIN_TABLE:
            text(a, chain->table, sizeof(chain->table));
            break;
        case NFTA_CHAIN_NAME:
            text(a, chain->name, sizeof(chain->name));
            break;
        case NFTA_CHAIN_HOOK:
            chain->hooked = true;
            chain->devices = a;
            number = attribute_find(a, NFTA_HOOK_HOOKNUM);
            chain->hook = number ? foreign_chain_word(number) : NF_INET_NUMHOOKS;
            break;
        case NFTA_CHAIN_POLICY:
            chain->accepts = foreign_chain_word(a) == NF_ACCEPT;
            break;
        case NFTA_CHAIN_USE:
            chain->rules = foreign_chain_word(a);
            break;
        case NFTA_CHAIN_TYPE:
            chain->nat = attribute_size(a) == sizeof("nat") && !memcmp(attribute_data(a), "nat", 4);
            break;
        default:
            break;
        }
    }
}

/* At a device's own hook, `hooked` names it. Egress is not honoured where a program redirects. */
static void note_device(struct foreign *foreign, const struct nlattr *device, bool prefix,
                        bool egress, const char *why)
{
    struct foreign_place *place;
    char name[IFNAMSIZ];

    text(device, name, sizeof(name));
    place = foreign_note_place(foreign, FOREIGN_NFTABLES, name, 0, why);
    place->in |= !egress;
    place->out |= egress;
    place->prefix |= prefix;
}

static void note_devices(struct foreign *foreign, const struct foreign_chain *chain, bool egress)
{
    const struct nlattr *one = attribute_find(chain->devices, NFTA_HOOK_DEV);
    const struct nlattr *list = attribute_find(chain->devices, NFTA_HOOK_DEVS);
    char why[FOREIGN_TEXT];

    foreign_chain_describe(chain, why);
    if (one)
        note_device(foreign, one, false, egress, why);
    if (!list)
        return;
    EACH_ATTRIBUTE(a, attribute_data(list), attribute_size(list))
    {
        note_device(foreign, a, attribute_type(a) != NFTA_DEVICE_NAME, egress, why); /* "eth*" */
    }
}

static void note_chain(struct reading *reading, const struct foreign_chain *chain)
{
    struct foreign *foreign = reading->foreign;
    char why[FOREIGN_TEXT];
    bool routed = chain->hook == NF_INET_PRE_ROUTING || chain->hook == NF_INET_FORWARD ||
                  chain->hook == NF_INET_POST_ROUTING;

    foreign_chain_describe(chain, why);
    if (chain->family == NFPROTO_NETDEV)
        note_devices(foreign, chain, chain->hook != NF_NETDEV_INGRESS);
    else if (chain->family == NFPROTO_INET && chain->hook == NF_INET_INGRESS)
        note_devices(foreign, chain, false);
    if (!*foreign_chain_family_name(chain->family) || chain->family == NFPROTO_NETDEV || !routed)
        return;
    if (!chain->nat || chain->hook == NF_INET_PRE_ROUTING)
        foreign_note(foreign, FOREIGN_NFTABLES,
                     foreign_chain_family(chain->family, FOREIGN_NEW4, FOREIGN_NEW6), why);
    if (chain->nat)
        return;
    if (!chain->accepts)
        foreign_note(foreign, FOREIGN_NFTABLES,
                     foreign_chain_family(chain->family, FOREIGN_IP4, FOREIGN_IP6), why);
    else
        buf_add(&reading->filters, chain, sizeof(*chain));
}

static bool on_chain(void *arg, const struct nlmsghdr *h)
{
    struct reading *reading = arg;
    struct foreign_chain chain = {0};

    if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN) ||
        h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
        return true;
    read_chain(h, &chain);
    if (chain.hooked && (chain.rules || !chain.accepts) &&
        !(chain.family == NFPROTO_INET && !strcmp(chain.table, "orbital")) &&
        !is_dormant(reading, chain.family, chain.table))
        note_chain(reading, &chain);
    return true;
}

static int dump_all(uint8_t message, dump_fn *each, struct reading *reading)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message),
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .head = {.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0}};

    return dump_run(NETLINK_NETFILTER, &request.h, each, reading);
}

int foreign_nft_read(struct foreign *foreign)
{
    struct reading reading = {.foreign = foreign};
    int r = dump_all(NFT_MSG_GETTABLE, on_table, &reading);

    if (!r)
        r = dump_all(NFT_MSG_GETCHAIN, on_chain, &reading);
    for (size_t at = 0; !r && at < reading.filters.len; at += sizeof(struct foreign_chain)) {
        struct foreign_chain chain;

        memcpy(&chain, reading.filters.data + at, sizeof(chain));
        r = foreign_rule_read(foreign, &chain);
    }
    buf_fini(&reading.dormant);
    buf_fini(&reading.filters);
    return r;
}
