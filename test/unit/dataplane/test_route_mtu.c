/* The MTU of routes in the kernel's messages (dataplane/route_mtu.c). */
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/dataplane_internal.h"
#include "dataplane/route_mtu.h"
#include "test/lib/harness.h"

struct message {
    struct nlmsghdr h;
    struct rtmsg route;
    char rest[512];
};

static struct message begin(uint8_t family)
{
    struct message m = {
        .h = {.nlmsg_type = RTM_NEWROUTE, .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg))},
        .route = {.rtm_family = family, .rtm_type = RTN_UNICAST}};

    return m;
}

static void put(struct message *m, uint16_t type, const void *data, size_t size)
{
    struct rtattr a = {.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(size)};
    char *to = (char *)m + NLMSG_ALIGN(m->h.nlmsg_len);

    memcpy(to, &a, sizeof(a));
    memcpy(to + RTA_LENGTH(0), data, size);
    m->h.nlmsg_len = NLMSG_ALIGN(m->h.nlmsg_len) + (uint32_t)RTA_SPACE(size);
}

static void put_word(struct message *m, uint16_t type, uint32_t value)
{
    put(m, type, &value, sizeof(value));
}

/* lock: of the MTU. */
static void put_mtu(struct message *m, uint32_t mtu, bool lock)
{
    struct {
        struct rtattr a;
        uint32_t value;
    } metrics[] = {{{sizeof(metrics[0]), RTAX_MTU}, mtu},
                   {{sizeof(metrics[0]), RTAX_LOCK}, lock ? 1u << RTAX_MTU : 0}};

    put(m, RTA_METRICS, metrics, sizeof(metrics));
}

static bool add(struct route_mtus *mtus, uint8_t family, uint32_t ifindex, uint32_t mtu, bool lock)
{
    struct message m = begin(family);

    put_word(&m, RTA_OIF, ifindex);
    put_mtu(&m, mtu, lock);
    return route_mtu_add(mtus, &m.h);
}

TEST(the_smallest_of_an_interface_counts)
{
    struct route_mtus mtus = {0};

    ck_assert(add(&mtus, AF_INET, 3, 1400, false));
    ck_assert(add(&mtus, AF_INET, 3, 700, false));
    ck_assert(add(&mtus, AF_INET, 3, 1300, false));
    ck_assert(add(&mtus, AF_INET6, 4, 1280, false));
    ck_assert(add(&mtus, AF_INET, 4, 1400, false));
    ck_assert_uint_eq(route_mtu_of(&mtus, 3), 700);
    ck_assert_uint_eq(route_mtu_of(&mtus, 4), 1280);
    ck_assert_uint_eq(route_mtu_of(&mtus, 5), 0);
}

TEST(what_the_lookup_reports_does_not_count)
{
    struct route_mtus mtus = {0};
    struct message m = begin(AF_INET);

    ck_assert(!add(&mtus, AF_INET, 3, 700, true));
    ck_assert(!add(&mtus, AF_INET6, 3, 1300, true));
    ck_assert(!add(&mtus, AF_INET, 3, 70000, false));
    put_word(&m, RTA_OIF, 3);
    ck_assert(!route_mtu_add(&mtus, &m.h));
    m.route.rtm_type = RTN_BLACKHOLE;
    put_mtu(&m, 700, false);
    ck_assert(!route_mtu_add(&mtus, &m.h));
    m.route.rtm_type = RTN_UNICAST;
    m.route.rtm_flags = RTM_F_CLONED; /* an exception, which forwarding does not honour */
    ck_assert(!route_mtu_add(&mtus, &m.h));
    ck_assert_uint_eq(route_mtu_of(&mtus, 3), 0);
}

TEST(each_of_several_next_hops_has_it)
{
    struct rtnexthop hops[] = {{.rtnh_len = sizeof(hops[0]), .rtnh_ifindex = 3},
                               {.rtnh_len = sizeof(hops[0]), .rtnh_ifindex = 7}};
    struct route_mtus mtus = {0};
    struct message m = begin(AF_INET);

    put(&m, RTA_MULTIPATH, hops, sizeof(hops));
    put_mtu(&m, 900, false);
    ck_assert(route_mtu_add(&mtus, &m.h));
    ck_assert_uint_eq(route_mtu_of(&mtus, 3), 900);
    ck_assert_uint_eq(route_mtu_of(&mtus, 7), 900);
    ck_assert_uint_eq(route_mtu_of(&mtus, 4), 0);
}

TEST(one_that_leads_to_an_object_counts_everywhere)
{
    struct route_mtus mtus = {0};
    struct message m = begin(AF_INET);

    ck_assert(add(&mtus, AF_INET, 3, 600, false));
    ck_assert(add(&mtus, AF_INET, 4, 1300, false));
    put_word(&m, RTA_NH_ID, 71);
    put_word(&m, RTA_OIF, 3);
    put_mtu(&m, 900, false);
    ck_assert(route_mtu_add(&mtus, &m.h));
    ck_assert_uint_eq(route_mtu_of(&mtus, 3), 600);
    ck_assert_uint_eq(route_mtu_of(&mtus, 4), 900);
    ck_assert_uint_eq(route_mtu_of(&mtus, 9), 900);
}

TEST(what_has_no_room_counts_everywhere)
{
    struct route_mtus mtus = {0};

    for (uint32_t i = 1; i <= ROUTE_MTUS; i++)
        ck_assert(add(&mtus, AF_INET, i, 1000, false));
    ck_assert_uint_eq(route_mtu_of(&mtus, ROUTE_MTUS + 1), 0);
    ck_assert(add(&mtus, AF_INET, ROUTE_MTUS + 1, 800, false));
    ck_assert_uint_eq(route_mtu_of(&mtus, ROUTE_MTUS + 1), 800);
    ck_assert_uint_eq(route_mtu_of(&mtus, 1), 800);
}
