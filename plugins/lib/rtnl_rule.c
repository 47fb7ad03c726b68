/* Policy rules of the kernel: see rtnl.h. */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "plugins/lib/rtnl_internal.h"

static bool read_prefix(const struct nlattr *attr, uint8_t family, uint8_t len, struct prefix *ret)
{
    if (!len)
        return true;
    ret->len = len;
    return rtnl_fits(family, len) && rtnl_read_address(attr, family, &ret->address);
}

/* Whether the rule has attributes Orbital does not use. */
static bool has_extra(struct nlattr **a, const struct fib_rule_hdr *m)
{
    static const int others[] = {
        FRA_OIFNAME,   FRA_GOTO,     FRA_FLOW,        FRA_TUN_ID,      FRA_L3MDEV,
        FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_SUPPRESS_IFGROUP};
    uint32_t none = (uint32_t)-1;

    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (others[i] == FRA_SUPPRESS_IFGROUP ? rtnl_u32(a[others[i]], none) != none
            : others[i] == FRA_L3MDEV         ? rtnl_u8(a[others[i]], 0)
                                              : a[others[i]] != NULL)
            return true;
    }
    if (rtnl_u32(a[FRA_SUPPRESS_PREFIXLEN], none) != none &&
        rtnl_u32(a[FRA_SUPPRESS_PREFIXLEN], none) != 0)
        return true;
    return m->tos || (m->flags & FIB_RULE_INVERT);
}

bool rtnl_rule_read(struct nlmsghdr *header, struct rtnl_rule *ret_rule)
{
    struct fib_rule_hdr *m = nlmsg_data(header);
    struct nlattr *a[FRA_MAX + 1];
    struct rtnl_rule r = {0};

    if ((header->nlmsg_type != RTM_NEWRULE && header->nlmsg_type != RTM_DELRULE) ||
        nlmsg_parse(header, sizeof(*m), a, FRA_MAX, NULL) < 0 ||
        (m->family != AF_INET && m->family != AF_INET6) ||
        !read_prefix(a[FRA_SRC], m->family, m->src_len, &r.from) ||
        !read_prefix(a[FRA_DST], m->family, m->dst_len, &r.to))
        return false;
    r.family = m->family;
    r.action = m->action;
    r.table = rtnl_u32(a[FRA_TABLE], m->table);
    r.priority = rtnl_u32(a[FRA_PRIORITY], 0);
    r.protocol = rtnl_u8(a[FRA_PROTOCOL], 0);
    if (a[FRA_IIFNAME])
        nla_strlcpy(r.iif, a[FRA_IIFNAME], sizeof(r.iif));
    r.mask = rtnl_u32(a[FRA_FWMASK], 0);
    r.mark = rtnl_u32(a[FRA_FWMARK], 0);
    r.ignore_default = rtnl_u32(a[FRA_SUPPRESS_PREFIXLEN], 1) == 0;
    r.extra = has_extra(a, m);
    *ret_rule = r;
    return true;
}

static void on_rule(void *arg, struct nlmsghdr *header)
{
    struct rtnl_rule rule, *to;

    if (rtnl_rule_read(header, &rule) && (to = rtnl_grow(arg)))
        *to = rule;
}

int rtnl_rule_list(struct nl_sock *socket, struct rtnl_rules *ret_rules, struct orb_err *err)
{
    struct fib_rule_hdr header = {.family = AF_UNSPEC};
    struct rtnl_grow g = {.item = sizeof(struct rtnl_rule)};
    int r = rtnl_collect(socket, RTM_GETRULE, &header, sizeof(header), on_rule, &g, "rules", err);

    if (r == 0)
        *ret_rules = (struct rtnl_rules){g.items, g.count};
    return r;
}

static bool put_prefix(struct nl_msg *message, int type, const struct prefix *p)
{
    return !p->address.family ||
           nla_put(message, type, (int)address_size(p->address.family), p->address.bytes) == 0;
}

static int change_rule(struct nl_sock *socket, int type, int flags, const struct rtnl_rule *rule,
                       struct orb_err *err)
{
    struct fib_rule_hdr m = {.family = rule->family,
                             .src_len = rule->from.len,
                             .dst_len = rule->to.len,
                             .action = rule->action,
                             .table = rule->table < 256 ? (uint8_t)rule->table : RT_TABLE_COMPAT};
    struct nl_msg *message = nlmsg_alloc_simple(type, flags);
    bool fits = message && nlmsg_append(message, &m, sizeof(m), NLMSG_ALIGNTO) == 0 &&
                nla_put_u32(message, FRA_PRIORITY, rule->priority) == 0 &&
                nla_put_u8(message, FRA_PROTOCOL, NETLINK_OURS) == 0 &&
                put_prefix(message, FRA_SRC, &rule->from) &&
                put_prefix(message, FRA_DST, &rule->to);

    if (fits && rule->action == FR_ACT_TO_TBL)
        fits = nla_put_u32(message, FRA_TABLE, rule->table) == 0;
    if (fits && *rule->iif)
        fits = nla_put_string(message, FRA_IIFNAME, rule->iif) == 0;
    if (fits && rule->mask)
        fits = nla_put_u32(message, FRA_FWMARK, rule->mark) == 0 &&
               nla_put_u32(message, FRA_FWMASK, rule->mask) == 0;
    if (fits && rule->ignore_default)
        fits = nla_put_u32(message, FRA_SUPPRESS_PREFIXLEN, 0) == 0;
    return rtnl_send(socket, message, fits, err);
}

int rtnl_rule_add(struct nl_sock *socket, const struct rtnl_rule *rule, struct orb_err *err)
{
    return change_rule(socket, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule, err);
}

int rtnl_rule_delete(struct nl_sock *socket, const struct rtnl_rule *rule, struct orb_err *err)
{
    return change_rule(socket, RTM_DELRULE, 0, rule, err);
}
