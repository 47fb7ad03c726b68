/* The classifier's data against the plain meaning of the policy. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "bpf/classify.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "test/lib/harness.h"
#include "test/unit/dataplane/policies.h"

#define BLOB ((size_t)CLASSIFY_BLOB_BYTES)

static void *build(const struct policy *policy, struct classify_stats *ret_stats)
{
    void *blob = xcalloc(1, BLOB);
    struct orb_err err = {0};

    ck_assert_msg(classify_build(policy, blob, BLOB, ret_stats, &err) == 0, "%s", err.text);
    return blob;
}

static unsigned compare(const struct policy *policy, const void *blob, unsigned points,
                        struct random *random)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < points; i++) {
        struct classify_header header;
        int found, wanted;

        policies_header(policy, random, &header);
        found = classify_lookup(blob, BLOB, &header);
        wanted = classify_linear(policy, &header);
        ck_assert_msg(found == wanted, "point %u: found rule %d, the policy specifies %d", i, found,
                      wanted);
        hits += found >= 0;
    }
    return hits;
}

static void random_policies(unsigned rules, unsigned rounds, unsigned points)
{
    unsigned hits = 0;

    for (unsigned round = 0; round < rounds; round++) {
        struct random random = {rules * 1000u + round + 1};
        struct policies_shape shape = {.rules = rules, .zones = round & 1, .six = round & 2};
        AUTO(policy) struct policy policy;
        AUTO_FREE void *blob = NULL;
        struct classify_stats stats;
        uint64_t begin;

        policies_random(&policy, &shape, &random);
        begin = now_ns();
        blob = build(&policy, &stats);
        if (rules >= 1000)
            printf("# %u rules%s%s: %u + %u, %u rows, %.1f MiB, %.1f ms\n", rules,
                   shape.zones ? ", zones" : "", shape.six ? ", IPv6" : "", stats.rules4,
                   stats.rules6, stats.classes, (double)stats.bytes / (1 << 20),
                   (double)(now_ns() - begin) / 1e6);
        hits += compare(&policy, blob, points, &random);
    }
    ck_assert_uint_gt(hits, rounds * points / 4);
}

TEST(one_rule_is_found_where_it_matches)
{
    random_policies(1, 200, 200);
}

TEST(ten_rules_are_found_in_order)
{
    random_policies(10, 40, 2000);
}

TEST(a_hundred_rules_are_found_in_order)
{
    random_policies(100, 8, 10000);
}

TEST(a_thousand_rules_are_found_in_order)
{
    random_policies(1000, 4, 10000);
}

TEST(ten_thousand_rules_are_found_in_order)
{
    random_policies(10000, 4, 2000);
}

static void set_rules(struct policy *policy, unsigned count)
{
    policy_init(policy);
    policy->rules = xcalloc(count, sizeof(*policy->rules));
    policy->rule_count = count;
    for (unsigned i = 0; i < count; i++)
        policy->rules[i] = (struct policy_rule){
            .id = i + 1, .protocol = -1, .icmp_type = -1, .icmp_code = -1, .action = POLICY_DROP};
}

TEST(the_limit_of_rules_is_kept_and_named)
{
    AUTO(policy) struct policy policy;
    AUTO_FREE void *blob = NULL;
    struct classify_stats stats;
    struct orb_err err = {0};

    set_rules(&policy, POLICY_MAX_RULES + 1);
    policy.rule_count--;
    blob = build(&policy, &stats);
    ck_assert_uint_eq(stats.rules4, POLICY_MAX_RULES);
    policy.rule_count++;
    ck_assert_int_eq(classify_build(&policy, blob, BLOB, NULL, &err), ORB_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "16385"));
    ck_assert_ptr_nonnull(strstr(err.text, "16384"));
}

TEST(too_little_room_is_an_error_at_every_size)
{
    AUTO(policy) struct policy policy;
    AUTO_FREE char *blob = xcalloc(1, 4 << 20);
    struct policies_shape shape = {.rules = 50, .zones = true, .six = true};
    struct random random = {7};
    struct classify_stats stats;
    struct orb_err err = {0};

    policies_random(&policy, &shape, &random);
    ck_assert_int_eq(classify_build(&policy, blob, 4 << 20, &stats, &err), 0);
    for (size_t size = 0; size < stats.bytes; size += 1 + stats.bytes / 97) {
        AUTO_FREE char *exact = xcalloc(1, size + 1);

        exact[size] = 'x';
        ck_assert_int_eq(classify_build(&policy, exact, size, NULL, &err), ORB_E_LIMIT);
        ck_assert_int_eq(exact[size], 'x');
    }
}

TEST(the_last_rule_of_a_full_table_is_found)
{
    AUTO(policy) struct policy policy;
    AUTO_FREE void *blob = NULL;
    struct classify_stats stats;
    struct classify_header header = {.family = AF_INET, .protocol = 6, .destination_port = 7};

    set_rules(&policy, POLICY_MAX_RULES);
    for (unsigned i = 0; i < policy.rule_count; i++) {
        struct policy_range *range = xcalloc(1, sizeof(*range));
        uint32_t address = htonl(i * 262147u); /* all over the address space */

        range->family = AF_INET;
        memcpy(range->lo, &address, 4);
        memcpy(range->hi, &address, 4);
        policy.rules[i].sources = range;
        policy.rules[i].source_count = 1;
    }
    blob = build(&policy, &stats);
    printf("# %u hosts: %.1f MiB\n", stats.rules4, (double)stats.bytes / (1 << 20));
    for (unsigned i = 0; i < policy.rule_count; i += 61) {
        uint32_t address = htonl(i * 262147u);

        memcpy(header.source, &address, 4);
        ck_assert_int_eq(classify_lookup(blob, BLOB, &header), (int)i);
    }
}

