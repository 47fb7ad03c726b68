/* Applies policy rules: see rules.h. Rules of one number are evaluated in the order in which they
 * were added; a rule cannot be changed in the kernel, so a changed one is added again. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/routing/foreign.h"
#include "plugins/routing/policy.h"
#include "plugins/routing/rules.h"
#include "plugins/routing/why.h"

static const uint8_t families[] = {AF_INET, AF_INET6};

static uint8_t action_of(uint8_t last)
{
    switch (last) {
    case RTN_BLACKHOLE:
        return FR_ACT_BLACKHOLE;
    case RTN_UNREACHABLE:
        return FR_ACT_UNREACHABLE;
    case RTN_PROHIBIT:
        return FR_ACT_PROHIBIT;
    default:
        return FR_ACT_TO_TBL;
    }
}

bool rules_kernel(const struct rule_want *rule, uint8_t family, struct rtnl_rule *ret_rule)
{
    if ((rule->from.address.family && rule->from.address.family != family) ||
        (rule->to.address.family && rule->to.address.family != family))
        return false;
    *ret_rule = (struct rtnl_rule){.family = family,
                                   .priority = rule->number,
                                   .mark = rule->mark,
                                   .mask = rule->mask,
                                   .action = action_of(rule->last),
                                   .table = rule->last ? 0 : rule->table,
                                   .ignore_default = rule->ignore_default,
                                   .protocol = NETLINK_OURS};
    /* The kernel has no word for a network of length 0: it is any. */
    if (rule->from.len)
        ret_rule->from = rule->from;
    if (rule->to.len)
        ret_rule->to = rule->to;
    memcpy(ret_rule->iif, rule->interface, sizeof(ret_rule->iif));
    return true;
}

static bool same_network(const struct prefix *x, const struct prefix *y)
{
    return x->address.family == y->address.family && (!x->address.family || prefix_equal(x, y));
}

static bool is_same(const struct rtnl_rule *x, const struct rtnl_rule *y)
{
    return x->family == y->family && x->priority == y->priority && x->protocol == y->protocol &&
           same_network(&x->from, &y->from) && same_network(&x->to, &y->to) &&
           !strcmp(x->iif, y->iif) && x->mark == y->mark && x->mask == y->mask &&
           x->action == y->action && x->table == y->table &&
           x->ignore_default == y->ignore_default && x->extra == y->extra;
}

static bool is_there(const struct rtnl_rules *have, const struct rtnl_rule *rule)
{
    for (unsigned i = 0; i < have->count; i++) {
        if (is_same(&have->items[i], rule))
            return true;
    }
    return false;
}

/* Another program's rule of this number, NULL: none. */
static const struct rtnl_rule *other_rule(const struct rtnl_rules *have,
                                          const struct rule_want *rule)
{
    for (unsigned i = 0; i < have->count; i++) {
        const struct rtnl_rule *other = &have->items[i];
        struct rtnl_rule ours;

        if (other->protocol != NETLINK_OURS && other->priority == rule->number &&
            rules_kernel(rule, other->family, &ours))
            return other;
    }
    return NULL;
}

static void say_other_rule(const struct rtnl_rule *other, char *to, size_t size)
{
    char name[8];

    snprintf(to, size, "the kernel has a rule with number %u (protocol %s) that is not ours",
             other->priority, foreign_protocol_name(other->protocol, name, sizeof(name)));
}

int rules_check_foreign(struct nl_sock *socket, const struct routes_want *routes,
                        struct orb_err *err)
{
    char path[ORB_ERR_PATH], text[160];
    struct rtnl_rules have = {0};
    bool changed = false;
    int r;

    for (unsigned i = 0; !changed && i < routes->rule_count; i++)
        changed = routes->rules[i].changed;
    if (!changed)
        return 0;
    r = rtnl_rule_list(socket, &have, err);
    for (unsigned i = 0; r == 0 && i < routes->rule_count; i++) {
        const struct rtnl_rule *other = other_rule(&have, &routes->rules[i]);

        if (!other || !routes->rules[i].changed)
            continue;
        say_other_rule(other, text, sizeof(text));
        policy_rule_path(&routes->rules[i], path, sizeof(path));
        r = orb_fail_at(err, ORB_E_VETO, path, "%s; give this one another number", text);
    }
    free(have.items);
    return r;
}

/* Both families' halves of one rule. */
static int add_one(struct nl_sock *socket, const struct rtnl_rules *have, struct rule_want *rule,
                   unsigned *count, struct orb_err *err)
{
    struct rtnl_rule kernel;
    bool made = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(families); i++) {
        if (!rules_kernel(rule, families[i], &kernel))
            continue;
        if (is_there(have, &kernel)) {
            made = true;
            continue;
        }
        r = rtnl_rule_add(socket, &kernel, err);
        *count += r == 0;
        /* A machine without IPv6 has no use for that half. */
        if (made && families[i] == AF_INET6 && (r == -EOPNOTSUPP || r == -EAFNOSUPPORT))
            r = 0;
        made |= r == 0;
    }
    return r;
}

int rules_add(struct nl_sock *socket, struct routes_want *routes, bool strict,
              struct rtnl_rules *ret_have, unsigned *count, struct orb_err *err)
{
    struct rtnl_rules have = {0};
    int r = rtnl_rule_list(socket, &have, err);

    for (unsigned i = 0; r == 0 && i < routes->rule_count; i++) {
        struct rule_want *rule = &routes->rules[i];
        const struct rtnl_rule *other = other_rule(&have, rule);
        struct orb_err why = {0};
        char text[160];

        if (add_one(socket, &have, rule, count, &why) < 0) {
            why_set(&rule->why, why.text);
            if (!strict || !rule->changed)
                continue;
            orb_wrap(&why, "cannot make rule %u", rule->number);
            why.code = r = ORB_E_KERNEL;
            policy_rule_path(rule, why.path, sizeof(why.path));
            if (err)
                *err = why;
        } else if (other) {
            say_other_rule(other, text, sizeof(text));
            why_set(&rule->why, text);
        } else {
            why_set(&rule->why, NULL);
        }
    }
    if (r < 0)
        free(have.items);
    else
        *ret_have = have;
    return r;
}

void rules_remove(struct nl_sock *socket, const struct routes_want *routes, struct rtnl_rules *have,
                  unsigned *count)
{
    for (unsigned i = 0; i < have->count; i++) {
        const struct rtnl_rule *rule = &have->items[i];
        struct rtnl_rule ours;
        bool wanted = rule->protocol != NETLINK_OURS;

        for (unsigned k = 0; !wanted && k < routes->rule_count; k++)
            wanted = rules_kernel(&routes->rules[k], rule->family, &ours) && is_same(rule, &ours);
        /* One that is gone already, or cannot be removed now, is found again next time. */
        if (!wanted)
            *count += rtnl_rule_delete(socket, rule, NULL) == 0;
    }
    free(have->items);
    *have = (struct rtnl_rules){0};
}
