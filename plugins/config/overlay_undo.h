/* Taking back what was set in an overlay: the time follows what was set, not the overlay. */
#ifndef CONFIG_OVERLAY_UNDO_H
#define CONFIG_OVERLAY_UNDO_H

#include "plugins/config/overlay.h"

struct undo_step;

struct overlay_undo {
    struct undo_step *steps;
    size_t count, cap;
};

/* Before overlay_set(o, …, path, …): records the present value. */
void overlay_undo_note(struct overlay_undo *undo, const struct overlay *o, const char *path);
/* o becomes next (taken). */
void overlay_undo_replace(struct overlay_undo *undo, struct overlay *o, struct overlay *next);
/* Takes all back. */
void overlay_undo_back(struct overlay_undo *undo, struct overlay *o);
void overlay_undo_fini(struct overlay_undo *undo);

#endif
