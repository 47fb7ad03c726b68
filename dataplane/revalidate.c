/* Compares two policies for one connection. Conditions not recorded in conntrack (MAC addresses,
 * rates) are handled by unsure.c, translation by flow_nat.c.
 *
 * Note: most connections need no lookup. The mark names the rule that accepted them: while it is
 * unchanged, and no rule before it that refuses is new, they are kept, whatever their interfaces,
 * which conntrack does not record. */
#include "dataplane/revalidate.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi.h"
#include "bpf/classify.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/nft_match.h"

#define LINEAR_RULES 32 /* more of them are worth the classifier */

static void view_init(struct revalidate_view *view, const struct policy *policy,
                      enum flow_hook hook, const void *memory)
{
    struct policy *p = &view->policy;

    *p = *policy;
    view->memory = hook == FLOW_HOOK_FORWARD ? memory : NULL;
    if (hook == FLOW_HOOK_FORWARD)
        return;
    p->defaults.forward =
        hook == FLOW_HOOK_INPUT ? policy->defaults.input : policy->defaults.output;
    p->rules = xcalloc(policy->rule_count + 1, sizeof(*p->rules));
    p->rule_count = 0;
    for (unsigned i = 0; i < policy->rule_count; i++) {
        struct policy_rule *rule = &p->rules[p->rule_count];

        if (!nft_match_hook(&policy->rules[i], hook == FLOW_HOOK_OUTPUT, hook == FLOW_HOOK_INPUT))
            continue;
        *rule = policy->rules[i];
        if (hook == FLOW_HOOK_INPUT)
            rule->to[0] = 0;
        else
            rule->from[0] = 0;
        p->rule_count++;
    }
}

static void view_fini(struct revalidate_view *view, enum flow_hook hook)
{
    if (hook != FLOW_HOOK_FORWARD)
        free(view->policy.rules);
    free(view->built);
}

/* Too many rules of this kind, or out of memory: evaluated rule by rule. */
static void view_build(struct revalidate_view *view)
{
    view->tried = true;
    if (view->policy.rule_count <= LINEAR_RULES)
        return;
    view->built = calloc(1, CLASSIFY_BLOB_BYTES);
    if (view->built &&
        classify_build(&view->policy, view->built, CLASSIFY_BLOB_BYTES, NULL, NULL) == 0)
        view->memory = view->built;
}

/* NULL: the default. */
static const struct policy_rule *look_up(struct revalidate_view *view,
                                         const struct classify_header *header)
{
    int found;

    if (!view->memory && !view->tried)
        view_build(view);
    found = view->memory ? classify_lookup(view->memory, CLASSIFY_BLOB_BYTES, header)
                         : classify_linear(&view->policy, header);
    return found < 0 ? NULL : &view->policy.rules[found];
}

static bool same_rule(const struct revalidate *revalidate, const struct policy_rule *a,
                      const struct policy_rule *b)
{
    return a && b && policy_rule_matches_same(a, b) &&
           flow_nat_zone_alike(revalidate->now, revalidate->before, a->from) &&
           flow_nat_zone_alike(revalidate->now, revalidate->before, a->to);
}

/* The view of forwarding has all rules: its data numbers them so. */
static bool is_at(const struct policy_rule *rule, enum flow_hook hook)
{
    return hook != FLOW_HOOK_FORWARD || policy_rule_forwards(rule);
}

static unsigned count_rules(const struct policy *policy, enum flow_hook hook)
{
    unsigned count = 0;

    for (unsigned i = 0; i < policy->rule_count; i++)
        count += is_at(&policy->rules[i], hook);
    return count;
}

static void compare(const struct revalidate *revalidate, struct revalidate_side *side,
                    enum flow_hook hook)
{
    const struct policy *now = &side->now.policy, *before = &side->before.policy;

    side->alike = now->defaults.forward == before->defaults.forward &&
                  count_rules(now, hook) == count_rules(before, hook);
    for (unsigned i = 0; i < now->rule_count; i++) {
        const struct policy_rule *rule = &now->rules[i];

        if (!is_at(rule, hook) || same_rule(revalidate, rule, policy_find_rule(before, rule->id)))
            continue;
        side->alike = false;
        if (rule->action != POLICY_ACCEPT && rule->id < side->first)
            side->first = rule->id;
    }
}

static bool same_notracks(const struct revalidate *revalidate)
{
    const struct policy *now = revalidate->now, *before = revalidate->before;

    for (unsigned i = 0; i < now->notrack_count && i < before->notrack_count; i++)
        if (!same_rule(revalidate, &now->notracks[i], &before->notracks[i]))
            return false;
    return now->notrack_count == before->notrack_count;
}

