/* Changes nftables' table from one policy to another, and back. Each change is one transaction; the
 * ids of this daemon's transactions are recorded, so that watch.c and dataplane_tend.c distinguish
 * them from others. */
#include "dataplane/rules.h"

#include <string.h>

#include "core/base/own.h"
#include "dataplane/base.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/flows.h"
#include "dataplane/hint.h"
#include "dataplane/ruleset.h"
#include "dataplane/watch.h"
#include "dataplane/nft.h"

/* Bytes of text that are checked in advance. A larger transaction takes as long in the kernel as
 * its check, and it is refused as a whole, too. */
#define TRIAL_MAX (256 << 10)
#define TALLY_ROOM 65000 /* rules whose counters there is room for in the set (nft_change.c) */

/* Records the id of a transaction of this daemon; before: nftables' last one. When another one came
 * between, it cannot be attributed. */
static void own_transaction(struct dataplane *dp, uint32_t before, bool done)
{
    uint32_t after = done ? ruleset_id() : 0;

    dp->ruleset_id = before && after == before + 1 ? after : 0;
    if (!done)
        return;
    base_fallback_end(dp->ruleset);
    if (dp->ruleset_id) {
        watch_add(&dp->own, dp->ruleset_id);
    } else {
        dp->unattributed_from =
            dp->unattributed ? 0 : before; /* second time: can no longer be attributed */
        dp->unattributed_to = dp->unattributed ? 0 : after;
        dp->unattributed = true;
    }
    dp->left = 0;
    base_table_digest(dp, 0); /* it was of the table before */
}

/* Everything that the table's text depends on, without writing it: chains, which name the limits
 * and interfaces, and for counters and maps the numbers of rules and their slots. */
void rules_number(struct nft_text *chains)
{
    const struct policy *policy = chains->policy;
    uint64_t *digest = &chains->digest;

    *digest = DIGEST_START;
    for (unsigned i = 0; i < chains->count; i++) {
        const struct nft_chain *chain = &chains->items[i];

        base_digest_mix(digest, chain->name, strlen(chain->name) + 1);
        base_digest_mix(digest, buf_str(&chain->body), chain->body.len + 1);
    }
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        const uint32_t numbers[] = {rule->id, rule->limit_rate, rule->limit_per_s,
                                    rule->limit_burst};

        base_digest_mix(digest, numbers, sizeof(numbers));
    }
    for (unsigned i = 0; i < chains->group_count; i++)
        base_digest_mix(digest, &chains->groups[i]->digest, sizeof(chains->groups[i]->digest));
    if (chains->slots)
        base_digest_mix(digest, chains->slots, policy->rule_count * sizeof(*chains->slots));
}

/* Named sets are no part of the table's digest: no counter may be missing, and what is in the sets
 * of groups is not known. */
bool rules_left(const struct dataplane *dp, const struct nft_text *chains)
{
    AUTO(tally_list) struct tally_list tallies = {0};

    if (dp->current || chains->group_count || !dp->left || dp->left != chains->digest ||
        tally_read(&tallies, NULL) < 0)
        return false;
    for (unsigned i = 0; i < chains->policy->rule_count; i++)
        if (!tally_find(&tallies, chains->policy->rules[i].id))
            return false;
    return true;
}

bool rules_are_back(const struct dataplane *dp, const struct nft_text *to)
{
    return dp->previous && to->digest && to->digest == dp->previous->chains.digest;
}

/* dry: checks it, unless that would be the same work a second time. */
static int run(struct dataplane *dp, const struct buf *text, bool dry, struct orb_err *err)
{
    return dry && text->len > TRIAL_MAX ? 0 : ruleset_run(dp->ruleset, buf_str(text), dry, err);
}

/* Whether the table an earlier daemon left is to stay as it is, counters of removed rules, too. */
static bool is_kept(const struct policy *policy, const struct tally_list *leftover)
{
    for (unsigned i = 0; i < leftover->count; i++)
        if (leftover->items[i].key <= POLICY_MAX_RULE_ID &&
            !policy_find_rule(policy, leftover->items[i].key))
            return false;
    return true;
}

