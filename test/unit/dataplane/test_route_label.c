/* Where the flow label of IPv6 decides, by the kernel's messages (dataplane/route_label.c).
 */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/dataplane_internal.h"
#include "dataplane/route_label.h"
#include "dataplane/route_shared.h"
#include "test/lib/harness.h"

#define RULE_LABEL 25

struct message {
    struct nlmsghdr h;
    union {
        struct rtmsg route;
        struct fib_rule_hdr rule;
    };
    char rest[128];
};

static struct message begin(uint16_t type, uint8_t family)
{
    struct message m = {.h = {.nlmsg_type = type, .nlmsg_len = NLMSG_LENGTH(sizeof(m.route))}};

    m.route.rtm_family = family;
    return m;
}

static void put(struct message *m, uint16_t type)
{
    struct {
        struct rtattr a;
        uint32_t value;
    } word = {{sizeof(word), type}, 7};

    memcpy((char *)m + NLMSG_ALIGN(m->h.nlmsg_len), &word, sizeof(word));
    m->h.nlmsg_len = NLMSG_ALIGN(m->h.nlmsg_len) + (uint32_t)sizeof(word);
}

static bool shared(uint16_t type, uint8_t family, uint16_t attribute)
{
    struct message m = begin(type, family);

    put(&m, RTA_OIF);
    put(&m, attribute);
    return route_label_shared(&m.h);
}

static bool ruled(uint16_t type, uint8_t family, uint16_t attribute)
{
    struct message m = begin(type, family);

    put(&m, FRA_PRIORITY);
    put(&m, attribute);
    return route_label_ruled(&m.h);
}

TEST(next_hops_that_share_a_route_of_ipv6_ask_for_the_label)
{
    ck_assert(shared(RTM_NEWROUTE, AF_INET6, RTA_MULTIPATH));
    ck_assert(shared(RTM_NEWROUTE, AF_INET6, RTA_NH_ID));
    ck_assert(!shared(RTM_NEWROUTE, AF_INET6, RTA_GATEWAY));
    ck_assert(!shared(RTM_NEWROUTE, AF_INET, RTA_MULTIPATH));
    ck_assert(!shared(RTM_DELROUTE, AF_INET6, RTA_MULTIPATH));
}

TEST(a_rule_about_the_label_asks_for_it)
{
    ck_assert(ruled(RTM_NEWRULE, AF_INET6, RULE_LABEL));
    ck_assert(!ruled(RTM_NEWRULE, AF_INET6, FRA_FWMARK));
    ck_assert(!ruled(RTM_NEWRULE, AF_INET, RULE_LABEL));
    ck_assert(!ruled(RTM_DELRULE, AF_INET6, RULE_LABEL));
    ck_assert(!ruled(RTM_NEWROUTE, AF_INET6, RULE_LABEL));
}

/* Two next hops, by the interfaces 3 and 4. */
static struct message by_two(uint8_t family)
{
    struct message m = begin(RTM_NEWROUTE, family);
    struct {
        struct rtattr a;
        struct rtnexthop hops[2];
    } hops = {.a = {sizeof(hops), RTA_MULTIPATH}};

    for (int i = 0; i < 2; i++)
        hops.hops[i] = (struct rtnexthop){.rtnh_len = sizeof(hops.hops[0]), .rtnh_ifindex = 3 + i};
    m.route.rtm_type = RTN_UNICAST;
    memcpy((char *)&m + NLMSG_ALIGN(m.h.nlmsg_len), &hops, sizeof(hops));
    m.h.nlmsg_len = NLMSG_ALIGN(m.h.nlmsg_len) + (uint32_t)sizeof(hops);
    return m;
}

TEST(next_hops_that_share_a_route_are_known_by_interface)
{
    struct route_shares shares[2] = {{.count = 0}};
    struct message four = by_two(AF_INET), six = by_two(AF_INET6), one = begin(RTM_NEWROUTE, 2);

    ck_assert(route_shared_add(shares, &four.h));
    ck_assert(!route_shared_add(shares, &four.h)); /* known */
    ck_assert(route_shared_add(shares, &six.h));
    for (int f = 0; f < 2; f++)
        ck_assert(shares[f].count == 2 && shares[f].items[1] == 4 && !shares[f].any);
    one.route.rtm_type = RTN_UNICAST;
    put(&one, RTA_OIF);
    ck_assert(!route_shared_add(shares, &one.h));
    put(&one, RTA_NH_ID); /* an object may be a group, of any interfaces */
    ck_assert(route_shared_add(shares, &one.h) && shares[0].any && !shares[1].any);
    four.h.nlmsg_type = RTM_DELROUTE;
    ck_assert(!route_shared_add(shares, &four.h));
}

