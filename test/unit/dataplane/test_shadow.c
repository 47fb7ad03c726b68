/* Shadowed rules: pairs by hand, and random policies beside a search of all packets of a small
 * world. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/classify.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/classify.h"
#include "dataplane/shadow.h"
#include "test/lib/harness.h"

static void put(struct policy *policy, const char *rules)
{
    AUTO_FREE char *text = buf_format("{\"zones\":{\"a\":{\"interfaces\":[\"a0\"]},\"b\":{"
                                      "\"interfaces\":[\"b0\"]}},\"rules\":%s}",
                                      rules);
    struct orb_err err = {0};

    ck_assert_msg(policy_put(policy, text, strlen(text), &err) == 0, "%s: %s", err.path, err.text);
}

static void find(const struct policy *policy, const struct policy *before,
                 struct shadow_list *ret_list)
{
    AUTO_FREE void *memory = xcalloc(1, CLASSIFY_BLOB_BYTES);
    struct orb_err err = {0};

    ck_assert_msg(classify_build(policy, memory, CLASSIFY_BLOB_BYTES, NULL, &err) == 0, "%s",
                  err.text);
    shadow_find(policy, memory, before, ret_list);
}

struct pair {
    const char *first, *second; /* members of a rule besides its action */
    bool shadowed;
};

static const struct pair pairs[] = {
    {"", "\"protocol\":\"tcp\",\"destination-ports\":[\"80\"]", true},
    {"\"from\":\"a\"", "\"from\":\"a\",\"to\":\"b\"", true},
    {"\"from\":\"a\",\"to\":\"b\"", "\"from\":\"a\"", false},
    {"\"from\":\"!b\"", "\"from\":\"a\"", true},
    {"\"from\":\"!b\"", "\"from\":\"b\"", false},
    {"\"from\":\"!b\"", "\"from\":\"local\"", false},
    {"\"from\":\"!local\"", "\"from\":\"!b\"", true},
    {"\"from\":\"!local\"", "", false},
    {"", "\"from\":\"local\"", true},
    {"\"to\":\"local\"", "\"from\":\"a\",\"to\":\"local\"", true},
    {"\"protocol\":\"tcp_udp\"", "\"protocol\":\"udp\"", true},
    {"\"protocol\":\"udp\"", "\"protocol\":\"tcp_udp\"", false},
    {"\"protocol\":\"icmp\"", "\"protocol\":\"icmp\",\"icmp-type\":\"8\"", true},
    {"\"protocol\":\"icmp\",\"icmp-type\":\"8\"", "\"protocol\":\"icmp\"", false},
    {"\"source\":[\"10.0.0.0/8\"]", "\"source\":[\"10.1.0.0/16\",\"10.7.0.1\"]", true},
    {"\"source\":[\"10.0.0.0/8\"]", "\"source\":[\"10.1.0.0/16\",\"11.0.0.1\"]", false},
    {"\"source\":[\"10.0.0.0/8\"]", "\"protocol\":\"tcp\"", false},
    {"\"source\":[\"10.0.0.0/8\"]", "\"source\":[\"10.0.0.0/8\",\"fd00::/8\"]", false},
    {"\"protocol\":\"tcp\",\"destination-ports\":[\"1-100\"]",
     "\"protocol\":\"tcp\",\"destination-ports\":[\"22\",\"80-90\"]", true},
    {"\"protocol\":\"tcp\",\"destination-ports\":[\"1-100\"]",
     "\"protocol\":\"tcp\",\"destination-ports\":[\"22\",\"99-101\"]", false},
    {"\"limit\":{\"rate\":1}", "\"protocol\":\"tcp\"", false},
    {"\"protocol\":\"tcp\"", "\"protocol\":\"tcp\",\"limit\":{\"rate\":1}", true},
    {"\"source-mac\":[\"02:00:00:00:00:01\"]", "\"source-mac\":[\"02:00:00:00:00:01\"]", false},
    {"\"state\":[\"new\"]", "", false},
    {"", "\"state\":[\"new\"]", true},
    {"", "\"state\":[\"established\"]", false},
    {"\"state\":[\"established\"]", "\"from\":\"a\",\"state\":[\"established\"]", true},
};

