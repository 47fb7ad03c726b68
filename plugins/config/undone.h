/* Services after a commit was undone: one that did not follow, and brought the undone change into
 * the kernel, is restarted, even if a user stopped it: an undo that leaves the kernel unchanged
 * locks that user out. */
#ifndef CONFIG_UNDONE_H
#define CONFIG_UNDONE_H

#include "plugins/config/participant.h"

/* tx was committed; nothing when it was no undo. */
void undone_committed(struct tx *tx);
/* The same for what was undone at the start, once known subscribers had time to attach. */
void undone_tick(struct engine *engine);

#endif
