/* The chains and maps of hints, loaded by the real nft; what they do to packets: test/system. */
#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/nft.h"
#include "test/lib/harness.h"
#include "test/unit/dataplane/nft_run.h"
#include "test/unit/dataplane/policies.h"

static void put(struct policy *policy, const char *text)
{
    struct orb_err err = {0};

    ck_assert_msg(policy_put(policy, text, strlen(text), &err) == 0, "%s: %s", err.path, err.text);
}

/* As the programs number them; moved: by another numbering. */
static uint16_t *slots_of(const struct policy *policy, unsigned moved)
{
    uint16_t *slots = xcalloc(policy->rule_count + 1, sizeof(*slots));

    for (unsigned i = 0; i < policy->rule_count; i++)
        if (policy_rule_forwards(&policy->rules[i]) && !policy_rule_unsure(&policy->rules[i]))
            slots[i] = (uint16_t)(ABI_FIRST_SLOT(policy->rules[i].id) + moved);
    return slots;
}

static void load(const struct nft_text *now, const struct nft_text *old, uint32_t generation)
{
    AUTO(buf) struct buf text = {0}, output = {0};

    nft_change_text(now, old, generation, NULL, NULL, &text);
    ck_assert_msg(nft_run("-f", buf_str(&text), &output) == 0, "%s", buf_str(&output));
}

