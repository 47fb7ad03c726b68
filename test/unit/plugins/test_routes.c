/* plugins/routing: reading static routes, and which next hops fit. No kernel is involved. */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/lib/rtnl.h"
#include "plugins/routing/compare.h"
#include "plugins/routing/lookup.h"
#include "plugins/routing/reach.h"
#include "plugins/routing/set.h"
#include "test/lib/harness.h"

static cJSON *json(const char *text)
{
    char *copy = strdup(text);
    cJSON *tree;

    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    tree = cJSON_Parse(copy);
    free(copy);
    ck_assert_ptr_nonnull(tree);
    return tree;
}

/* text: the value of "static", with ' for ". */
static void read_routes(const char *text, struct routes_want *routes)
{
    cJSON *routing = cJSON_CreateObject();
    struct orb_err err;

    cJSON_AddItemToObject(routing, "static", json(text));
    ck_assert_int_eq(set_read(routing, routes, &err), 0);
    cJSON_Delete(routing);
}

static bool is_broken(const struct rtnl_rule *rules, unsigned count, uint32_t table)
{
    struct rtnl_rules list = {(struct rtnl_rule *)rules, count};
    char what[ORB_ERR_TEXT] = "";
    bool broken = lookup_is_broken(&list, AF_INET, table, what, sizeof(what));

    ck_assert_int_eq(broken, what[0] != 0);
    return broken;
}

#define RULE(number, ...)                                                                          \
    {                                                                                              \
        .family = AF_INET, .priority = number, .protocol = RTPROT_KERNEL, .action = FR_ACT_TO_TBL, \
        __VA_ARGS__                                                                                \
    }

TEST(the_kernels_own_rules_lead_to_the_tables)
{
    struct rtnl_rule rules[] = {RULE(0, .table = RT_TABLE_LOCAL),
                                RULE(5, .mark = 1, .mask = 1, .table = 9),
                                RULE(32766, .table = RT_TABLE_MAIN)};

    ck_assert(!is_broken(rules, 3, RT_TABLE_LOCAL));
    ck_assert(!is_broken(rules, 3, RT_TABLE_MAIN));
}

TEST(a_missing_rule_is_reported_whatever_narrower_ones_there_are)
{
    struct rtnl_rule rules[] = {
        RULE(0, .table = RT_TABLE_LOCAL),
        RULE(5, .mark = 1, .mask = 1, .table = RT_TABLE_MAIN),
        RULE(6, .iif = "lan0", .table = RT_TABLE_MAIN),
        RULE(7, .extra = true, .table = RT_TABLE_MAIN),
        RULE(8, .ignore_default = true, .table = RT_TABLE_MAIN),
        RULE(9, .table = 200),
        {.family = AF_INET6, .action = FR_ACT_TO_TBL, .table = RT_TABLE_MAIN}};

    ck_assert(!is_broken(rules, 7, RT_TABLE_LOCAL));
    ck_assert(is_broken(rules, 7, RT_TABLE_MAIN));
    ck_assert(is_broken(rules + 1, 6, RT_TABLE_LOCAL));
}

TEST(a_rule_of_others_that_refuses_everything_is_reported)
{
    struct rtnl_rule rules[] = {RULE(0, .table = RT_TABLE_LOCAL), RULE(5, .table = 0),
                                RULE(32766, .table = RT_TABLE_MAIN)};

    rules[1].action = FR_ACT_PROHIBIT;
    ck_assert(!is_broken(rules, 3, RT_TABLE_LOCAL));
    ck_assert(is_broken(rules, 3, RT_TABLE_MAIN));
    rules[1].mask = 1;
    ck_assert(!is_broken(rules, 3, RT_TABLE_MAIN));
    rules[1].mask = 0;
    rules[1].protocol = NETLINK_OURS; /* as configured */
    ck_assert(!is_broken(rules, 3, RT_TABLE_MAIN));
}

static const struct route_want *only(const struct routes_want *routes)
{
    ck_assert_uint_eq(routes->misfit_count, 0);
    ck_assert_uint_eq(routes->count, 1);
    return routes->sorted[0];
}