void revalidate_init(struct revalidate *revalidate, const struct policy *now, const void *memory,
                     const struct policy *before, const void *memory_before)
{
    *revalidate = (struct revalidate){
        .now = now, .before = before, .memory = memory, .memory_before = memory_before};
    for (unsigned hook = 0; hook < FLOW_HOOKS; hook++) {
        struct revalidate_side *side = &revalidate->sides[hook];

        side->mark = ABI_MARK_FORWARD + hook;
        side->first = UINT32_MAX;
        view_init(&side->now, now, hook, memory);
        side->unsure.now = &side->now.policy;
        if (!before)
            continue;
        view_init(&side->before, before, hook, memory_before);
        side->unsure.before = &side->before.policy;
        compare(revalidate, side, hook);
    }
    revalidate->nat_alike = before && flow_nat_alike(now, before);
    revalidate->track_alike = !before || same_notracks(revalidate);
}

void revalidate_fini(struct revalidate *revalidate)
{
    for (unsigned hook = 0; hook < FLOW_HOOKS; hook++) {
        struct revalidate_side *side = &revalidate->sides[hook];

        unsure_fini(&side->unsure);
        view_fini(&side->now, hook);
        if (revalidate->before)
            view_fini(&side->before, hook);
    }
}

bool revalidate_idle(const struct revalidate *revalidate)
{
    for (unsigned hook = 0; hook < FLOW_HOOKS; hook++)
        if (!revalidate->sides[hook].alike)
            return false;
    return revalidate->nat_alike && revalidate->track_alike;
}

/* Nothing has changed in what accepted it. */
static bool verdict_holds(const struct revalidate *revalidate, uint32_t mark, enum flow_hook hook)
{
    const struct revalidate_side *side = &revalidate->sides[hook];
    const struct policy_rule *rule;

    if (!revalidate->before || side->alike)
        return side->alike;
    if (mark == side->mark)
        return side->now.policy.defaults.forward == POLICY_ACCEPT && side->first == UINT32_MAX;
    rule = policy_find_rule(&side->now.policy, mark);
    return rule && rule->action == POLICY_ACCEPT && mark < side->first &&
           same_rule(revalidate, rule, policy_find_rule(&side->before.policy, mark));
}

/* Where the rule of that number, or the default, may have accepted it. */
static bool may_be_at(const struct revalidate_side *side, uint32_t mark, enum flow_hook hook)
{
    const struct policy_rule *rule = policy_find_rule(&side->before.policy, mark);

    return mark == side->mark || (rule && is_at(rule, hook));
}

bool revalidate_settled(const struct revalidate *revalidate, const struct flow *flow)
{
    bool known = false;

    if (!revalidate->nat_alike || !revalidate->track_alike)
        return false;
    for (unsigned hook = 0; hook < FLOW_HOOKS; hook++) {
        if (!may_be_at(&revalidate->sides[hook], flow->mark, hook))
            continue;
        known = true;
        if (!verdict_holds(revalidate, flow->mark, hook))
            return false;
    }
    return known;
}

/* The packet the hook's chain met first: destination translated, source not yet. */
static struct classify_header header_of(const struct policy *policy, const struct flow *flow,
                                        const struct flow_way *way)
{
    const struct flow_end *source = &flow->original[0], *destination = &flow->reply[0];
    struct classify_header header = {.family = flow->family,
                                     .protocol = flow->protocol,
                                     .source_port = source->port,
                                     .destination_port = destination->port};

    memcpy(header.source, source->address, 16);
    memcpy(header.destination, destination->address, 16);
    if (way->hook != FLOW_HOOK_OUTPUT)
        header.zone_from = (uint8_t)policy_interface_zone(policy, way->in);
    if (way->hook != FLOW_HOOK_INPUT)
        header.zone_to = (uint8_t)policy_interface_zone(policy, way->out);
    if (flow->protocol == IPPROTO_ICMP || flow->protocol == IPPROTO_ICMPV6) {
        header.source_port = 0;
        header.destination_port = (uint16_t)(flow->icmp_type << 8 | flow->icmp_code);
    }
    return header;
}

static bool explains_mark(struct revalidate_side *side, struct revalidate_view *view,
                          const struct flow *flow, const struct flow_way *way)
{
    struct classify_header header;
    const struct policy_rule *found, *by;

    /* Its rule was removed before: it is accepted by an unknown one. */
    if (!flow->mark || (flow->mark != side->mark && !policy_find_rule(&view->policy, flow->mark)))
        return true;
    header = header_of(&view->policy, flow, way);
    found = look_up(view, &header);
    if (!found)
        return flow->mark == side->mark;
    if (found->id == flow->mark)
        return true;
    by = policy_find_rule(&view->policy, flow->mark);
    /* What is unsure may not have matched then. */
    return policy_rule_unsure(found) && (by ? by->id > found->id : flow->mark == side->mark) &&
           (!by || classify_linear_matches(&view->policy, by, &header));
}

