/* Lists of addresses and ports: one value or an array, with @group references, written out. */
#ifndef PLUGINS_FIREWALL_RESOLVE_H
#define PLUGINS_FIREWALL_RESOLVE_H

#include "core/base/json_write.h"
#include "plugins/firewall/translate.h"

enum families { FAMILY_4 = 1, FAMILY_6 = 2 };

/* value: string or array of strings; path: its JSON pointer. Writes an array, the value of key;
 * ret_families gets the families seen. Error: ORB_E_VETO with path; the array is complete all the
 * same. */
int resolve_addresses(const struct view *view, const cJSON *value, const char *path,
                      struct json_write *out, const char *key, unsigned *ret_families,
                      struct orb_err *err);
/* The same for ports; value: string, integer or array of these. Writes strings. */
int resolve_ports(const struct view *view, const cJSON *value, const char *path,
                  struct json_write *out, const char *key, struct orb_err *err);
/* list: "addresses" or "ports" of a group; large: entries name it instead of having its elements.
 */
bool resolve_is_large(const cJSON *list);
/* Writes one element of a group's list ("addresses", "ports"), which is number index of it. Error:
 * ORB_E_VETO with path. */
int resolve_group_element(const cJSON *group, const char *list, const cJSON *item, int index,
                          struct json_write *out, struct orb_err *err);
/* Checks the lists of one group that are not large; the others are checked as they are sent
 * (groups_put). */
int resolve_check_group(const cJSON *group, struct orb_err *err);

#endif
