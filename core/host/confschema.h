/* The contracts of the host's own parts of the configuration, /services and /system. */
#ifndef CORE_HOST_CONFSCHEMA_H
#define CORE_HOST_CONFSCHEMA_H

#include <stddef.h>

#include "core/base/json_write.h"

/* Begins the contract of /NAME; the members of its configuration's schema come next, each with its
 * own schema. */
void confschema_begin(struct json_write *w, const char *name, const char *description);

/* Ends it. defs: JSON, what the members refer to as #/$defs/…; not kept. */
void confschema_end(struct json_write *w, const char *defs, size_t len);

#endif
