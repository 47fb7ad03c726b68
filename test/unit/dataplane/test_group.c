/* Groups: reading them in pieces, rules that share them, their sets in nftables, and the
 * classifier. */
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/classify.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/classify.h"
#include "test/lib/harness.h"
#include "test/unit/dataplane/nft_run.h"
#include "test/unit/dataplane/policies.h"

#define BLOB ((size_t)CLASSIFY_BLOB_BYTES)
#define RULE(id, members) "{\"rules\":{\"" id "\":{" members "}}}"

static int put(struct policy *policy, const char *text, struct orb_err *err)
{
    *err = (struct orb_err){0};
    return policy_put(policy, text, strlen(text), err);
}

static void must(struct policy *policy, const char *text)
{
    struct orb_err err;

    ck_assert_msg(put(policy, text, &err) == 0, "%.200s: %s: %s", text, err.path, err.text);
}

static void checked(const struct policy *policy)
{
    struct orb_err err = {0};

    ck_assert_msg(policy_check(policy, &err) == 0, "%s: %s", err.path, err.text);
}

/* {"groups":{NAME:{"addresses":[…]}}}: count addresses of a family, every step-th from first on. */
static char *addresses(const char *name, bool six, unsigned first, unsigned count, unsigned step,
                       bool append)
{
    struct buf b = {0};

    buf_addf(&b, "{\"groups\":{\"%s\":{%s\"addresses\":[", name, append ? "\"append\":true," : "");
    for (unsigned i = 0; i < count; i++) {
        unsigned n = first + i * step;

        if (six)
            buf_addf(&b, "%s\"2001:db8:%x:%x::%x\"", i ? "," : "", n >> 20 & 0xfff, n >> 8 & 0xfff,
                     (n & 0xff) + 1);
        else
            buf_addf(&b, "%s\"10.%u.%u.%u\"", i ? "," : "", n >> 16 & 255, n >> 8 & 255, n & 255);
    }
    buf_adds(&b, "]}}}");
    return buf_take(&b);
}

static void put_addresses(struct policy *policy, const char *name, bool six, unsigned first,
                          unsigned count, unsigned step, bool append)
{
    AUTO_FREE char *text = addresses(name, six, first, count, step, append);

    must(policy, text);
}

TEST(a_large_group_is_read_in_pieces_and_shared)
{
    AUTO(policy) struct policy policy, copy;
    const struct policy_group *group;

    policy_init(&policy);
    policy_init(&copy);
    for (unsigned i = 0; i < 10; i++)
        put_addresses(&policy, "many", false, i * 20000, 10000, 2, i);
    put_addresses(&policy, "many", true, 0, 500, 2, true);
    must(&policy, "{\"rules\":{\"1\":{\"source\":[\"@many\"],\"action\":\"drop\"},"
                  "\"2\":{\"destination\":[\"@many\"],\"action\":\"accept\"}}}");
    checked(&policy);
    group = policy_group_find(&policy.groups, "many");
    ck_assert_ptr_nonnull(group);
    ck_assert_uint_eq(group->range_count, 100500);
    ck_assert_uint_eq(group->hosts[0], 100000);
    ck_assert_uint_eq(group->hosts[1], 500);
    ck_assert_uint_eq(group->nets[0] + group->nets[1], 0);
    ck_assert_uint_eq(group->users, 3);
    ck_assert_ptr_eq(policy.rules[0].sources, group->ranges);
    ck_assert_uint_eq(policy_rule_families(&policy.rules[0]), POLICY_IPV4 | POLICY_IPV6);
    ck_assert_int_eq(policy_copy(&policy, &copy), 0);
    ck_assert_uint_eq(group->users, 6);
    policy_fini(&policy);
    checked(&copy);
    ck_assert_uint_eq(group->users, 3);
    ck_assert_ptr_eq(copy.rules[1].destinations, group->ranges);
}

