/* The transaction from one policy to the next, or one that creates the table. Both policies are
 * written as text per chain; only chains whose text differs are sent. So a commit of one rule among
 * ten thousand costs some hundredths of the whole.
 *
 * Note: counters and limits outlive the rules that name them, because redefining an existing one
 * changes nothing. Therefore a limit's name contains its rate, and counters are elements of one set
 * that is never flushed. Those of rules removed by the last commit are kept until the next one,
 * which may revert it. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/nft.h"
#include "dataplane/nft_group.h"
#include "dataplane/nft_hint.h"
#include "dataplane/nft_rule.h"

static bool per_source(const struct policy_rule *rule)
{
    return rule->more && rule->more->per_source;
}

static bool same_limit(const struct policy_rule *a, const struct policy_rule *b)
{
    return a && b && a->limited && b->limited && a->limit_rate == b->limit_rate &&
           a->limit_per_s == b->limit_per_s && a->limit_burst == b->limit_burst &&
           per_source(a) == per_source(b);
}

static void drop_limit(const struct policy_rule *rule, struct buf *b)
{
    if (!per_source(rule)) {
        buf_adds(b, "delete limit inet orbital ");
        nft_text_limit(b, rule);
        buf_addc(b, '\n');
        return;
    }
    for (int i = 0; i < 2; i++) {
        buf_adds(b, "delete set inet orbital ");
        nft_text_sources(b, rule, i ? AF_INET6 : AF_INET);
        buf_addc(b, '\n');
    }
}

static void add_gone(uint32_t id, struct buf *gone)
{
    buf_addf(gone, "%s%" PRIu32, gone->len ? ", " : "", id);
}

/* Of rules that were not in force either. A reused number begins at 0, unless its own policy is
 * restored. */
static void add_spared_gone(const struct policy *policy, const struct nft_spared *spared,
                            struct buf *gone)
{
    const struct tally_list *leftover = spared->leftover;

    for (unsigned i = 0; spared->there && i < spared->there->rule_count; i++) {
        uint32_t id = spared->there->rules[i].id;

        if (!policy_find_rule(spared->in_force, id) &&
            !(spared->back && policy_find_rule(policy, id)))
            add_gone(id, gone);
    }
    for (unsigned i = 0; leftover && i < leftover->count; i++)
        if (leftover->items[i].key <= POLICY_MAX_RULE_ID &&
            !policy_find_rule(policy, leftover->items[i].key))
            add_gone(leftover->items[i].key, gone);
}

/* Limits and counters of removed rules. Adding before deleting makes it succeed even if another
 * program removed the counter. */
static void drop_stale(const struct policy *policy, const struct policy *previous,
                       const struct nft_spared *spared, struct buf *b)
{
    AUTO(buf) struct buf gone = {0};

    for (unsigned i = 0; i < previous->rule_count; i++) {
        const struct policy_rule *old = &previous->rules[i];
        const struct policy_rule *now = policy_find_rule(policy, old->id);

        if (!now && !policy_find_rule(spared->kept, old->id))
            add_gone(old->id, &gone);
        if (old->limited && !same_limit(old, now))
            drop_limit(old, b);
    }
    add_spared_gone(policy, spared, &gone);
    if (gone.len)
        buf_addf(
            b, "add element inet orbital tally { %s }\ndelete element inet orbital tally { %s }\n",
            buf_str(&gone), buf_str(&gone));
}

static void add_element(uint32_t key, const struct tally_list *carried, const char **separator,
                        struct buf *b)
{
    const struct tally *old = carried ? tally_find(carried, key) : NULL;

    buf_addf(b, "%s%" PRIu32, *separator, key);
    if (old)
        buf_addf(b, " counter packets %" PRIu64 " bytes %" PRIu64, old->packets, old->bytes);
    *separator = ", ";
}

/* Whether the rule keeps its counter: it was in force, or returns with its policy. */
static bool continues(const struct nft_spared *spared, uint32_t id)
{
    return spared->back || policy_find_rule(spared->in_force, id) ||
           !policy_find_rule(spared->there, id);
}

/* The counters, found by conntrack's mark. All are made here, so that no packet ever has to. */
static void add_tally(const struct policy *policy, const struct policy *previous,
                      const struct tally_list *carried, const struct nft_spared *spared,
                      struct buf *b)
{
    const char *separator = "elements = { ";
    const struct policy *kept = previous ? NULL : spared->kept; /* else they are there */

    buf_adds(b, "set tally {\ntype mark; size 65536; flags dynamic; counter;\n");
    if (!previous)
        for (uint32_t key = ABI_MARK_FORWARD; key <= ABI_MARK_OUTPUT; key++)
            add_element(key, carried, &separator, b);
    for (unsigned i = 0; i < policy->rule_count; i++) {
        uint32_t id = policy->rules[i].id;

        if (!policy_find_rule(previous, id)) /* one that is there stays as it is */
            add_element(id, continues(spared, id) ? carried : NULL, &separator, b);
    }
    for (unsigned i = 0; kept && i < kept->rule_count; i++)
        if (!policy_find_rule(policy, kept->rules[i].id) && carried &&
            tally_find(carried, kept->rules[i].id))
            add_element(kept->rules[i].id, carried, &separator, b);
    buf_adds(b, *separator == ',' ? " }\n}\n" : "}\n");
}

