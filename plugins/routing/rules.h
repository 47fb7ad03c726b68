/* Policy rules in the kernel. Rules of one number are evaluated in the order in which they were
 * added; only rules with Orbital's protocol number are ever removed. */
#ifndef PLUGINS_ROUTING_RULES_H
#define PLUGINS_ROUTING_RULES_H

#include "plugins/lib/rtnl.h"
#include "plugins/routing/model.h"

/* Is a rule of another program in the way of a changed one (same number)? Error: ORB_E_VETO with
 * path. */
int rules_check_foreign(struct nl_sock *socket, const struct routes_want *routes,
                        struct orb_err *err);
/* The two halves of applying rules: new ones are added before old ones are removed, so that no
 * packet misses both. have: read by the first one, freed by the second. */
int rules_add(struct nl_sock *socket, struct routes_want *routes, bool strict,
              struct rtnl_rules *ret_have, unsigned *count, struct orb_err *err);
/* The second half: deletes those of have that are ours and not wanted, adds their number to
 * count, and frees have. One that cannot be deleted is found again at the next look. */
void rules_remove(struct nl_sock *socket, const struct routes_want *routes, struct rtnl_rules *have,
                  unsigned *count);
/* The kernel's form of a rule for a family; false when the rule is not for it. */
bool rules_kernel(const struct rule_want *rule, uint8_t family, struct rtnl_rule *ret_rule);

#endif
