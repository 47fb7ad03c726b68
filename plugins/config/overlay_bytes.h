/* Memory that changes over a tree take, about. */
#ifndef CONFIG_OVERLAY_BYTES_H
#define CONFIG_OVERLAY_BYTES_H

#include "plugins/config/overlay.h"

/* Of a value, NULL: none. In slices, as all here (parts NULL: at once). */
size_t overlay_bytes_of_value(const struct parts *parts, const json_t *value);
/* Of a change of path to value. */
size_t overlay_bytes_of_change(const struct parts *parts, const char *path, const json_t *value);
/* Of all changes. */
size_t overlay_bytes(const struct overlay *o);

#endif