TEST(a_small_group_and_one_beside_others_is_written_out)
{
    AUTO(policy) struct policy policy;
    const struct policy_rule *rule;

    policy_init(&policy);
    put_addresses(&policy, "many", false, 0, 400, 2, false);
    must(&policy,
         "{\"groups\":{\"few\":{\"addresses\":[\"192.0.2.1\"],\"ports\":[\"80\",\"443\"]}},"
         "\"rules\":{\"1\":{\"source\":[\"@few\"],\"action\":\"drop\"},"
         "\"2\":{\"source\":[\"@many\",\"192.0.2.0/24\"],\"action\":\"drop\"},"
         "\"3\":{\"source\":[\"!@many\",\"10.0.0.0/24\"],\"action\":\"drop\"},"
         "\"4\":{\"protocol\":\"tcp\",\"destination-ports\":[\"@few\",\"!443\"],"
         "\"action\":\"drop\"}}}");
    checked(&policy);
    rule = policy.rules;
    for (unsigned i = 0; i < 4; i++)
        ck_assert_ptr_null(rule[i].source_group);
    ck_assert_uint_eq(rule[0].source_count, 1);
    ck_assert_uint_eq(rule[1].source_count, 401);
    ck_assert_uint_eq(rule[2].source_count, 128); /* the odd ones */
    ck_assert_uint_eq(rule[3].destination_port_count, 1);
}

TEST(a_rule_goes_with_the_group_it_was_put_with)
{
    AUTO(policy) struct policy policy;
    struct orb_err err = {0};

    policy_init(&policy);
    put_addresses(&policy, "many", false, 0, 400, 2, false);
    must(&policy, RULE("7", "\"source\":[\"@many\"],\"action\":\"drop\""));
    checked(&policy);
    put_addresses(&policy, "many", false, 1000, 1, 1, true);
    ck_assert_int_eq(policy_check(&policy, &err), ORB_E_SCHEMA);
    ck_assert_str_eq(err.path, "/rules/7/source");
    ck_assert_ptr_nonnull(strstr(err.text, "put the rule again"));
    must(&policy, RULE("7", "\"source\":[\"@many\"],\"action\":\"drop\""));
    checked(&policy);
    ck_assert_uint_eq(policy.rules[0].source_count, 401);
    must(&policy, "{\"groups\":{\"many\":null}}");
    ck_assert_int_eq(policy_check(&policy, &err), ORB_E_SCHEMA);
    must(&policy, "{\"rules\":{\"7\":null}}");
    checked(&policy);
    ck_assert_uint_eq(policy.groups.count, 0);
}

TEST(what_is_refused_leaves_the_groups_as_they_were)
{
    static const struct {
        const char *text, *path, *word;
    } bad[] = {
        {"{\"groups\":[]}", "/groups", "an object"},
        {"{\"groups\":{\"a b\":{}}}", "/groups/a b", "name of a group"},
        {"{\"groups\":{\"many\":7}}", "/groups/many", "an object"},
        {"{\"groups\":{\"many\":{\"adresses\":[]}}}", "/groups/many/adresses",
         "did you mean addresses?"},
        {"{\"groups\":{\"many\":{\"append\":1}}}", "/groups/many/append", "true or false"},
        {"{\"groups\":{\"many\":{\"addresses\":[\"@few\"]}}}", "/groups/many/addresses/0",
         "no group"},
        {"{\"groups\":{\"many\":{\"addresses\":[\"10.0.0.1/8\"]}}}", "/groups/many/addresses/0",
         "behind the prefix"},
        {"{\"groups\":{\"many\":null},\"rules\":{\"1\":{\"source\":[\"@many\"],"
         "\"action\":\"drop\"}}}",
         "/rules/1/source/0", "no group \"many\""},
        {"{\"groups\":{\"many\":{\"ports\":[\"1\"]}},\"rules\":{\"1\":{\"source\":[\"@many\"],"
         "\"action\":\"drop\"}}}",
         "/rules/1/source/0", "has no addresses"},
        {"{\"rules\":{\"1\":{\"protocol\":\"tcp\",\"destination-ports\":[\"@many\"],"
         "\"action\":\"drop\"}}}",
         "/rules/1/destination-ports/0", "has no ports"},
        {"{\"source-nat\":{\"1\":{\"source\":[\"@none\"],\"action\":\"masquerade\"}}}",
         "/source-nat/1/source/0", "no group \"none\""},
    };
    AUTO(policy) struct policy policy;
    const struct policy_group *group;

    policy_init(&policy);
    put_addresses(&policy, "many", false, 0, 400, 2, false);
    group = policy_group_find(&policy.groups, "many");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct orb_err err;

        ck_assert_msg(put(&policy, bad[i].text, &err) < 0, "taken: %s", bad[i].text);
        ck_assert_msg(!strcmp(err.path, bad[i].path), "%s\n  path \"%s\"", bad[i].text, err.path);
        ck_assert_msg(strstr(err.text, bad[i].word) != NULL, "%s\n  %s", bad[i].text, err.text);
        ck_assert_ptr_eq(policy_group_find(&policy.groups, "many"), group);
        ck_assert_uint_eq(group->users, 1);
    }
}