int revalidate_explains(struct revalidate *revalidate, const struct flow *flow,
                        const struct flow_way *way)
{
    struct revalidate_side *side = &revalidate->sides[way->hook];
    const struct policy *policy = revalidate->before ? revalidate->before : revalidate->now;
    int points = explains_mark(side, revalidate->before ? &side->before : &side->now, flow, way);
    bool holds = true;

    for (int source = 0; source < 2 && holds; source++) {
        struct flow_nat nat = flow_nat_of(policy, source, flow, way);

        holds = flow_nat_holds(&nat, source, flow, way);
    }
    return points + holds;
}

static bool leaves_elsewhere(const struct flow *flow)
{
    return memcmp(flow->original[1].address, flow->reply[0].address,
                  sizeof(flow->original[1].address)) != 0;
}

static enum revalidate_fate verdict(struct revalidate *revalidate, const struct flow *flow,
                                    const struct flow_way *way)
{
    struct revalidate_side *side = &revalidate->sides[way->hook];
    struct classify_header header = header_of(&side->now.policy, flow, way);
    const struct policy_rule *rule = look_up(&side->now, &header);
    enum policy_action action = rule ? rule->action : side->now.policy.defaults.forward;

    /* What the appliance sent to itself met no rule, whatever it was translated to. Elsewhere its
     * rules saw the interface of the way before, which is not known: it may meet them again. */
    if (way->hook == FLOW_HOOK_OUTPUT && way->own)
        return REVALIDATE_STAYS;
    if (way->hook == FLOW_HOOK_OUTPUT && action != POLICY_ACCEPT && leaves_elsewhere(flow))
        return REVALIDATE_UNSURE;
    if (rule && policy_rule_unsure(rule))
        return unsure_refuses(&side->unsure, &header, flow->mark) ? REVALIDATE_UNSURE
                                                                  : REVALIDATE_STAYS;
    return action == POLICY_ACCEPT   ? REVALIDATE_STAYS
           : action == POLICY_REJECT ? REVALIDATE_REJECTED
                                     : REVALIDATE_DROPPED;
}

/* Only a difference between the translations of the two policies counts, since it may be translated
 * by others, too. One that was ended must be translated as this policy specifies to continue. */
static bool retranslates(const struct revalidate *revalidate, const struct flow *flow,
                         const struct flow_way *way, bool ended)
{
    for (int source = 0; source < 2; source++) {
        struct flow_nat now = flow_nat_of(revalidate->now, source, flow, way);
        struct flow_nat before = {.kind = FLOW_NAT_NONE};

        if (revalidate->before)
            before = flow_nat_of(revalidate->before, source, flow, way);
        if ((ended || !flow_nat_same(&now, &before)) && !flow_nat_holds(&now, source, flow, way))
            return true;
    }
    return false;
}

/* Whether conntrack is not to see packets from the one end to the other that come in there (NULL:
 * from the appliance itself). */
static bool leaves_out(const struct policy *policy, const void *memory, const struct flow *flow,
                       const struct flow_end ends[2], const char *in)
{
    struct classify_header header = {.family = flow->family,
                                     .protocol = flow->protocol,
                                     .source_port = ends[0].port,
                                     .destination_port = ends[1].port};
    int found;

    memcpy(header.source, ends[0].address, 16);
    memcpy(header.destination, ends[1].address, 16);
    header.zone_from = in ? (uint8_t)policy_interface_zone(policy, in) : POLICY_ZONE_LOCAL;
    found = memory ? classify_lookup_track(memory, CLASSIFY_BLOB_BYTES, &header)
                   : classify_linear_track(policy, &header);
    return found >= 0 && policy->notracks[found].action == POLICY_NOTRACK;
}

static bool untracks(const struct revalidate *revalidate, const struct flow *flow,
                     const struct flow_way *way)
{
    for (int reply = 0; reply < 2; reply++) {
        bool own = way->hook == (reply ? FLOW_HOOK_INPUT : FLOW_HOOK_OUTPUT);
        const char *in = own ? NULL : reply ? way->out : way->in;
        const struct flow_end *ends = reply ? flow->reply : flow->original;

        if (leaves_out(revalidate->now, revalidate->memory, flow, ends, in) &&
            !leaves_out(revalidate->before, revalidate->memory_before, flow, ends, in))
            return true;
    }
    return false;
}

enum revalidate_fate revalidate_flow(struct revalidate *revalidate, const struct flow *flow,
                                     const struct flow_way *way, bool ended)
{
    enum revalidate_fate fate = REVALIDATE_STAYS;

    if (!revalidate->track_alike && untracks(revalidate, flow, way))
        return REVALIDATE_UNTRACKED;
    if (ended || !verdict_holds(revalidate, flow->mark, way->hook))
        fate = verdict(revalidate, flow, way);
    if ((revalidate->nat_alike && !ended) || !retranslates(revalidate, flow, way, ended))
        return fate;
    /* Rules that refuse it may accept it with its present destination. */
    return fate == REVALIDATE_STAYS ||
                   flow_nat_of(revalidate->now, false, flow, way).kind == FLOW_NAT_TO
               ? REVALIDATE_TRANSLATED
               : fate;
}
