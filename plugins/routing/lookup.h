/* Do the kernel's policy rules lead to its routing tables? */
#ifndef PLUGINS_ROUTING_LOOKUP_H
#define PLUGINS_ROUTING_LOOKUP_H

#include "plugins/lib/rtnl.h"

/* The rule is about every packet of its family. */
bool lookup_is_plain(const struct rtnl_rule *rule);
/* True: packets of the family (AF_INET, AF_INET6) that no narrower rule is for do not come to the
 * table (RT_TABLE_LOCAL, RT_TABLE_MAIN); *to is a sentence about it. rules: in the order in which
 * the kernel tries them. What the configuration itself refuses is right. */
bool lookup_is_broken(const struct rtnl_rules *rules, uint8_t family, uint32_t table, char *to,
                      size_t size);

#endif
