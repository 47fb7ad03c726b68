/* How far some work is: the payload of a PROGRESS frame (docs/ipc.md). */
#ifndef CORE_IPC_PROGRESS_STATE_H
#define CORE_IPC_PROGRESS_STATE_H

#include <stddef.h>

#include "core/base/buf.h"
#include "orbital/error.h"

#define PROGRESS_PHASE 64 /* bytes of a phase, with the NUL */
#define PROGRESS_UNKNOWN (-1)

/* How far some work is. */
struct progress_state {
    char phase[PROGRESS_PHASE]; /* what is being done, a few words; "": not told */
    int percent;                /* 0 to 100 of the whole, or PROGRESS_UNKNOWN */
};

/* Appends {"phase", "percent"}, each only if it is known. */
void progress_state_write(const struct progress_state *state, struct buf *to);
/* Reads that from scanned JSON. ORB_E_SCHEMA: a phase that is no text or longer than 63 bytes, a
 * percentage out of 0 to 100; err names it. */
int progress_state_read(const char *text, size_t len, struct progress_state *ret_state,
                        struct orb_err *err);

#endif