TEST(one_rule_covers_another_or_does_not)
{
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const struct pair *p = &pairs[i];
        AUTO_FREE char *rules =
            buf_format("{\"10\":{%s%s\"action\":\"accept\"},\"20\":{%s%s\"action\":\"drop\"}}",
                       p->first, *p->first ? "," : "", p->second, *p->second ? "," : "");
        AUTO(policy) struct policy policy;
        struct shadow_list list;

        policy_init(&policy);
        put(&policy, rules);
        find(&policy, NULL, &list);
        ck_assert_msg(list.count == p->shadowed, "%s before %s: %u", p->first, p->second,
                      list.count);
        if (list.count)
            ck_assert(list.items[0].rule == 20 && list.items[0].by == 10);
    }
}

TEST(only_what_a_change_brings_is_reported)
{
    AUTO(policy) struct policy policy;
    AUTO(policy) struct policy before;
    struct shadow_list list;

    policy_init(&policy);
    policy_init(&before);
    put(&policy, "{\"10\":{\"from\":\"a\",\"action\":\"accept\"},\"20\":{\"from\":\"a\",\"action\":"
                 "\"drop\"}}");
    ck_assert_int_eq(policy_copy(&policy, &before), 0);
    find(&policy, &before, &list);
    ck_assert_uint_eq(list.count, 0);
    put(&policy, "{\"30\":{\"from\":\"b\",\"to\":\"a\",\"action\":\"drop\"}}");
    find(&policy, &before, &list);
    ck_assert_uint_eq(list.count, 0);
    put(&policy, "{\"15\":{\"from\":\"b\",\"action\":\"drop\"}}"); /* the new one covers another */
    find(&policy, &before, &list);
    ck_assert_uint_eq(list.count, 1);
    ck_assert(list.items[0].rule == 30 && list.items[0].by == 15);
}

/* Rules of a world with few addresses and ports, so that many are shadowed. */
static void add_random(struct policy *policy, unsigned count, unsigned *seed)
{
    static const char *const zones[] = {"", "\"from\":\"a\",", "\"from\":\"b\",\"to\":\"a\",",
                                        "\"to\":\"b\","};

    for (unsigned i = 1; i <= count; i++) {
        unsigned net = (unsigned)rand_r(seed) % 4, port = (unsigned)rand_r(seed) % 3;
        AUTO_FREE char *rule =
            buf_format("{\"%u\":{%s\"source\":[\"10.%u.0.0/"
                       "%u\"],\"protocol\":\"tcp\",\"destination-ports\":[\"%u-%u\"],"
                       "\"action\":\"%s\"}}",
                       i * 10, zones[rand_r(seed) % 4], net, 16 + (unsigned)rand_r(seed) % 3, port,
                       port + (unsigned)rand_r(seed) % 3, rand_r(seed) % 2 ? "accept" : "drop");

        put(policy, rule);
    }
}

static bool is_matched(const struct policy *policy, unsigned index)
{
    for (unsigned at = 0; at < 4u * 3 * 6 * 9; at++) {
        unsigned net = at % 4, third = at / 4 % 3, port = at / 12 % 6, zones = at / 72;
        struct classify_header header = {
            .family = AF_INET,
            .protocol = IPPROTO_TCP,
            .zone_from = (uint8_t)(zones % 3),
            .zone_to = (uint8_t)(zones / 3),
            .source = {10, (uint8_t)net, (uint8_t)(third == 2 ? 255 : third * 64)},
            .destination_port = (uint16_t)port};

        if (classify_linear(policy, &header) == (int)index)
            return true;
    }
    return false;
}

TEST(no_rule_that_matches_a_packet_is_reported_and_most_others_are)
{
    unsigned seed = (unsigned)harness_seed(), reported = 0, never = 0;

    for (int round = 0; round < 40; round++) {
        AUTO(policy) struct policy policy;
        unsigned count =
            round % 2 ? 20 : 90; /* few are compared with all, many by the classifier */
        struct shadow_list list;

        policy_init(&policy);
        add_random(&policy, count, &seed);
        find(&policy, NULL, &list);
        for (unsigned i = 0; i < list.count; i++)
            ck_assert_msg(!is_matched(&policy, list.items[i].rule / 10 - 1), "rule %u matches",
                          list.items[i].rule);
        reported += list.count + list.more;
        for (unsigned i = 0; i < count; i++)
            never += !is_matched(&policy, i);
    }
    ck_assert_uint_gt(reported, never / 2);
    ck_assert_uint_gt(never, 100);
}