TEST(more_interfaces_than_there_is_room_for_are_any)
{
    struct route_shares shares[2] = {{.count = ROUTE_SHARES}};
    struct message four = by_two(AF_INET);

    ck_assert(route_shared_add(shares, &four.h) && shares[0].any);
    ck_assert(!route_shared_add(shares, &four.h));
}

static bool suppresses(uint16_t type, uint8_t family, uint16_t attribute, uint32_t value)
{
    struct message m = begin(type, family);

    put(&m, FRA_PRIORITY);
    put(&m, attribute);
    memcpy((char *)&m + m.h.nlmsg_len - sizeof(value), &value, sizeof(value));
    return route_label_suppressed(&m.h);
}

TEST(a_rule_that_passes_over_routes_is_known_when_added_and_when_removed)
{
    ck_assert(suppresses(RTM_NEWRULE, AF_INET6, FRA_SUPPRESS_PREFIXLEN, 0));
    ck_assert(suppresses(RTM_DELRULE, AF_INET6, FRA_SUPPRESS_PREFIXLEN, 0));
    ck_assert(suppresses(RTM_NEWRULE, AF_INET6, FRA_SUPPRESS_IFGROUP, 3));
    ck_assert(!suppresses(RTM_NEWRULE, AF_INET6, FRA_SUPPRESS_PREFIXLEN, ~0u));
    ck_assert(!suppresses(RTM_NEWRULE, AF_INET6, FRA_TABLE, 0));
    ck_assert(!suppresses(RTM_NEWRULE, AF_INET, FRA_SUPPRESS_PREFIXLEN, 0));
    ck_assert(!suppresses(RTM_NEWROUTE, AF_INET6, FRA_SUPPRESS_PREFIXLEN, 0));
}

static bool expires(uint16_t type, uint8_t family, uint8_t protocol, uint32_t left, int cut)
{
    struct message m = begin(type, family);
    struct {
        struct rtattr a;
        struct rta_cacheinfo info;
    } cache = {{sizeof(cache), RTA_CACHEINFO}, {.rta_expires = left}};

    m.route.rtm_protocol = protocol;
    put(&m, RTA_OIF);
    memcpy((char *)&m + NLMSG_ALIGN(m.h.nlmsg_len), &cache, sizeof(cache));
    m.h.nlmsg_len = NLMSG_ALIGN(m.h.nlmsg_len) + (uint32_t)sizeof(cache) - (uint32_t)cut;
    return route_label_expires(&m.h);
}

TEST(a_route_of_ipv6_that_ends_by_itself_is_known)
{
    ck_assert(expires(RTM_NEWROUTE, AF_INET6, RTPROT_BOOT, 400, 0));
    ck_assert(expires(RTM_NEWROUTE, AF_INET6, RTPROT_RA, 0, 0)); /* its time may be set anew */
    ck_assert(!expires(RTM_NEWROUTE, AF_INET6, RTPROT_BOOT, 0, 0));
    ck_assert(!expires(RTM_NEWROUTE, AF_INET, RTPROT_BOOT, 400, 0));
    ck_assert(!expires(RTM_DELROUTE, AF_INET6, RTPROT_BOOT, 400, 0));
    ck_assert(!expires(RTM_NEWROUTE, AF_INET6, RTPROT_BOOT, 400, 4)); /* its end is missing */
}

TEST(a_message_that_is_too_short_has_no_values)
{
    struct message m = begin(RTM_NEWROUTE, AF_INET6);

    m.h.nlmsg_len = NLMSG_LENGTH(4);
    ck_assert(!route_label_shared(&m.h));
    m.h.nlmsg_type = RTM_NEWRULE;
    ck_assert(!route_label_ruled(&m.h));
    ck_assert(!route_label_suppressed(&m.h));
    m = begin(RTM_NEWROUTE, AF_INET6);
    put(&m, RTA_MULTIPATH);
    m.h.nlmsg_len -= 4; /* its end is missing */
    ck_assert(!route_label_shared(&m.h));
}