TEST(limits_are_those_that_are_documented)
{
    AUTO(policy) struct policy policy;
    AUTO_FREE char *one_more = addresses("many", false, POLICY_MAX_GROUP * 2, 1, 1, true);
    struct orb_err err;

    policy_init(&policy);
    for (unsigned i = 0; i < POLICY_MAX_GROUP / 8192; i++)
        put_addresses(&policy, "many", false, i * 16384, 8192, 2, i);
    checked(&policy);
    ck_assert_int_eq(put(&policy, one_more, &err), ORB_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "131073 addresses and ranges in one group; the limit "
                                           "is 131072"));
    ck_assert_int_eq(put(&policy, RULE("1", "\"source\":[\"!@many\"],\"action\":\"drop\""), &err),
                     ORB_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "131072 addresses in one list; the limit is 65536"));
}

/* ---- the classifier ---- */

/* Random policies whose rules have random groups: the same as with the lists written out. */
TEST(the_classifier_finds_by_groups_what_it_finds_by_lists)
{
    for (unsigned round = 0; round < 6; round++) {
        struct random random = {round + 1};
        struct policies_shape shape = {.rules = 60, .zones = round & 1, .six = round & 2};
        AUTO(policy) struct policy policy;
        AUTO_FREE void *blob = xcalloc(1, BLOB);
        struct orb_err err = {0};

        policies_random(&policy, &shape, &random);
        for (unsigned i = 0; i < 3; i++) {
            const char name[] = {(char)('a' + i), 0};

            put_addresses(&policy, name, false, i * 700, 300, 1 + i, false);
            put_addresses(&policy, name, true, i * 700, 300, 1 + i, true);
        }
        for (unsigned i = 0; i < 12; i++) {
            AUTO_FREE char *text = buf_format(
                "{\"rules\":{\"%u\":{\"%s\":[\"@%c\"],\"action\":\"drop\"}}}",
                random_below(&random, 5000) + 1, i & 1 ? "source" : "destination", 'a' + i % 3);

            must(&policy, text);
        }
        ck_assert_msg(classify_build(&policy, blob, BLOB, NULL, &err) == 0, "%s", err.text);
        ck_assert(!((struct classify_head *)blob)->coarse);
        for (unsigned i = 0; i < 4000; i++) {
            struct classify_header header;

            policies_header(&policy, &random, &header);
            ck_assert_int_eq(classify_lookup(blob, BLOB, &header),
                             classify_linear(&policy, &header));
        }
    }
}

/* Too little room for the addresses: such rules are for all addresses, and unsure. */
TEST(a_group_without_room_is_left_to_nftables)
{
    AUTO(policy) struct policy policy;
    AUTO_FREE void *blob = xcalloc(1, BLOB);
    const struct classify_head *head = blob;
    const struct classify_rule *rules;
    struct orb_err err = {0};

    policy_init(&policy);
    for (unsigned i = 0; i < 10; i++) /* in each /24 a few, so that each has a table of its own */
        put_addresses(&policy, "many", false, i * 10000 * 128, 10000, 128, i);
    must(&policy, RULE("5", "\"source\":[\"@many\"],\"action\":\"drop\""));
    must(&policy, RULE("6", "\"source\":[\"10.0.0.0/8\"],\"action\":\"accept\""));
    ck_assert_int_eq(classify_build(&policy, blob, BLOB, NULL, &err), 0);
    ck_assert(!head->coarse);
    ck_assert_int_eq(classify_build(&policy, blob, 2 << 20, NULL, &err), 0);
    ck_assert(head->coarse);
    rules = (const struct classify_rule *)((const char *)blob + head->rule_table);
    ck_assert_uint_eq(rules[0].id, 5);
    ck_assert_uint_eq(rules[0].flags & CLASSIFY_UNSURE, CLASSIFY_UNSURE);
    ck_assert_uint_eq(rules[1].flags & CLASSIFY_UNSURE, 0);
}