/* keep: whose counters stay although the new policy lacks the rule. */
static int change(struct dataplane *dp, const struct nft_text *to, const struct policy *keep,
                  uint32_t generation, struct tally_list *ret_carried, size_t *ret_bytes, bool dry,
                  struct orb_err *err)
{
    const struct nft_text *from = dp->current          ? &dp->current->chains
                                  : rules_left(dp, to) ? to
                                                       : NULL;
    AUTO(tally_list) struct tally_list leftover = {0};
    AUTO(buf) struct buf text = {0};
    struct nft_spared spared = {.in_force = dp->current ? &dp->current->policy : NULL,
                                .there = dp->previous ? &dp->previous->policy : NULL,
                                .leftover = &leftover,
                                .back = rules_are_back(dp, to)};
    uint32_t id = ruleset_id();
    int r = -1;

    if (keep && keep->rule_count + to->policy->rule_count < TALLY_ROOM)
        spared.kept = keep;
    if (from && id && id == dp->ruleset_id) {
        if (from == to) /* an earlier daemon's */
            tally_read(&leftover, NULL);
        if (from == to && is_kept(to->policy, &leftover)) {
            if (!dry)
                base_fallback_end(dp->ruleset);
            return 0;
        }
        nft_change_text(to, from, generation, NULL, &spared, &text);
        r = run(dp, &text, dry, err);
    }
    if (r < 0) {
        buf_clear(&text);
        r = tally_read(ret_carried, err);
        if (r < 0)
            return r;
        nft_change_text(to, NULL, generation, ret_carried, &spared, &text);
        r = run(dp, &text, dry, err);
    }
    if (!dry)
        own_transaction(dp, id, r == 0);
    if (ret_bytes)
        *ret_bytes = text.len;
    return r;
}

int rules_change(struct dataplane *dp, const struct nft_text *to, uint32_t generation,
                 struct tally_list *ret_carried, size_t *ret_bytes, bool dry, struct orb_err *err)
{
    return change(dp, to, dp->current ? &dp->current->policy : NULL, generation, ret_carried,
                  ret_bytes, dry, err);
}

int rules_restore(struct dataplane *dp, const struct dataplane_compiled *to, const char *text,
                  uint32_t generation, struct orb_err *err)
{
    /* When reverting to the previous policy there is none before it. */
    const struct policy *keep = dp->previous && to != dp->previous ? &dp->previous->policy : NULL;
    AUTO(tally_list) struct tally_list carried = {0};
    AUTO(buf) struct buf all = {0};
    uint32_t id = ruleset_id();
    int r;

    if (to)
        return change(dp, &to->chains, keep, generation, &carried, NULL, false, err);
    if (text && *text) {
        buf_adds(&all, "add table inet orbital\ndelete table inet orbital\n");
        buf_adds(&all, text);
        r = ruleset_run(dp->ruleset, buf_str(&all), false, err);
    } else {
        r = base_load(dp->ruleset, err);
        dp->based |= r == 0;
    }
    own_transaction(dp, id, r == 0);
    return r;
}

int rules_again(struct dataplane *dp, struct orb_err *err)
{
    bool based = dp->based;
    int r;

    if (dp->current &&
        base_table_missing()) { /* many rules take a second, without any forwarding */
        rules_restore(dp, NULL, NULL, dp->generation, NULL);
        dp->based = based;
    }
    hint_stop(dp->current);
    dp->ruleset_id = 0; /* what differs is not enough: it is unknown what is there */
    r = rules_restore(dp, dp->current, NULL, dp->generation, err);
    dp->forget = true; /* connections may have begun in between */
    if (r < 0 || !dp->current)
        return r;
    hint_give(dp->current, dp->generation);
    return flows_purge(dp, dp->current, dp->current, err);
}
