/* Reading rules and NAT rules of a `put` payload. Members that depend on each other (ports on the
 * protocol, ICMP types on the family) are looked at when all are known: JSON objects have no order.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/policy_internal.h"

struct rule_draft {
    struct policy_rule *rule;
    const struct policy_groups *groups;
    const char *icmp_type; /* borrowed */
    bool has_action;
};

uint32_t policy_rule_key(const char *key)
{
    uint32_t id = 0;

    if (key[0] < '1' || key[0] > '9' || strlen(key) > 8)
        return 0;
    for (; *key; key++) {
        if (*key < '0' || *key > '9')
            return 0;
        id = id * 10 + (uint32_t)(*key - '0');
    }
    return id;
}

/* "!lan": any zone, or none, but that one. */
static int read_zone(const json_t *value, char name[POLICY_NAME], bool *ret_not,
                     const struct place *at, struct orb_err *err)
{
    const char *text = json_string_value(value);
    AUTO(json_t) json_t *rest = NULL;

    *ret_not = text && *text == '!';
    if (*ret_not)
        rest = json_string(text + 1);
    return policy_read_name(rest ? rest : value, name, POLICY_NAME, at, err);
}

static int read_from(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct policy_rule *rule = ((struct rule_draft *)to)->rule;

    return read_zone(value, rule->from, &rule->from_not, at, err);
}

static int read_to(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct policy_rule *rule = ((struct rule_draft *)to)->rule;

    return read_zone(value, rule->to, &rule->to_not, at, err);
}

static int read_protocol(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return policy_lists_read_protocol(value, &((struct rule_draft *)to)->rule->protocol, at, err);
}

static int read_source(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    const struct rule_draft *draft = to;
    struct policy_rule *rule = draft->rule;

    return policy_lists_read_ranges(value, draft->groups, &rule->source_group, &rule->sources,
                                    &rule->source_count, at, err);
}

static int read_destination(void *to, const json_t *value, const struct place *at,
                            struct orb_err *err)
{
    const struct rule_draft *draft = to;
    struct policy_rule *rule = draft->rule;

    return policy_lists_read_ranges(value, draft->groups, &rule->destination_group,
                                    &rule->destinations, &rule->destination_count, at, err);
}

static int read_source_ports(void *to, const json_t *value, const struct place *at,
                             struct orb_err *err)
{
    const struct rule_draft *draft = to;
    struct policy_rule *rule = draft->rule;

    return policy_lists_read_ports(value, draft->groups, false, &rule->source_ports,
                                   &rule->source_port_count, at, err);
}

static int read_destination_ports(void *to, const json_t *value, const struct place *at,
                                  struct orb_err *err)
{
    const struct rule_draft *draft = to;
    struct policy_rule *rule = draft->rule;

    return policy_lists_read_ports(value, draft->groups, false, &rule->destination_ports,
                                   &rule->destination_port_count, at, err);
}

static int read_icmp_type(void *to, const json_t *value, const struct place *at,
                          struct orb_err *err)
{
    if (!json_is_string(value))
        return policy_read_expected(at, "an ICMP type as text like \"echo-request\" or \"3/4\"",
                                    value, err);
    ((struct rule_draft *)to)->icmp_type = json_string_value(value);
    return 0;
}

static int read_action(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    ((struct rule_draft *)to)->has_action = true;
    return policy_read_action(value, &((struct rule_draft *)to)->rule->action, at, err);
}

static int read_log(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    if (!json_is_boolean(value))
        return policy_read_expected(at, "true or false", value, err);
    ((struct rule_draft *)to)->rule->log = json_is_true(value);
    return 0;
}

static int read_reject(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    static const char *const words[] = {"tcp-reset", "port-unreachable", "host-unreachable",
                                        "net-unreachable", "admin-prohibited"};
    int index = 0, r = policy_read_word(value, words, ARRAY_LEN(words), &index, at, err);

    ((struct rule_draft *)to)->rule->reject = (enum policy_reject)(POLICY_REJECT_TCP_RESET + index);
    return r;
}

/* The rule's extra part, made at the first need. */
static struct policy_more *more_of(struct policy_rule *rule)
{
    if (!rule->more)
        rule->more = xcalloc(1, sizeof(*rule->more));
    return rule->more;
}