/* A group is one rule: 20 000 addresses in one list. */
TEST(a_large_group_costs_one_rule)
{
    AUTO(policy) struct policy policy;
    AUTO_FREE void *blob = NULL;
    struct random random = {3};
    struct classify_stats stats;
    enum { COUNT = 20000 };

    set_rules(&policy, 2);
    policy.rules[0].sources = xcalloc(COUNT, sizeof(struct policy_range));
    for (unsigned i = 0; i < COUNT; i++) {
        struct policy_range *range = &policy.rules[0].sources[i];
        uint32_t address = htonl((uint32_t)random_next(&random));

        range->family = i & 1 ? AF_INET6 : AF_INET;
        memcpy(range->lo, &address, 4);
        if (i & 1)
            memcpy(range->lo + 8, &i, 4);
        memcpy(range->hi, range->lo, 16);
    }
    policy.rules[0].source_count = policy_set_merge_ranges(policy.rules[0].sources, COUNT);
    blob = build(&policy, &stats);
    printf("# one rule of %u addresses: %.1f MiB\n", policy.rules[0].source_count,
           (double)stats.bytes / (1 << 20));
    ck_assert_uint_gt(compare(&policy, blob, 300, &random), 100);
}

/* The list of what is not tracked, made of the rules of another policy. */
static void add_notracks(struct policy *policy, const struct policies_shape *shape,
                         struct random *random)
{
    AUTO(policy) struct policy other;

    policies_random(&other, shape, random);
    policy->notracks = take_ptr(other.rules);
    policy->notrack_count = other.rule_count;
    other.rule_count = 0;
    for (unsigned i = 0; i < policy->notrack_count; i++) {
        policy->notracks[i].to[0] = 0;
        policy->notracks[i].to_not = false;
        policy->notracks[i].action = random_below(random, 4) ? POLICY_NOTRACK : POLICY_ACCEPT;
    }
}