TEST(what_cannot_be_read_is_named_and_leaves_the_rest)
{
    struct routes_want routes;

    read_routes("{'10.1.0.1/16':{'blackhole':true},'10.2.0.0/16':{},"
                "'10.3.0.0/16':{'next-hops':{'10.0.0.1':{},'240.0.0.1':{}}},"
                "'2001:db8::/32':{'blackhole':true},'2001:DB8::/32':{'blackhole':true},"
                "'10.4.0.0/16':{'next-hops':{'10.0.0.1':{}}},"
                "'10.5.0.0/16':{'unreachable':true,'reject':true}}",
                &routes);
    ck_assert_uint_eq(routes.count, 2);
    ck_assert_str_eq(routes.sorted[0]->key, "10.4.0.0/16");
    ck_assert_str_eq(routes.sorted[1]->key, "2001:db8::/32");
    ck_assert_uint_eq(routes.misfit_count, 5);
    ck_assert_str_eq(routes.misfits[0].path, "/routing/static/10.1.0.1~116");
    ck_assert_str_eq(routes.misfits[2].path, "/routing/static/10.3.0.0~116/next-hops/240.0.0.1");
    ck_assert_ptr_nonnull(strstr(routes.misfits[4].text, "same network as 2001:db8::/32"));
    set_fini(&routes);
}

TEST(a_commit_answers_for_its_own_misfits_only)
{
    struct routes_want before, after;
    struct orb_err err;

    read_routes("{'10.1.0.1/16':{'blackhole':true}}", &before);
    read_routes("{'10.1.0.1/16':{'blackhole':true},'10.2.0.0/16':{'reject':true}}", &after);
    ck_assert_int_eq(compare_misfits(&after, &before, &err), 0);
    set_fini(&after);
    read_routes("{'10.1.0.1/16':{'blackhole':true},'10.3.0.1/16':{'reject':true}}", &after);
    ck_assert_int_eq(compare_misfits(&after, &before, &err), ORB_E_VETO);
    ck_assert_str_eq(err.path, "/routing/static/10.3.0.1~116");
    set_fini(&after);
    set_fini(&before);
}

TEST(metrics_of_next_hops_default_to_the_routes)
{
    struct routes_want routes;
    const struct route_want *route;

    read_routes("{'0.0.0.0/0':{'metric':7,'blackhole':true,"
                "'next-hops':{'10.0.0.1':{},'10.0.0.2':{'metric':9}}}}",
                &routes);
    route = only(&routes);
    ck_assert(set_has_metric(route, 7) && set_has_metric(route, 9));
    ck_assert(set_has_metric(route, LAST_METRIC) && !set_has_metric(route, 0));
    ck_assert_uint_eq(route->last, RTN_BLACKHOLE);
    set_fini(&routes);
    read_routes("{'::/0':{'next-hops':{'2001:db8::1':{}}}}", &routes);
    ck_assert(set_has_metric(only(&routes), 512));
    set_fini(&routes);
    read_routes("{'10.0.0.0/8':{'reject':true,'metric':5}}", &routes);
    ck_assert_uint_eq(set_last_metric(only(&routes)), 5);
    ck_assert(!set_has_metric(only(&routes), LAST_METRIC));
    set_fini(&routes);
}

TEST(only_what_a_user_changed_counts_as_changed)
{
    struct routes_want before, after;

    read_routes("{'10.1.0.0/16':{'reject':true},'10.2.0.0/16':{'next-hops':{'10.0.0.1':{}}},"
                "'10.3.0.0/16':{'next-hops':{'10.0.0.1':{}}}}",
                &before);
    before.sorted[1]->hops[0].held = true;
    read_routes(
        "{'10.3.0.0/16':{'next-hops':{'10.0.0.1':{'interface':'a','onlink':true}}},"
        "'10.1.0.0/16':{'reject':true,'description':'x'},"
        "'10.2.0.0/16':{'next-hops':{'10.0.0.1':{'weight':1}}},'10.4.0.0/16':{'reject':true}}",
        &after);
    compare_routes(&after, &before);
    ck_assert(!after.sorted[0]->changed && !after.sorted[1]->changed);
    ck_assert(after.sorted[2]->changed && after.sorted[3]->changed);
    ck_assert(after.sorted[1]->hops[0].held);
    set_fini(&after);
    set_fini(&before);
}