/* Lines and elements of the table in one order: maps are printed in that of their hashes. */
static char **pieces(struct buf *listing, unsigned *ret_count)
{
    char **list = xcalloc(listing->len + 1, sizeof(*list)), *rest = NULL;

    *ret_count = 0;
    for (char *piece = strtok_r(listing->data, "\n,{}", &rest); piece;
         piece = strtok_r(NULL, "\n,{}", &rest)) {
        while (isspace((unsigned char)*piece))
            piece++;
        for (size_t len = strlen(piece); len && isspace((unsigned char)piece[len - 1]);)
            piece[--len] = 0;
        if (*piece && strcmp(piece, "elements ="))
            list[(*ret_count)++] = piece;
    }
    return list;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is loaded is what this policy makes of nothing. */
static void expect_as_anew(const struct nft_text *now, uint32_t generation)
{
    AUTO(buf) struct buf changed = {0}, anew = {0};
    AUTO_FREE char **a = NULL, **b = NULL;
    unsigned count, same;

    nft_run("-s list table inet orbital", NULL, &changed);
    load(now, NULL, generation);
    nft_run("-s list table inet orbital", NULL, &anew);
    a = pieces(&changed, &count);
    b = pieces(&anew, &same);
    ck_assert_uint_gt(count, 50);
    ck_assert_uint_eq(count, same);
    qsort(a, count, sizeof(*a), by_text);
    qsort(b, count, sizeof(*b), by_text);
    for (unsigned i = 0; i < count; i++)
        ck_assert_str_eq(a[i], b[i]);
}

static const char some[] =
    "{\"zones\":{\"lan\":{\"interfaces\":[\"lan0\",\"lan1\"]},\"wan\":{\"interfaces\":[\"wan0\"]}},"
    "\"default\":{\"forward\":\"drop\",\"input\":\"accept\",\"output\":\"accept\"},"
    "\"rules\":{\"10\":{\"action\":\"accept\"},\"20\":{\"action\":\"drop\"},"
    "\"30\":{\"action\":\"reject\"},\"40\":{\"action\":\"reject\",\"protocol\":\"tcp\"},"
    "\"50\":{\"action\":\"reject\",\"protocol\":\"udp\"},"
    "\"60\":{\"action\":\"reject\",\"reject-with\":\"port-unreachable\"},"
    "\"70\":{\"action\":\"accept\",\"log\":true},"
    "\"80\":{\"action\":\"drop\",\"log\":true,\"log-limit\":{\"rate\":1}},"
    "\"90\":{\"action\":\"accept\",\"limit\":{\"rate\":5}}}}";

TEST(each_kind_of_rule_has_its_way)
{
    AUTO(policy) struct policy policy;
    AUTO(nft_text) struct nft_text text = {0};
    AUTO(buf) struct buf all = {0};
    const char *const expected[] = {
        "elements = { 11 : 10, 21 : 20, 31 : 30, 41 : 40, 51 : 50, 61 : 60, 71 : 70, 81 : 80 }",
        "elements = { 31 : goto hint/reject, 41 : goto hint/tcp-reset, "
        "51 : goto hint/admin-prohibited, 61 : goto hint/port-unreachable, 71 : goto hint_70, "
        "81 : goto then_80 }",
        "{ \"lan0\" . ffff:1, \"lan1\" . ffff:1, \"wan0\" . ffff:2 }",
        "\"lan1\" . 0x95040000 : goto hint/accept, \"lan1\" . 0x95050000 : goto hint/drop, "
        "\"lan1\" . 0x95060000 : goto hint/other, \"lan1\" . 0x95070000 : goto forward/rest",
        "\"wan0\" . 0x95080000 : goto hint/accept"};

    policy_init(&policy);
    put(&policy, some);
    nft_chains(&policy, NULL, slots_of(&policy, 0), &text);
    nft_change_text(&text, NULL, 16 + 5, NULL, NULL, &all);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        ck_assert_msg(strstr(buf_str(&all), expected[i]), "no %s in %s", expected[i],
                      buf_str(&all));
}

TEST(without_slots_nothing_takes_hints)
{
    AUTO(policy) struct policy policy;
    AUTO(nft_text) struct nft_text text = {0};
    AUTO(buf) struct buf all = {0};

    policy_init(&policy);
    put(&policy, some);
    nft_chains(&policy, NULL, NULL, &text);
    nft_change_text(&text, NULL, 1, NULL, NULL, &all);
    ck_assert_ptr_null(strstr(buf_str(&all), "meta priority"));
    ck_assert_ptr_null(strstr(buf_str(&all), "goto hint"));
    ck_assert_ptr_null(strstr(buf_str(&all), "jump hint"));
}

TEST(a_changed_rule_changes_its_elements_only)
{
    AUTO(policy) struct policy policy, before;
    AUTO(nft_text) struct nft_text now = {0}, old = {0};
    AUTO(buf) struct buf all = {0};

    policy_init(&policy);
    put(&policy, some);
    ck_assert_int_eq(policy_copy(&policy, &before), 0);
    put(&policy, "{\"rules\":{\"10\":{\"action\":\"reject\"},\"20\":null,\"25\":{\"action\":"
                 "\"drop\"},\"40\":{\"action\":\"accept\"}}}");
    nft_chains(&before, NULL, slots_of(&before, 0), &old);
    nft_chains(&policy, &old, slots_of(&policy, 0), &now);
    nft_change_text(&now, &old, 3, NULL, NULL, &all);
    ck_assert_ptr_nonnull(strstr(buf_str(&all), "delete element inet orbital hints { 21 }\n"));
    ck_assert_ptr_nonnull(strstr(buf_str(&all), "delete element inet orbital hinted { 41 }\n"));
    ck_assert_ptr_nonnull(strstr(buf_str(&all), "elements = { 26 : 25 }"));
    ck_assert_ptr_nonnull(strstr(buf_str(&all), "elements = { 11 : goto hint/reject }"));
}

TEST(changes_lead_to_the_same_table)
{
    AUTO(policy) struct policy before;
    AUTO(nft_text) struct nft_text old = {0};

    ck_assert_msg(unshare(CLONE_NEWNET) == 0, "no network namespace: %m");
    policy_init(&before);
    put(&before, some);
    nft_chains(&before, NULL, slots_of(&before, 0), &old);
    load(&old, NULL, 1);
    for (unsigned round = 2; round < 10; round++) {
        struct random random = {round / 2};
        struct policies_shape shape = {
            .rules = 12 + round * 10, .zones = round & 2, .six = round & 1, .more = round > 4};
        struct nft_text now = {0};
        struct policy policy;
        bool hinted = round % 4, moved = round == 7;

        policies_random(&policy, &shape, &random);
        nft_chains(&policy, &old, hinted ? slots_of(&policy, moved) : NULL, &now);
        load(&now, &old, round);
        expect_as_anew(&now, round);
        nft_text_fini(&old);
        policy_fini(&before);
        old = now;
        before = policy;
        old.policy = &before;
    }
}
