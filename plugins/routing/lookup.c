/* Whether the kernel's policy rules still lead to the routes: a rule that another program removed,
 * or added before, stops forwarding while every route is as configured. Only reported, not
 * repaired: such a change by an administrator may be intended. */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/socket.h>

#include "plugins/routing/lookup.h"

#define NUMBER_LOCAL 0 /* of the kernel's own rules */
#define NUMBER_MAIN 32766

bool lookup_is_plain(const struct rtnl_rule *rule)
{
    return !rule->from.address.family && !rule->to.address.family && !*rule->iif && !rule->mask &&
           !rule->extra;
}

static bool refuses(const struct rtnl_rule *rule)
{
    return rule->protocol != NETLINK_OURS &&
           (rule->action == FR_ACT_BLACKHOLE || rule->action == FR_ACT_UNREACHABLE ||
            rule->action == FR_ACT_PROHIBIT);
}

/* Whether the rule matches every packet and ends the lookup: as configured, or as the kernel's
 * default. */
static bool ends(const struct rtnl_rule *rule, uint32_t table)
{
    if (rule->action == FR_ACT_TO_TBL)
        return rule->table == table && !rule->ignore_default;
    return rule->protocol == NETLINK_OURS && rule->action != FR_ACT_NOP;
}

bool lookup_is_broken(const struct rtnl_rules *rules, uint8_t family, uint32_t table, char *to,
                      size_t size)
{
    const char *version = family == AF_INET ? "IPv4" : "IPv6";
    const char *ip = family == AF_INET ? "ip" : "ip -6";
    bool local = table == RT_TABLE_LOCAL;

    for (unsigned i = 0; i < rules->count; i++) {
        const struct rtnl_rule *rule = &rules->items[i];

        if (rule->family != family || !lookup_is_plain(rule))
            continue;
        if (ends(rule, table))
            return false;
        if (!refuses(rule))
            continue;
        snprintf(to, size, "another program's policy rule %u refuses every %s packet (`%s rule`)",
                 rule->priority, version, ip);
        return true;
    }
    snprintf(
        to, size,
        "no policy rule leads every %s packet to table %s: %s (`%s rule add pref %u lookup %s`)",
        version, local ? "local" : "main",
        local ? "the appliance does not know its own addresses"
              : "what no other rule is for is not forwarded",
        ip, local ? NUMBER_LOCAL : NUMBER_MAIN, local ? "local" : "main");
    return true;
}