/* ---- nftables ---- */

static size_t load(const struct policy *policy, const struct policy *previous)
{
    AUTO(buf) struct buf text = {0}, output = {0};

    nft_change_policy(policy, previous, 1, &text);
    ck_assert_msg(nft_run("-f", buf_str(&text), &output) == 0, "%.400s", buf_str(&output));
    return text.len;
}

/* The sets in the kernel after changes are those of a table made anew. */
static void compare_with_new(const struct policy *policy)
{
    AUTO(buf) struct buf changed = {0}, anew = {0};
    size_t at = 0;

    ck_assert_int_eq(nft_run("-n list sets table inet orbital", NULL, &changed), 0);
    load(policy, NULL);
    ck_assert_int_eq(nft_run("-n list sets table inet orbital", NULL, &anew), 0);
    for (; buf_str(&changed)[at] && buf_str(&changed)[at] == buf_str(&anew)[at]; at++)
        ;
    ck_assert_msg(changed.len == anew.len && at == anew.len, "changed: %.80s\nanew: %.80s",
                  buf_str(&changed) + at, buf_str(&anew) + at);
}

static void own_namespace(void)
{
    ck_assert_msg(unshare(CLONE_NEWNET) == 0, "no network namespace: %m");
}

TEST(sets_are_patched_element_by_element)
{
    AUTO(policy) struct policy first, second, third;
    size_t whole, part;

    own_namespace();
    policy_init(&first);
    put_addresses(&first, "many", false, 0, 2000, 2, false);
    put_addresses(&first, "many", true, 0, 500, 2, true);
    must(&first, "{\"groups\":{\"many\":{\"append\":true,\"addresses\":[\"172.16.0.0/12\","
                 "\"192.0.2.0-192.0.2.200\",\"2001:db8:ffff::/48\"]}}}");
    must(&first, RULE("1", "\"source\":[\"@many\"],\"destination\":[\"@many\"],"
                           "\"action\":\"drop\""));
    must(&first, "{\"notrack\":{\"1\":{\"source\":[\"@many\"]}}}");
    checked(&first);
    whole = load(&first, NULL);
    ck_assert_int_eq(policy_copy(&first, &second), 0);
    /* One address less, one range longer, one address more. */
    put_addresses(&second, "many", false, 2, 1999, 2, false);
    put_addresses(&second, "many", true, 0, 500, 2, true);
    must(&second, "{\"groups\":{\"many\":{\"append\":true,\"addresses\":[\"172.16.0.0/12\","
                  "\"192.0.2.0-192.0.2.250\",\"2001:db8:ffff::/48\",\"203.0.113.9\"]}}}");
    must(&second, RULE("1", "\"source\":[\"@many\"],\"destination\":[\"@many\"],"
                            "\"action\":\"drop\""));
    must(&second, "{\"notrack\":{\"1\":{\"source\":[\"@many\"]}}}");
    checked(&second);
    part = load(&second, &first);
    ck_assert_msg(part < whole / 20, "%zu of %zu bytes", part, whole);
    compare_with_new(&second);
    /* Another group entirely, of hosts only; then none. */
    ck_assert_int_eq(policy_copy(&second, &third), 0);
    put_addresses(&third, "many", false, 1 << 20, 600, 2, false);
    must(&third, RULE("1", "\"source\":[\"@many\"],\"action\":\"drop\""));
    must(&third, "{\"notrack\":{\"1\":null}}");
    checked(&third);
    load(&third, &second);
    compare_with_new(&third);
    load(&second, &third);
    compare_with_new(&second);
    must(&third, "{\"groups\":{\"many\":null},\"rules\":{\"1\":{\"action\":\"drop\"}}}");
    checked(&third);
    load(&third, &second);
    compare_with_new(&third);
}
