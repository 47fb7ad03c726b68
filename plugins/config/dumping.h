/* The text of a large value, masked for its reader, made in slices. */
#ifndef CONFIG_DUMPING_H
#define CONFIG_DUMPING_H

#include "plugins/config/engine_internal.h"

struct dumping;

/* Of value, which is at path (NULL: null). The values must not change meanwhile. secrets: those the
 * reader may see, as for grants_show; copied. */
struct dumping *dumping_new(const struct engine *engine, char *const *secrets, const char *path,
                            json_t *value);
/* Continues until it is done (false), or the slice is over (true). */
bool dumping_go_on(const struct engine *engine, struct dumping *dumping);
/* Takes the text of one that is done. */
struct buf dumping_text(struct dumping *dumping);
void dumping_free(struct dumping *dumping); /* NULL: nothing happens */

#endif
