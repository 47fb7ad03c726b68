/* One policy rule (/routing/policy): parse and check. */
#ifndef PLUGINS_ROUTING_POLICY_H
#define PLUGINS_ROUTING_POLICY_H

#include "plugins/routing/model.h"

/* Parses one member of /routing/policy into *rule (all zero). Errors as model_read_route(). */
int policy_rule_read(const cJSON *item, const struct routes_want *routes, struct rule_want *rule,
                     struct orb_err *err);
/* JSON pointer of a rule. */
void policy_rule_path(const struct rule_want *rule, char *to, size_t size);

#endif
