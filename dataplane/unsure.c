/* Combines two lookups: the classifier built from the sure rules alone, and the rule that accepted
 * the connection, found by its mark. */
#include "dataplane/unsure.h"

#include <stdlib.h>

#include "bpf/classify.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

static bool is_changed(const struct unsure *unsure, const struct policy_rule *rule)
{
    const struct policy_rule *before = policy_find_rule(unsure->before, rule->id);

    return unsure->before && !(before && policy_rule_matches_same(before, rule));
}

static void build(struct unsure *unsure)
{
    const struct policy *now = unsure->now;

    unsure->sure = *now;
    unsure->sure.rule_count = 0;
    unsure->sure.rules = xcalloc(now->rule_count + 1, sizeof(*now->rules));
    unsure->changed = xcalloc(now->rule_count + 1, sizeof(*unsure->changed));
    for (unsigned i = 0; i < now->rule_count; i++) {
        const struct policy_rule *rule = &now->rules[i];

        if (!policy_rule_unsure(rule))
            unsure->sure.rules[unsure->sure.rule_count++] = *rule;
        else if (rule->action != POLICY_ACCEPT && is_changed(unsure, rule))
            unsure->changed[unsure->changed_count++] = rule;
    }
    unsure->memory = calloc(1, CLASSIFY_BLOB_BYTES);
    unsure->failed = !unsure->memory || classify_build(&unsure->sure, unsure->memory,
                                                       CLASSIFY_BLOB_BYTES, NULL, NULL) < 0;
}

bool unsure_refuses(struct unsure *unsure, const struct classify_header *header, uint32_t mark)
{
    const struct policy_rule *sure = NULL, *by = policy_find_rule(unsure->now, mark);
    enum policy_action action = unsure->now->defaults.forward;
    int found;

    if (!unsure->memory && !unsure->failed)
        build(unsure);
    if (unsure->failed)
        return false;
    found = classify_lookup(unsure->memory, CLASSIFY_BLOB_BYTES, header);
    if (found >= 0) {
        sure = &unsure->sure.rules[found];
        action = sure->action;
    }
    if (action != POLICY_ACCEPT)
        return !(by && by->action == POLICY_ACCEPT && policy_rule_unsure(by) &&
                 (!sure || by->id < sure->id) && !is_changed(unsure, by) &&
                 classify_linear_matches(unsure->now, by, header));
    for (unsigned i = 0; i < unsure->changed_count; i++)
        if ((!sure || unsure->changed[i]->id < sure->id) &&
            classify_linear_matches(unsure->now, unsure->changed[i], header))
            return true;
    return false;
}

void unsure_fini(struct unsure *unsure)
{
    free(unsure->sure.rules);
    free(unsure->changed);
    free(unsure->memory);
}