/* One link, up, with or without carrier; interfaces: /interfaces with ' for ". */
static void expect_fit(const char *interfaces, bool carrier, const char *hop, enum fit fit,
                       const char *why)
{
    struct rtnl_link link = {.index = 3, .name = "wan0", .flags = IFF_UP, .carrier = carrier};
    struct kernel kernel = {.links = {&link, 1}};
    char text[200], shown[200] = "";
    struct routes_want routes;
    struct reach reach;
    struct rtnl_hop out;
    struct orb_err err;
    const char *todo = "";
    cJSON *tree = json(interfaces);

    snprintf(text, sizeof(text), "{'0.0.0.0/0':{'next-hops':{%s}}}", hop);
    read_routes(text, &routes);
    ck_assert_int_eq(reach_make(&kernel, tree, &routes, &reach, &err), 0);
    ck_assert_msg(reach_fit(&reach, only(&routes)->hops) == fit, "%s: fit %d, not %d", hop,
                  reach_fit(&reach, only(&routes)->hops), fit);
    ck_assert_msg(reach_now(&reach, only(&routes)->hops, &out, shown, sizeof(shown), &todo) == !why,
                  "%s: %s", hop, shown);
    if (why)
        ck_assert_msg(strstr(shown, why) && *todo, "\"%s\" is not in \"%s\"", why, shown);
    reach_fini(&reach);
    set_fini(&routes);
    cJSON_Delete(tree);
}

TEST(a_next_hop_fits_by_the_configuration_and_is_used_by_what_works)
{
    const char *both = "{'wan0':{'addresses':['192.0.2.2/24']},"
                       "'wan1':{'addresses':['203.0.113.2/24']}}";
    const char *off = "{'wan0':{'addresses':['192.0.2.2/24'],'enabled':false}}";
    const char *single = "{'wan0':{'addresses':['203.0.113.7/32']},'wan1':{}}";

    expect_fit(both, true, "'192.0.2.1':{}", FIT_YES, NULL);
    expect_fit(both, false, "'192.0.2.1':{}", FIT_YES, "wan0 has no carrier");
    expect_fit(both, true, "'203.0.113.1':{}", FIT_YES, "there is no interface \"wan1\"");
    expect_fit(both, true, "'192.0.2.2':{}", FIT_SELF, "this machine itself");
    expect_fit(both, true, "'192.0.2.255':{}", FIT_BROADCAST, "broadcast");
    expect_fit(both, true, "'198.51.100.1':{}", FIT_NOWHERE, "in no connected network");
    expect_fit(both, true, "'192.0.2.1':{'interface':'wan9'}", FIT_NO_INTERFACE,
               "no interface \"wan9\"");
    expect_fit(off, true, "'192.0.2.1':{}", FIT_OFF, "in no connected network");
    expect_fit(off, true, "'192.0.2.1':{'interface':'wan0'}", FIT_OFF, "switched off");
    expect_fit(single, true, "'192.0.2.1':{'interface':'wan0'}", FIT_NOWHERE, NULL);
    expect_fit(single, true, "'192.0.2.1':{'interface':'wan0','onlink':true}", FIT_YES, NULL);
    expect_fit(single, true, "'192.0.2.1':{'interface':'wan1'}", FIT_YES,
               "there is no interface \"wan1\"");
}

static bool reads(uint8_t family, uint8_t len, const void *oif, uint16_t size,
                  struct rtnl_route *route)
{
    struct {
        struct nlmsghdr h;
        struct rtmsg m;
        struct rtattr dst;
        uint8_t address[16];
        struct rtattr out;
        uint8_t index[4];
    } message = {
        .h = {.nlmsg_len = offsetof(__typeof__(message), index) + size, .nlmsg_type = RTM_NEWROUTE},
        .m = {.rtm_family = family, .rtm_dst_len = len, .rtm_type = RTN_UNICAST},
        .dst = {.rta_len = RTA_LENGTH(16), .rta_type = RTA_DST},
        .out = {.rta_len = RTA_LENGTH(size), .rta_type = RTA_OIF}};

    memset(message.index, 0xff, sizeof(message.index)); /* the bytes behind the message */
    memcpy(message.index, oif, size);
    return rtnl_route_read(&message.h, route);
}

TEST(a_route_with_an_impossible_prefix_or_a_short_attribute_is_not_believed)
{
    const uint32_t index = 7;
    struct rtnl_route route;

    ck_assert(reads(AF_INET6, 128, &index, 4, &route));
    ck_assert_int_eq(route.hops[0].index, 7);
    ck_assert(!reads(AF_INET6, 129, &index, 4, &route));
    ck_assert(!reads(AF_INET, 33, &index, 4, &route));
    ck_assert(reads(AF_INET6, 64, &index, 1, &route));
    ck_assert_int_eq(route.hops[0].index, 0);
}
