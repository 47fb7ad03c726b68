/* Static routes and policy rules into the kernel: exactly the difference, each route, next hop and
 * rule by itself. A route of the configuration is one kernel route for each metric among its next
 * hops, and one more for what stands behind them. Only routes and rules of our protocol number are
 * ever removed; a stranger's route is replaced only where it took the place of one of ours. */
#ifndef PLUGINS_ROUTING_APPLY_H
#define PLUGINS_ROUTING_APPLY_H

#include "plugins/routing/reach.h"

struct routes_applied {
    unsigned put, removed;
    unsigned rules;   /* added or removed */
    unsigned retaken; /* of put: a stranger had replaced ours, or stood before it */
};

/* Is a route or rule of another program in the way of a changed one (same destination and metric,
 * same number)? Error with path. */
int foreign_check(struct nl_sock *socket, const struct routes_want *routes, struct orb_err *err);
int rules_check_foreign(struct nl_sock *socket, const struct routes_want *routes,
                        struct orb_err *err);
/* Reads every route and notes where another program's decides before ours (hop_want.behind). */
int foreign_look(struct nl_sock *socket, struct routes_want *routes, struct orb_err *err);
/* Did that find any, in routes of ours that are wanted? */
bool foreign_present(const struct routes_want *routes);
/* strict: fail (with path) where the kernel refuses what a changed route says although its links
 * work. Otherwise, and for all that does not fit now, the reason stands in the route's or next
 * hop's why. retake: put ours back where a stranger replaced it. */
int apply_routes(struct nl_sock *socket, struct routes_want *routes, const struct reach *reach,
                 bool strict, bool retake, struct routes_applied *ret_applied, struct orb_err *err);
/* The two halves of bringing rules to the kernel: what is new is there before what is old goes, so
 * that no packet misses both. have: what the first one read, for the second, which frees it. */
int rules_add(struct nl_sock *socket, struct routes_want *routes, bool strict,
              struct rtnl_rules *ret_have, unsigned *count, struct orb_err *err);
void rules_remove(struct nl_sock *socket, const struct routes_want *routes, struct rtnl_rules *have,
                  unsigned *count);
/* The kernel's form of a rule for a family; false when the rule is not for it. */
bool rule_kernel(const struct rule_want *rule, uint8_t family, struct rtnl_rule *ret_rule);
/* Sets a reason, keeping the text when it is the same: most reasons last. */
void apply_set_why(char **why, const char *text);
/* The name of an RTPROT_* number, written to to when it has none. */
const char *foreign_protocol_name(uint8_t protocol, char *to, size_t size);

#endif
