/* Note: hints stop before a transaction and begin after it, with its generation: a table that does
 * not take them off the packets must not get any. */
#include "dataplane/hint.h"

#include "bpf/classify.h"
#include "core/base/xalloc.h"
#include "dataplane/dataplane_internal.h"

#define RULES_MIN 64 /* fewer are evaluated as fast (bench/first.py) */

uint16_t *hint_slots(const struct dataplane *dp, const struct dataplane_compiled *compiled)
{
    const struct classify_head *head = compiled->memory;
    const struct classify_rule *rules = (void *)((char *)compiled->memory + head->rule_table);
    uint16_t *slots;

    if (!dp->programs || (head->table[CLASSIFY_NEW].rules < RULES_MIN &&
                          head->table[CLASSIFY_NEW + 1].rules < RULES_MIN))
        return NULL;
    slots = xcalloc(compiled->policy.rule_count + 1, sizeof(*slots));
    for (uint32_t i = 0; i < head->table[CLASSIFY_KNOWN].first_slot; i++)
        if (!(rules[i].flags & CLASSIFY_UNSURE) && rules[i].counter < ABI_NOWHERE)
            slots[rules[i].index] = (uint16_t)rules[i].counter;
    return slots;
}

static void set(const struct dataplane_compiled *compiled, uint32_t hints)
{
    struct classify_head *head = compiled ? compiled->memory : NULL;

    if (head)
        __atomic_store_n(&head->hints, hints, __ATOMIC_SEQ_CST);
}

void hint_give(struct dataplane_compiled *compiled, uint32_t generation)
{
    if (!compiled)
        return;
    compiled->hints = compiled->chains.slots ? ABI_HINT | ABI_HINT_GENERATION(generation) : 0;
    set(compiled, compiled->hints);
}

void hint_again(const struct dataplane_compiled *compiled)
{
    if (compiled)
        set(compiled, compiled->hints);
}

void hint_stop(const struct dataplane_compiled *compiled)
{
    set(compiled, 0);
}
