/* Reading rules and NAT rules of a `put` payload. Members that depend on each other (ports on the
 * protocol, ICMP types on the family) are looked at when all are known: JSON objects have no order.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/policy_json.h"

struct rule_draft {
    struct policy_rule *rule;
    const char *icmp_type; /* borrowed */
    bool has_action;
};

uint32_t rule_key(const char *key)
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

static int read_from(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return name_read(value, ((struct rule_draft *)to)->rule->from, POLICY_NAME, at, err);
}

static int read_to(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return name_read(value, ((struct rule_draft *)to)->rule->to, POLICY_NAME, at, err);
}

static int read_protocol(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return protocol_read(value, &((struct rule_draft *)to)->rule->protocol, at, err);
}

static int read_source(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct policy_rule *rule = ((struct rule_draft *)to)->rule;

    return ranges_read(value, &rule->sources, &rule->source_count, at, err);
}

static int read_destination(void *to, const json_t *value, const struct place *at,
                            struct orb_err *err)
{
    struct policy_rule *rule = ((struct rule_draft *)to)->rule;

    return ranges_read(value, &rule->destinations, &rule->destination_count, at, err);
}

static int read_source_ports(void *to, const json_t *value, const struct place *at,
                             struct orb_err *err)
{
    struct policy_rule *rule = ((struct rule_draft *)to)->rule;

    return ports_read(value, false, &rule->source_ports, &rule->source_port_count, at, err);
}

static int read_destination_ports(void *to, const json_t *value, const struct place *at,
                                  struct orb_err *err)
{
    struct policy_rule *rule = ((struct rule_draft *)to)->rule;

    return ports_read(value, false, &rule->destination_ports, &rule->destination_port_count, at,
                      err);
}

static int read_icmp_type(void *to, const json_t *value, const struct place *at,
                          struct orb_err *err)
{
    if (!json_is_string(value))
        return place_expected(at, "an ICMP type as text like \"echo-request\" or \"3/4\"", value,
                              err);
    ((struct rule_draft *)to)->icmp_type = json_string_value(value);
    return 0;
}

static int read_action(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    ((struct rule_draft *)to)->has_action = true;
    return action_read(value, &((struct rule_draft *)to)->rule->action, at, err);
}

static int read_log(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    if (!json_is_boolean(value))
        return place_expected(at, "true or false", value, err);
    ((struct rule_draft *)to)->rule->log = json_is_true(value);
    return 0;
}

static int read_rate(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    int64_t rate;
    int r = integer_read(value, 1, 1000000, &rate, at, err);

    if (r == 0)
        ((struct policy_rule *)to)->limit_rate = (uint32_t)rate;
    return r;
}

static int read_per(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    static const char *const words[] = {"second", "minute", "hour", "day"};
    static const uint32_t seconds[] = {1, 60, 3600, 86400};
    int index, r = word_read(value, words, ARRAY_LEN(words), &index, at, err);

    if (r == 0)
        ((struct policy_rule *)to)->limit_per_s = seconds[index];
    return r;
}

static int read_burst(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    int64_t burst;
    int r = integer_read(value, 1, 1000000, &burst, at, err);

    if (r == 0)
        ((struct policy_rule *)to)->limit_burst = (uint32_t)burst;
    return r;
}

static int read_limit(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    static const struct member members[] = {
        {"rate", read_rate}, {"per", read_per}, {"burst", read_burst}};
    struct policy_rule *rule = ((struct rule_draft *)to)->rule;
    int r;

    rule->limited = true;
    rule->limit_per_s = 1;
    rule->limit_burst = 5;
    r = members_read(rule, value, members, ARRAY_LEN(members), at, err);
    if (r == 0 && !rule->limit_rate)
        return place_fail(at, err, "a limit needs a rate, for example {\"rate\": 10}");
    return r;
}

struct icmp_name {
    const char *name;
    int type4, type6; /* -1: not in this protocol */
};
static const struct icmp_name icmp_names[] = {{"echo-request", 8, 128},
                                              {"echo-reply", 0, 129},
                                              {"destination-unreachable", 3, 1},
                                              {"packet-too-big", -1, 2},
                                              {"time-exceeded", 11, 3},
                                              {"parameter-problem", 12, 4},
                                              {"redirect", 5, 137},
                                              {"router-advertisement", 9, 134},
                                              {"router-solicitation", 10, 133},
                                              {"neighbour-solicitation", -1, 135},
                                              {"neighbour-advertisement", -1, 136},
                                              {"timestamp-request", 13, -1},
                                              {"timestamp-reply", 14, -1}};

static bool icmp_number(const char *text, size_t len, int *ret_number)
{
    int number = 0;

    if (!len || len > 3)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (text[i] - '0');
    }
    *ret_number = number;
    return number <= 255;
}

static int read_icmp(struct policy_rule *rule, const char *text, const struct place *at,
                     struct orb_err *err)
{
    const struct place here = {at, "icmp-type", 0};
    const char *names[ARRAY_LEN(icmp_names)], *near;
    size_t len = strcspn(text, "/"), count = 0;
    bool six = rule->protocol == IPPROTO_ICMPV6;

    if (!six && rule->protocol != IPPROTO_ICMP)
        return place_fail(&here, err, "icmp-type needs \"protocol\": \"icmp\" or \"icmpv6\"");
    if (icmp_number(text, len, &rule->icmp_type) &&
        (!text[len] || icmp_number(text + len + 1, strlen(text + len + 1), &rule->icmp_code)))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(icmp_names); i++) {
        int type = six ? icmp_names[i].type6 : icmp_names[i].type4;

        if (type < 0)
            continue;
        if (!strcmp(icmp_names[i].name, text)) {
            rule->icmp_type = type;
            return 0;
        }
        names[count++] = icmp_names[i].name;
    }
    near = nearest_name(text, names, count);
    return place_fail(&here, err,
                      "\"%.40s\" is no %s type; expected a name like echo-request, a number or "
                      "type/code%s%s%s",
                      text, six ? "ICMPv6" : "ICMP", near ? "; did you mean " : "",
                      near ? near : "", near ? "?" : "");
}

int rule_read(struct policy_rule *rule, const char *key, const json_t *value,
              const struct place *at, struct orb_err *err)
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
                                            {"limit", read_limit}};
    struct rule_draft draft = {.rule = rule};
    int r;

    rule->id = rule_key(key);
    rule->protocol = rule->icmp_type = rule->icmp_code = -1;
    r = members_read(&draft, value, members, ARRAY_LEN(members), at, err);
    if (r < 0)
        return r;
    if (!draft.has_action)
        return place_fail(at, err, "rule %s has no action; expected accept, drop or reject", key);
    if ((rule->source_port_count || rule->destination_port_count) &&
        !policy_has_ports(rule->protocol))
        return place_fail(at, err,
                          "ports need \"protocol\": \"tcp\" or \"udp\", or \"tcp_udp\" for both");
    return draft.icmp_type ? read_icmp(rule, draft.icmp_type, at, err) : 0;
}
