/* Where each rule counts in the fast path. A rule keeps its slot as long as it exists, across every
 * commit and daemon; the programs find it by the number in conntrack's mark (slow_counter), so it
 * is among the first ABI_PROBES after the rule's own. */
#include "dataplane/slots.h"

#include <string.h>

#include "bpf/classify.h"
#include "core/base/own.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/load.h"

uint32_t slot_find(const struct dataplane *dp, uint32_t id)
{
    uint32_t at = ABI_FIRST_SLOT(id);

    for (int i = 0; dp->rule_ids && i < ABI_PROBES && dp->rule_ids[at]; i++) {
        if (ABI_OWNER_IS(dp->rule_ids[at], id))
            return at;
        at = ABI_NEXT_SLOT(at);
    }
    return ABI_NOWHERE;
}

static bool has_rule(const struct dataplane_compiled *compiled, uint64_t id)
{
    return compiled && policy_find_rule(&compiled->policy, (uint32_t)id);
}

/* A free slot, or one of a rule that exists no more. */
static uint32_t take(struct dataplane *dp, const struct dataplane_compiled *compiled, uint32_t id)
{
    uint32_t at = slot_find(dp, id);

    if (at != ABI_NOWHERE)
        return at;
    at = ABI_FIRST_SLOT(id);
    for (int i = 0; i < ABI_PROBES; i++) {
        uint32_t owner = (uint32_t)dp->rule_ids[at];

        if (!owner || (dp->current && !has_rule(dp->current, owner - 1) &&
                       !has_rule(dp->previous, owner - 1) && !has_rule(compiled, owner - 1))) {
            dp->rule_ids[at] = ABI_OWNER(id, dp->control->epoch);
            return at;
        }
        at = ABI_NEXT_SLOT(at);
    }
    return ABI_NOWHERE;
}

void slot_number(struct dataplane *dp, const struct dataplane_compiled *compiled)
{
    const struct classify_head *head = compiled->memory;
    struct classify_rule *rules = (void *)((char *)compiled->memory + head->rule_table);

    if (!dp->rule_ids)
        return;
    for (uint32_t i = 0; i < head->table[CLASSIFY_TRACK].first_slot; i++)
        rules[i].counter = take(dp, compiled, rules[i].id);
}

/* Counters of unreachable slots are not kept here; nftables' half continues. From this epoch on:
 * hits that entries of the flow cache have from before are not counted any more. */
static void clear(struct dataplane *dp, uint32_t slot, uint32_t id)
{
    if (slot == ABI_NOWHERE)
        return;
    __atomic_store_n(&dp->rule_ids[slot], ABI_OWNER(id, dp->control->epoch), __ATOMIC_SEQ_CST);
    for (int cpu = 0; cpu < dp->cpus; cpu++)
        memset(&dp->counters[(size_t)cpu * ABI_COUNTERS + slot], 0, sizeof(*dp->counters));
}

void slot_clear_new(struct dataplane *dp, const struct policy *now, const struct policy *before,
                    const struct policy *back, const struct tally_list *carried)
{
    if (!dp->rule_ids)
        return;
    load_bump(dp); /* entries made from now on are of the rules that are in force */
    for (unsigned i = 0; i < now->rule_count; i++) {
        uint32_t id = now->rules[i].id;

        if (!policy_find_rule(back, id) &&
            (before ? !policy_find_rule(before, id) : !tally_find(carried, id)))
            clear(dp, slot_find(dp, id), id);
    }
}
