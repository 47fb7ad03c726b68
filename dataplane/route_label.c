/* IPv6 routing by flow label: multipath routes (fib_multipath_hash_policy 0 includes it), and rules
 * that match it (Linux 6.14). An entry of the flow cache is for all labels of a flow, and hosts
 * change theirs within a connection to get another path (RFC 6438; Linux at each retransmission),
 * so there each packet does a lookup.
 *
 * And rules of IPv6 that pass over what they find, which programs are not told of: there IPv6 is
 * the kernel's. And routes that end by themselves: the kernel reports it up to half a minute later.
 */
#include "dataplane/route_label.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/dataplane_internal.h"

#define RULE_FLOW_LABEL 25 /* FRA_FLOWLABEL of Linux 6.14 */

#define SUPPRESSES_NOTHING ~0u

static bool has(const struct nlmsghdr *h, size_t head, uint16_t type, uint16_t or_type)
{
    const struct rtattr *a = (const void *)((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(head));
    int len = (int)h->nlmsg_len - (int)NLMSG_SPACE(head);

    for (; RTA_OK(a, len); a = RTA_NEXT(a, len))
        if (a->rta_type == type || a->rta_type == or_type)
            return true;
    return false;
}

bool route_label_shared(const struct nlmsghdr *h)
{
    const struct rtmsg *route = NLMSG_DATA(h);

    if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(sizeof(*route)))
        return false;
    /* What an object leads to may become a group without an event about the route. */
    return route->rtm_family == AF_INET6 && has(h, sizeof(*route), RTA_MULTIPATH, RTA_NH_ID);
}

bool route_label_ruled(const struct nlmsghdr *h)
{
    const struct fib_rule_hdr *rule = NLMSG_DATA(h);

    if (h->nlmsg_type != RTM_NEWRULE || h->nlmsg_len < NLMSG_LENGTH(sizeof(*rule)))
        return false;
    return rule->family == AF_INET6 && has(h, sizeof(*rule), RULE_FLOW_LABEL, RULE_FLOW_LABEL);
}

bool route_label_suppressed(const struct nlmsghdr *h)
{
    const struct fib_rule_hdr *rule = NLMSG_DATA(h);
    const struct rtattr *a = (const void *)((const char *)rule + NLMSG_ALIGN(sizeof(*rule)));
    int len = (int)h->nlmsg_len - (int)NLMSG_SPACE(sizeof(*rule));
    uint32_t value;

    if ((h->nlmsg_type != RTM_NEWRULE && h->nlmsg_type != RTM_DELRULE) ||
        h->nlmsg_len < NLMSG_LENGTH(sizeof(*rule)) || rule->family != AF_INET6)
        return false;
    for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if ((a->rta_type != FRA_SUPPRESS_PREFIXLEN && a->rta_type != FRA_SUPPRESS_IFGROUP) ||
            RTA_PAYLOAD(a) < sizeof(value))
            continue;
        memcpy(&value, RTA_DATA(a), sizeof(value));
        if (value != SUPPRESSES_NOTHING)
            return true;
    }
    return false;
}

bool route_label_expires(const struct nlmsghdr *h)
{
    const struct rtmsg *route = NLMSG_DATA(h);
    const struct rtattr *a = (const void *)((const char *)route + NLMSG_ALIGN(sizeof(*route)));
    int len = (int)h->nlmsg_len - (int)NLMSG_SPACE(sizeof(*route));
    struct rta_cacheinfo info;

    if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) ||
        route->rtm_family != AF_INET6 || (route->rtm_flags & RTM_F_CLONED))
        return false;
    if (route->rtm_protocol == RTPROT_RA)
        return true;
    for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type != RTA_CACHEINFO || RTA_PAYLOAD(a) < sizeof(info))
            continue;
        memcpy(&info, RTA_DATA(a), sizeof(info));
        return info.rta_expires != 0;
    }
    return false;
}
