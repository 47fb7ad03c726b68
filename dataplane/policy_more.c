/* Members few rules have: limits, MAC addresses, TCP flags, connection states, how to record. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/policy_internal.h"

struct limit_draft {
    struct policy_limit *limit;
    bool per_source;
};

static int read_rate(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    int64_t rate = 0;
    int r = policy_read_integer(value, 1, 1000000, &rate, at, err);

    ((struct limit_draft *)to)->limit->rate = (uint32_t)rate;
    return r;
}

static int read_per(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    static const char *const words[] = {"second", "minute", "hour", "day"};
    static const uint32_t seconds[] = {1, 60, 3600, 86400};
    int index = 0, r = policy_read_word(value, words, ARRAY_LEN(words), &index, at, err);

    ((struct limit_draft *)to)->limit->per_s = seconds[index];
    return r;
}

static int read_burst(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    int64_t burst = 0;
    int r = policy_read_integer(value, 1, 1000000, &burst, at, err);

    ((struct limit_draft *)to)->limit->burst = (uint32_t)burst;
    return r;
}

static int read_per_source(void *to, const json_t *value, const struct place *at,
                           struct orb_err *err)
{
    if (!json_is_boolean(value))
        return policy_read_expected(at, "true or false", value, err);
    ((struct limit_draft *)to)->per_source = json_is_true(value);
    return 0;
}

int policy_more_read_limit(const json_t *value, struct policy_limit *ret_limit,
                           bool *ret_per_source, const struct place *at, struct orb_err *err)
{
    static const struct member members[] = {{"rate", read_rate},
                                            {"per", read_per},
                                            {"burst", read_burst},
                                            {"per-source", read_per_source}};
    struct policy_limit limit = {.per_s = 1, .burst = 5};
    struct limit_draft draft = {.limit = &limit};
    int r =
        policy_read_members(&draft, value, members, ARRAY_LEN(members) - !ret_per_source, at, err);

    if (r == 0 && !limit.rate)
        return policy_read_fail(at, err, "a limit needs a rate, for example {\"rate\": 10}");
    if (r < 0)
        return r;
    *ret_limit = limit;
    if (ret_per_source)
        *ret_per_source = draft.per_source;
    return 0;
}

bool policy_more_parse_mac(const char *text, uint8_t ret_mac[6])
{
    for (int i = 0; i < 6; i++, text += 3) {
        char *end;

        if (strspn(text, "0123456789abcdefABCDEF") != 2 || text[2] != (i < 5 ? ':' : 0))
            return false;
        ret_mac[i] = (uint8_t)strtoul(text, &end, 16);
    }
    return true;
}

static int read_macs(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct policy_more *more = to;
    size_t size = json_array_size(value);

    if (!json_is_array(value) || !size)
        return policy_read_expected(at, "an array of MAC addresses", value, err);
    if (size > POLICY_MAX_MACS)
        return policy_read_fail(at, err, "%zu MAC addresses in one rule; the limit is %d", size,
                                POLICY_MAX_MACS);
    more->macs = calloc(size, sizeof(*more->macs));
    if (!more->macs)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu MAC addresses", size);
    for (size_t i = 0; i < size; i++) {
        const json_t *item = json_array_get(value, i);
        const char *text = json_string_value(item);
        struct place here = {at, NULL, i};
        bool out = text && *text == '!';

        if (!text || !policy_more_parse_mac(text + out, more->macs[i]))
            return policy_read_expected(&here, "a MAC address like 02:00:5e:10:00:01", item, err);
        if (i && out != more->macs_not)
            return policy_read_fail(&here, err,
                                    "either all MAC addresses of a list have \"!\" or none");
        more->macs_not = out;
        more->mac_count = (unsigned)i + 1;
    }
    return 0;
}

static int read_tcp_flags(void *to, const json_t *value, const struct place *at,
                          struct orb_err *err)
{
    static const char *const words[] = {"fin",  "syn",  "rst",  "psh",  "ack",  "urg",
                                        "ece",  "cwr",  "!fin", "!syn", "!rst", "!psh",
                                        "!ack", "!urg", "!ece", "!cwr"};
    struct policy_more *more = to;
    size_t i;
    json_t *item;

    if (!json_is_array(value) || !json_array_size(value))
        return policy_read_expected(at, "an array of TCP flags like [\"syn\", \"!ack\"]", value,
                                    err);
    json_array_foreach ((json_t *)value, i, item) {
        struct place here = {at, NULL, i};
        int index = 0, r = policy_read_word(item, words, ARRAY_LEN(words), &index, &here, err);
        uint8_t bit = (uint8_t)(1u << (index & 7));

        if (r < 0)
            return r;
        if ((more->tcp_mask & bit) && !(more->tcp_flags & bit) != (index > 7))
            return policy_read_fail(&here, err, "a flag cannot be both set and not set");
        more->tcp_mask |= bit;
        more->tcp_flags |= index > 7 ? 0 : bit;
    }
    return 0;
}

static int read_states(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    static const char *const words[] = {"new", "established", "related", "invalid", "untracked"};
    struct policy_more *more = to;
    size_t i;
    json_t *item;

    if (!json_is_array(value) || !json_array_size(value))
        return policy_read_expected(at, "an array of states like [\"new\"]", value, err);
    json_array_foreach ((json_t *)value, i, item) {
        struct place here = {at, NULL, i};
        int index = 0, r = policy_read_word(item, words, ARRAY_LEN(words), &index, &here, err);

        if (r < 0)
            return r;
        more->states |= (uint8_t)(1u << index);
    }
    return 0;
}

static int read_log_prefix(void *to, const json_t *value, const struct place *at,
                           struct orb_err *err)
{
    struct policy_more *more = to;
    const char *text = json_string_value(value);
    size_t len = text ? strlen(text) : 0;

    if (!text || !len || len >= sizeof(more->log_prefix) ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.,:/+=#") !=
            len)
        return policy_read_expected(at, "1 to 63 letters, digits, blanks and - _ . , : / + = #",
                                    value, err);
    memcpy(more->log_prefix, text, len + 1);
    return 0;
}

static int read_log_limit(void *to, const json_t *value, const struct place *at,
                          struct orb_err *err)
{
    return policy_more_read_limit(value, &((struct policy_more *)to)->log_limit, NULL, at, err);
}

const struct member more_members[MORE_MEMBERS] = {{"source-mac", read_macs},
                                                  {"tcp-flags", read_tcp_flags},
                                                  {"state", read_states},
                                                  {"log-prefix", read_log_prefix},
                                                  {"log-limit", read_log_limit}};

int policy_more_check(const struct policy_rule *rule, const struct place *at, struct orb_err *err)
{
    const struct policy_more *more = rule->more;
    struct place mac = {at, "source-mac", 0}, flags = {at, "tcp-flags", 0};
    struct place prefix = {at, *more->log_prefix ? "log-prefix" : "log-limit", 0};

    if (more->mac_count && !strcmp(rule->from, "local") && !rule->from_not)
        return policy_read_fail(&mac, err,
                                "packets of this machine itself have no sender's MAC address");
    if (more->tcp_mask && rule->protocol != IPPROTO_TCP)
        return policy_read_fail(&flags, err, "tcp-flags need protocol tcp");
    if ((*more->log_prefix || more->log_limit.rate) && !rule->log)
        return policy_read_fail(&prefix, err, "nothing is recorded unless log is true");
    return 0;
}