/* A source expires when its burst is complete again, so nothing is lost. When the set is full, the
 * rule does not match: one that accepts admits no further source. */
static void add_sources(const struct policy_rule *rule, struct buf *b)
{
    uint64_t refill = (uint64_t)rule->limit_burst * rule->limit_per_s / rule->limit_rate;
    uint64_t timeout = refill + rule->limit_per_s;

    timeout = timeout < 10 ? 10 : timeout > 86400 ? 86400 : timeout;
    for (int i = 0; i < 2; i++) {
        buf_adds(b, "set ");
        nft_text_sources(b, rule, i ? AF_INET6 : AF_INET);
        buf_addf(b, " {\ntype %s; size %u; flags dynamic,timeout; timeout %" PRIu64 "s;\n}\n",
                 i ? "ipv6_addr" : "ipv4_addr", POLICY_SOURCES, timeout);
    }
}

static void add_limits(const struct policy *policy, const struct policy *previous, struct buf *b)
{
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (!rule->limited || same_limit(policy_find_rule(previous, rule->id), rule))
            continue;
        if (per_source(rule)) {
            add_sources(rule, b);
            continue;
        }
        buf_adds(b, "limit ");
        nft_text_limit(b, rule);
        buf_addf(b, " { rate %" PRIu32 "/%s burst %" PRIu32 " packets; }\n", rule->limit_rate,
                 nft_rule_unit(rule->limit_per_s), rule->limit_burst);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct nft_chain *const *)a)->name,
                  (*(const struct nft_chain *const *)b)->name);
}

static const struct nft_chain **sorted(const struct nft_text *text)
{
    const struct nft_chain **list = xcalloc(text->count + 1, sizeof(*list));

    for (unsigned i = 0; i < text->count; i++)
        list[i] = &text->items[i];
    qsort(list, text->count, sizeof(*list), by_name);
    return list;
}

/* Marks the chains of now that exist unchanged; flushes those that differ, deletes those that are
 * gone. */
static void compare(const struct nft_text *now, const struct nft_text *old, bool *same,
                    struct buf *b, struct buf *ret_gone)
{
    AUTO_FREE const struct nft_chain **list = sorted(now);

    for (unsigned i = 0; i < old->count; i++) {
        const struct nft_chain *was = &old->items[i];
        const struct nft_chain *const *found =
            bsearch(&was, list, now->count, sizeof(*list), by_name);

        if (found && !strcmp(buf_str(&was->body), buf_str(&(*found)->body))) {
            same[*found - now->items] = true;
            continue;
        }
        buf_addf(b, "flush chain inet orbital %s\n", was->name);
        if (!found)
            buf_addf(ret_gone, "delete chain inet orbital %s\n", was->name);
    }
}

void nft_change_text(const struct nft_text *now, const struct nft_text *old, uint32_t generation,
                     const struct tally_list *carried, const struct nft_spared *spared,
                     struct buf *ret_text)
{
    static const struct nft_spared nothing;
    AUTO_FREE bool *same = xcalloc(now->count + 1, sizeof(*same));
    const struct policy *previous = old ? old->policy : NULL;
    AUTO(buf) struct buf gone = {0};
    struct buf *b = ret_text;

    spared = spared ? spared : &nothing;
    if (old) {
        buf_adds(b, "flush chain inet orbital " NFT_ABOUT "\n");
        nft_hint_drop(now, old, b);
        nft_group_cut(now, old, b);
        compare(now, old, same, b, &gone);
        drop_stale(now->policy, previous, spared, b);
    } else {
        buf_adds(b, "add table inet orbital\ndelete table inet orbital\n");
    }
    buf_adds(b, "table inet orbital {\n");
    add_tally(now->policy, previous, carried, spared, b);
    add_limits(now->policy, previous, b);
    nft_hint_maps(now, old, b);
    nft_group_add(now, old, b);
    buf_addf(b, "chain " NFT_ABOUT " {\ncounter comment \"" NFT_GENERATION_WORD "%" PRIu32,
             generation);
    buf_addf(b, NFT_POLICY_WORD "%016" PRIx64 "\"\n}\n", now->digest);
    nft_hint_chain(now, generation, b);
    for (unsigned i = 0; i < now->count; i++)
        if (!same[i])
            buf_addf(b, "chain %s {\n%s}\n", now->items[i].name, buf_str(&now->items[i].body));
    buf_adds(b, "}\n");
    if (old && old->slots && !now->slots)
        buf_adds(b, "delete chain inet orbital " NFT_HINT "\n");
    buf_adds(b, buf_str(&gone));
    nft_group_drop(now, old, b);
}

void nft_change_policy(const struct policy *policy, const struct policy *previous,
                       uint32_t generation, struct buf *ret_text)
{
    AUTO(nft_text) struct nft_text now = {0}, old = {0};

    nft_chains(policy, NULL, NULL, &now);
    if (previous)
        nft_chains(previous, NULL, NULL, &old);
    nft_change_text(&now, previous ? &old : NULL, generation, NULL, NULL, ret_text);
}
