/* Files written on a thread, one after the other, in the order in which they were given: the host's
 * loop waits for no disk, and of two texts for one file the later one stays. */
#ifndef CORE_SUP_FILEQUEUE_H
#define CORE_SUP_FILEQUEUE_H

#include <stdbool.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/base/log.h"

#define FILEQUEUE_MAX 64 /* files that may wait */

struct filequeue_item;

/* Zero but for the first members, which the owner sets. Must live until it is empty. */
struct filequeue {
    uv_loop_t *loop;
    struct log_sink *log;
    void (*emptied)(void *arg); /* the last file was written; on the loop */
    void *arg;
    struct filequeue_item *first; /* being written */
    unsigned count;
};

/* Takes path and text; the file is written atomically with mode 0600, missing directories are made
 * (0700). One that cannot be written is logged as "crash.not-kept". False: too many wait, which was
 * logged; nothing is written. */
bool filequeue_add(struct filequeue *queue, char *path, struct buf *text);

#endif