TEST(rules_about_known_connections_and_notrack_are_lists_of_their_own)
{
    unsigned hits[3] = {0};

    for (unsigned round = 0; round < 40; round++) {
        struct random random = {round + 77};
        struct policies_shape shape = {
            .rules = 1 + round * 3, .zones = round & 1, .six = round & 2, .more = true};
        AUTO(policy) struct policy policy;
        AUTO_FREE void *blob = NULL;
        const struct classify_head *head;

        policies_random(&policy, &shape, &random);
        add_notracks(&policy, &shape, &random);
        blob = build(&policy, NULL);
        head = blob;
        hits[0] += compare(&policy, blob, 300, &random);
        for (unsigned i = 0; i < 300; i++) {
            struct classify_header header;
            int known, track;

            policies_header(&policy, &random, &header);
            known = classify_lookup_known(blob, BLOB, &header);
            if (head->table[CLASSIFY_KNOWN].rules || head->table[CLASSIFY_KNOWN + 1].rules)
                ck_assert_int_eq(known, classify_linear_known(&policy, &header));
            else
                ck_assert_int_eq(known, -1);
            track = classify_lookup_track(blob, BLOB, &header);
            ck_assert_int_eq(track, classify_linear_track(&policy, &header));
            hits[1] += known >= 0;
            hits[2] += track >= 0;
        }
    }
    for (int i = 0; i < 3; i++)
        ck_assert_msg(hits[i] > 100, "list %d was hit %u times", i, hits[i]);
}