static int read_limit(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct policy_rule *rule = ((struct rule_draft *)to)->rule;
    struct policy_limit limit;
    bool per_source = false;
    int r = policy_more_read_limit(value, &limit, &per_source, at, err);

    if (r < 0)
        return r;
    rule->limited = true;
    rule->limit_rate = limit.rate;
    rule->limit_per_s = limit.per_s;
    rule->limit_burst = limit.burst;
    if (per_source)
        more_of(rule)->per_source = true;
    return 0;
}

static int read_more(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct policy_rule *rule = ((struct rule_draft *)to)->rule;

    for (size_t i = 0; i < MORE_MEMBERS; i++)
        if (!strcmp(at->token, more_members[i].name))
            return more_members[i].read(more_of(rule), value, at, err);
    return policy_read_fail(at, err, "unknown member");
}

/* What members need of each other. */
static int check_members(const struct rule_draft *draft, const struct place *at,
                         struct orb_err *err)
{
    const struct policy_rule *rule = draft->rule;
    struct place here = {at, "reject-with", 0};

    if (!draft->has_action)
        return policy_read_fail(
            at, err, "rule %" PRIu32 " has no action; expected accept, drop or reject", rule->id);
    if ((rule->source_port_count || rule->destination_port_count) &&
        !policy_has_ports(rule->protocol))
        return policy_read_fail(at, err, "ports need protocol tcp or udp, or tcp_udp for both");
    if (rule->reject != POLICY_REJECT_AUTO && rule->action != POLICY_REJECT)
        return policy_read_fail(&here, err, "only action reject answers");
    if (rule->reject == POLICY_REJECT_TCP_RESET && rule->protocol != IPPROTO_TCP)
        return policy_read_fail(&here, err, "tcp-reset needs protocol tcp");
    return rule->more ? policy_more_check(rule, at, err) : 0;
}

static int read_tracking(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    static const char *const words[] = {"notrack", "none"};
    int index = 0, r = policy_read_word(value, words, ARRAY_LEN(words), &index, at, err);

    ((struct rule_draft *)to)->rule->action = index ? POLICY_ACCEPT : POLICY_NOTRACK;
    return r;
}

int policy_rule_read_notrack(struct policy_rule *rule, const struct policy_groups *groups,
                             const char *key, const json_t *value, const struct place *at,
                             struct orb_err *err)
{
    static const struct member members[] = {{"from", read_from},
                                            {"protocol", read_protocol},
                                            {"source", read_source},
                                            {"destination", read_destination},
                                            {"source-ports", read_source_ports},
                                            {"destination-ports", read_destination_ports},
                                            {"action", read_tracking}};
    struct rule_draft draft = {.rule = rule, .groups = groups, .has_action = true};
    int r;

    rule->id = policy_rule_key(key);
    rule->protocol = rule->icmp_type = rule->icmp_code = -1;
    rule->action = POLICY_NOTRACK;
    r = policy_read_members(&draft, value, members, ARRAY_LEN(members), at, err);
    return r < 0 ? r : check_members(&draft, at, err);
}

int policy_rule_read(struct policy_rule *rule, const struct policy_groups *groups, const char *key,
                     const json_t *value, const struct place *at, struct orb_err *err)
{
    static const struct member members[] = {{"from", read_from},
                                            {"to", read_to},
                                            {"protocol", read_protocol},
                                            {"source", read_source},
                                            {"destination", read_destination},
                                            {"source-ports", read_source_ports},
                                            {"destination-ports", read_destination_ports},
                                            {"icmp-type", read_icmp_type},
                                            {"action", read_action},
                                            {"log", read_log},
                                            {"reject-with", read_reject},
                                            {"limit", read_limit},
                                            {"source-mac", read_more},
                                            {"tcp-flags", read_more},
                                            {"state", read_more},
                                            {"log-prefix", read_more},
                                            {"log-limit", read_more}};
    struct rule_draft draft = {.rule = rule, .groups = groups};
    int r;

    rule->id = policy_rule_key(key);
    rule->protocol = rule->icmp_type = rule->icmp_code = -1;
    r = policy_read_members(&draft, value, members, ARRAY_LEN(members), at, err);
    if (r < 0)
        return r;
    r = check_members(&draft, at, err);
    if (r < 0)
        return r;
    return draft.icmp_type ? policy_icmp_read(rule, draft.icmp_type, at, err) : 0;
}
