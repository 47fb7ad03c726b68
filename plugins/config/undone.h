/* Services after a commit was undone: one that did not follow, and brought into the kernel what was
 * undone, is started anew, also when a person stopped it: an undo that leaves the kernel as it was
 * leaves that person cut off. */
#ifndef CONFIG_UNDONE_H
#define CONFIG_UNDONE_H

#include "plugins/config/participant.h"

/* tx was committed; nothing when it was no undo. */
void undone_committed(struct tx *tx);
/* The same for what was undone at the start, once known subscribers had time to attach. */
void undone_tick(struct engine *engine);

#endif
