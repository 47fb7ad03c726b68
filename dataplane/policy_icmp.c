/* ICMP types of a rule: names, numbers and codes of both families. */
#include <netinet/in.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "dataplane/policy_internal.h"

struct icmp_name {
    const char *name;
    int type4, code4, type6, code6; /* type -1: not in this protocol; code -1: any */
};
/* RFC 792, 1812, 4443, 4861, 2710, 3810. */
static const struct icmp_name icmp_names[] = {{"echo-request", 8, -1, 128, -1},
                                              {"echo-reply", 0, -1, 129, -1},
                                              {"destination-unreachable", 3, -1, 1, -1},
                                              {"net-unreachable", 3, 0, 1, 0},
                                              {"host-unreachable", 3, 1, 1, 3},
                                              {"protocol-unreachable", 3, 2, -1, -1},
                                              {"port-unreachable", 3, 3, 1, 4},
                                              {"fragmentation-needed", 3, 4, -1, -1},
                                              {"admin-prohibited", 3, 13, 1, 1},
                                              {"source-quench", 4, -1, -1, -1},
                                              {"packet-too-big", -1, -1, 2, -1},
                                              {"time-exceeded", 11, -1, 3, -1},
                                              {"ttl-exceeded", 11, 0, 3, 0},
                                              {"reassembly-exceeded", 11, 1, 3, 1},
                                              {"parameter-problem", 12, -1, 4, -1},
                                              {"redirect", 5, -1, 137, -1},
                                              {"router-advertisement", 9, -1, 134, -1},
                                              {"router-solicitation", 10, -1, 133, -1},
                                              {"neighbour-solicitation", -1, -1, 135, -1},
                                              {"neighbour-advertisement", -1, -1, 136, -1},
                                              {"listener-query", -1, -1, 130, -1},
                                              {"listener-report", -1, -1, 131, -1},
                                              {"listener-done", -1, -1, 132, -1},
                                              {"listener-report-v2", -1, -1, 143, -1},
                                              {"timestamp-request", 13, -1, -1, -1},
                                              {"timestamp-reply", 14, -1, -1, -1},
                                              {"address-mask-request", 17, -1, -1, -1},
                                              {"address-mask-reply", 18, -1, -1, -1}};

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

int policy_icmp_read(struct policy_rule *rule, const char *text, const struct place *at,
                     struct orb_err *err)
{
    const struct place here = {at, "icmp-type", 0};
    const char *names[ARRAY_LEN(icmp_names)], *near;
    size_t len = strcspn(text, "/"), count = 0;
    bool six = rule->protocol == IPPROTO_ICMPV6;

    if (!six && rule->protocol != IPPROTO_ICMP)
        return policy_read_fail(&here, err, "icmp-type needs protocol icmp or icmpv6");
    if (icmp_number(text, len, &rule->icmp_type) &&
        (!text[len] || icmp_number(text + len + 1, strlen(text + len + 1), &rule->icmp_code)))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(icmp_names); i++) {
        int type = six ? icmp_names[i].type6 : icmp_names[i].type4;

        if (type < 0)
            continue;
        if (!strcmp(icmp_names[i].name, text)) {
            rule->icmp_type = type;
            rule->icmp_code = six ? icmp_names[i].code6 : icmp_names[i].code4;
            return 0;
        }
        names[count++] = icmp_names[i].name;
    }
    near = suggest_nearest(text, names, count);
    return policy_read_fail(
        &here, err,
        "\"%.40s\" is no %s type; expected a name like echo-request, a number or "
        "type/code%s%s%s",
        text, six ? "ICMPv6" : "ICMP", SUGGEST_ARGS(near));
}
