/* Lists of addresses and ports: one value or an array, with @group references, written out. */
#ifndef PLUGINS_FIREWALL_RESOLVE_H
#define PLUGINS_FIREWALL_RESOLVE_H

#include "plugins/firewall/translate.h"

enum families { FAMILY_4 = 1, FAMILY_6 = 2 };

/* value: string or array of strings; path: its JSON pointer. Appends a JSON array; ret_families
 * gets the families seen. */
int resolve_addresses(const struct view *view, const cJSON *value, const char *path,
                      struct buf *out, unsigned *ret_families, struct orb_err *err);
/* value: string, integer or array of these. Appends a JSON array of strings. */
int resolve_ports(const struct view *view, const cJSON *value, const char *path, struct buf *out,
                  struct orb_err *err);
/* All of one group. */
int resolve_check_group(const cJSON *group, struct orb_err *err);

#endif
