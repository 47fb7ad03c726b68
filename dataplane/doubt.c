/* The answer is made of two halves: what the rules say that are sure, by the classifier built
 * without the others; and the rule that accepted the connection, by its mark. */
#include "dataplane/doubt.h"

#include <stdlib.h>

#include "bpf/classify.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

static bool is_changed(const struct doubt *doubt, const struct policy_rule *rule)
{
    const struct policy_rule *before = policy_find_rule(doubt->before, rule->id);

    return doubt->before && !(before && policy_rule_matches_same(before, rule));
}

static void build(struct doubt *doubt)
{
    const struct policy *now = doubt->now;

    doubt->sure = *now;
    doubt->sure.rule_count = 0;
    doubt->sure.rules = xcalloc(now->rule_count + 1, sizeof(*now->rules));
    doubt->changed = xcalloc(now->rule_count + 1, sizeof(*doubt->changed));
    for (unsigned i = 0; i < now->rule_count; i++) {
        const struct policy_rule *rule = &now->rules[i];

        if (!policy_rule_unsure(rule))
            doubt->sure.rules[doubt->sure.rule_count++] = *rule;
        else if (rule->action != POLICY_ACCEPT && is_changed(doubt, rule))
            doubt->changed[doubt->changed_count++] = rule;
    }
    doubt->memory = calloc(1, CLASSIFY_BLOB_BYTES);
    doubt->failed = !doubt->memory || classify_build(&doubt->sure, doubt->memory,
                                                     CLASSIFY_BLOB_BYTES, NULL, NULL) < 0;
}

bool doubt_refuses(struct doubt *doubt, const struct classify_header *header, uint32_t mark)
{
    const struct policy_rule *sure = NULL, *by = policy_find_rule(doubt->now, mark);
    enum policy_action action = doubt->now->defaults.forward;
    int found;

    if (!doubt->memory && !doubt->failed)
        build(doubt);
    if (doubt->failed)
        return false;
    found = classify_lookup(doubt->memory, CLASSIFY_BLOB_BYTES, header);
    if (found >= 0) {
        sure = &doubt->sure.rules[found];
        action = sure->action;
    }
    if (action != POLICY_ACCEPT)
        return !(by && by->action == POLICY_ACCEPT && policy_rule_unsure(by) &&
                 (!sure || by->id < sure->id) && !is_changed(doubt, by) &&
                 classify_linear_matches(doubt->now, by, header));
    for (unsigned i = 0; i < doubt->changed_count; i++)
        if ((!sure || doubt->changed[i]->id < sure->id) &&
            classify_linear_matches(doubt->now, doubt->changed[i], header))
            return true;
    return false;
}

void doubt_fini(struct doubt *doubt)
{
    free(doubt->sure.rules);
    free(doubt->changed);
    free(doubt->memory);
}