TEST(accepting_known_connections_asks_for_nothing)
{
    static const struct {
        const char *rule;
        bool known, invalid;
    } rows[] = {
        {"\"action\":\"accept\",\"state\":[\"established\",\"related\"]", false, false},
        {"\"action\":\"drop\",\"state\":[\"invalid\"]", false, false},
        {"\"action\":\"reject\",\"state\":[\"related\"]", false, false},
        {"\"action\":\"drop\",\"state\":[\"established\"]", true, false},
        {"\"action\":\"accept\",\"state\":[\"established\"],\"log\":true", true, false},
        {"\"action\":\"drop\",\"state\":[\"established\"],\"to\":\"local\"", false, false},
        {"\"action\":\"drop\",\"state\":[\"established\"],\"protocol\":\"tcp\","
         "\"tcp-flags\":[\"rst\"]",
         false, false},
        {"\"action\":\"accept\",\"state\":[\"invalid\"]", false, true},
        {"\"action\":\"drop\",\"state\":[\"invalid\"],\"log\":true", false, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *text = buf_format("{\"rules\":{\"10\":{%s}}}", rows[i].rule);
        AUTO(policy) struct policy policy;
        AUTO_FREE void *blob = NULL;
        struct orb_err err = {0};
        const struct classify_head *head;

        policy_init(&policy);
        ck_assert_msg(policy_put(&policy, text, strlen(text), &err) == 0, "%s", err.text);
        blob = build(&policy, NULL);
        head = blob;
        ck_assert_msg((head->table[CLASSIFY_KNOWN].rules != 0) == rows[i].known, "%s", text);
        ck_assert_msg((head->asks_invalid != 0) == rows[i].invalid, "%s", text);
    }
}

TEST(rules_of_the_appliance_itself_take_no_part)
{
    AUTO(policy) struct policy policy;
    AUTO_FREE void *blob = NULL;
    struct classify_stats stats;
    struct classify_header header = {.family = AF_INET, .protocol = 6};

    set_rules(&policy, 3);
    strcpy(policy.rules[0].from, "local");
    strcpy(policy.rules[1].to, "local");
    blob = build(&policy, &stats);
    ck_assert_uint_eq(stats.rules4, 1);
    ck_assert_int_eq(classify_lookup(blob, BLOB, &header), 2);
    ck_assert_int_eq(classify_linear(&policy, &header), 2);
}

/* What is built from the data of the policy before is, byte for byte, what is built anew. */
TEST(what_rules_do_is_changed_in_what_was_built_before)
{
    for (unsigned round = 0; round < 8; round++) {
        struct random random = {round + 1};
        struct policies_shape shape = {
            .rules = 200, .zones = round & 1, .six = round & 2, .more = round & 4};
        AUTO(policy) struct policy before, policy;
        AUTO_FREE void *built = NULL, *again = xcalloc(1, BLOB), *anew = NULL;
        struct classify_stats stats = {0}, wanted;
        const struct classify_head *head;

        policies_random(&before, &shape, &random);
        policy_copy(&before, &policy);
        built = build(&before, &stats);
        for (unsigned i = 0; i < policy.rule_count; i += 1 + random_below(&random, 20)) {
            policy.rules[i].action = (enum policy_action)random_below(&random, 3);
            policy.rules[i].log = random_below(&random, 2);
            policy.rules[i].limited = random_below(&random, 2);
        }
        policy.defaults.forward = POLICY_ACCEPT;
        anew = build(&policy, &wanted);
        if (!classify_again(&policy, again, &before, built, &stats)) {
            /* What rules do about known connections decides which of them have a list. */
            ck_assert_uint_ge(round, 4);
            continue;
        }
        head = anew;
        ck_assert_uint_eq(stats.bytes, wanted.bytes);
        ck_assert_uint_eq(stats.classes, wanted.classes);
        ck_assert_mem_eq(again, anew, head->bytes);
    }
}

TEST(what_rules_match_is_not_changed_in_what_was_built_before)
{
    static const char *const same[] = {"\"action\":\"drop\"", "\"action\":\"accept\",\"log\":true"};
    static const char *const other[] = {
        "\"action\":\"accept\",\"source\":[\"10.0.0.1\"]",
        "\"action\":\"accept\",\"destination\":[\"10.0.0.1\"]",
        "\"action\":\"accept\",\"protocol\":\"udp\"",
        "\"action\":\"accept\",\"protocol\":\"tcp\",\"destination-ports\":[\"7\"]",
        "\"action\":\"accept\",\"protocol\":\"tcp\",\"source-ports\":[\"7\"]",
        "\"action\":\"accept\",\"protocol\":\"icmp\",\"icmp-type\":\"3\"",
        "\"action\":\"accept\",\"to\":\"a\"",
        "\"action\":\"accept\",\"from\":\"!a\"",
        "\"action\":\"accept\",\"state\":[\"established\"]"};
    static const char base[] = "{\"zones\":{\"a\":{\"interfaces\":[\"a0\"]}},\"rules\":{"
                               "\"1\":{\"action\":\"accept\"},\"2\":{\"action\":\"accept\"}}}";
    AUTO(policy) struct policy before;
    AUTO_FREE void *built = NULL, *again = xcalloc(1, BLOB);
    struct classify_stats stats;

    policy_init(&before);
    ck_assert_int_eq(policy_put(&before, base, strlen(base), NULL), 0);
    built = build(&before, &stats);
    for (size_t i = 0; i < ARRAY_LEN(same) + ARRAY_LEN(other) + 2; i++) {
        bool holds = i < ARRAY_LEN(same);
        size_t k = holds ? i : i - ARRAY_LEN(same);
        AUTO(policy) struct policy policy;
        AUTO_FREE char *change =
            !holds && k == ARRAY_LEN(other)
                ? xstrdup("{\"zones\":{\"0\":{\"interfaces\":[\"b0\"]}}}")
            : !holds && k > ARRAY_LEN(other)
                ? xstrdup("{\"rules\":{\"1\":null}}")
                : buf_format("{\"rules\":{\"2\":{%s}}}", holds ? same[k] : other[k]);

        policy_copy(&before, &policy);
        ck_assert_msg(policy_put(&policy, change, strlen(change), NULL) == 0, "%s", change);
        ck_assert_msg(classify_again(&policy, again, &before, built, &stats) == holds, "%s",
                      change);
    }
}
