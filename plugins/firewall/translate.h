/* From the configuration to the data plane's form (docs/dataplane.md), one entry at a time. Group
 * references are resolved here, and errors are reported with the path of the configuration, before
 * the data plane gets it. */
#ifndef PLUGINS_FIREWALL_TRANSLATE_H
#define PLUGINS_FIREWALL_TRANSLATE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "orbital/error.h"

/* The parts entries refer to; each may be NULL (nothing configured). */
struct view {
    const cJSON *firewall;
    const cJSON *interfaces;
    const cJSON *zones;
    const cJSON *groups;
    bool old; /* the entry existed before: what was allowed then is kept */
};

/* tree: the configuration; borrowed as long as the view is used. */
void translate_view_init(struct view *view, const cJSON *tree);

/* Each appends the entry as JSON; "null" when it is switched off. item->string is the entry's key.
 * Errors: ORB_E_VETO (ORB_E_LIMIT: too big for one message) with path. */
typedef int translate_fn(const struct view *view, const cJSON *item, struct buf *out,
                         struct orb_err *err);
translate_fn translate_rule;
translate_fn translate_zone;
translate_fn translate_port; /* item: an interface of /interfaces */

/* The three defaults, complete. Nothing configured: forward drop, input and output accept. */
void translate_default(const struct view *view, struct buf *out);

/* The configuration's path of a path the data plane complained about ("/rules/10/to"). */
void translate_path(const char *path, char *to, size_t size);

#endif
