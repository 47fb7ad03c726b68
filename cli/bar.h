/* The progress bar of a call that takes longer than a second: one line of stderr, rewritten in
 * place, and removed when the call ends. */
#ifndef CLI_BAR_H
#define CLI_BAR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/ipc/progress_state.h"

struct bar {
    uint64_t began_ms; /* now_ms() at the start of the call */
    bool wanted;       /* stderr is a terminal */
    bool shown;
    struct progress_state state; /* the last one received */
};

/* For a call that begins now. */
void bar_begin(struct bar *bar);
/* The call is so far. Draws it once it took a second. */
void bar_update(struct bar *bar, const struct progress_state *state);
/* Removes the line; the next update draws it again. */
void bar_remove(struct bar *bar);
/* Appends the text of the line for a terminal of so many columns: a bar if the percentage is known,
 * the phase, and the seconds that have passed. */
void bar_text(const struct bar *bar, unsigned seconds, unsigned columns, struct buf *to);

#endif
