/* A stream socket that carries frames, for an end that copies them: the SDK, orbctl and the test
 * kit. What is sent collects in `out` until frame_stream_flush(); what is read collects in `in` and
 * is taken out frame by frame. Both cope with any cut of the stream. (The broker hands frames on
 * without copying them: conn.h; frame.h holds encoding and limits of both.) */
#ifndef CORE_IPC_FRAME_STREAM_H
#define CORE_IPC_FRAME_STREAM_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/ipc/inframe.h"

#define FRAME_STREAM_CHUNK 16384u /* bytes asked of one recv, or what a longer frame lacks */
#define FRAME_STREAM_KEEP 65536u  /* an empty buffer larger than this is given back */

struct frame_stream {
    int fd; /* the owner's */
    struct buf in, out;
    size_t in_at;    /* bytes of in that were taken out */
    size_t in_want;  /* bytes the frame under way lacks, 0: not known yet */
    size_t out_done; /* bytes of out that the socket took */
    bool in_drained; /* the last read got less than it asked for: nothing more waits */
    bool in_held;    /* saved belongs behind the frame taken out last */
    char saved;
};

/* Reads once. flags: of recv(2). Returns the bytes read; 0: the other end closed; below 0: -errno,
 * -EAGAIN when nothing waits. */
long frame_stream_read(struct frame_stream *s, int flags);
/* Takes the next whole frame out of what was read. 0: *ret_frame is it, valid until the next call
 * with s other than frame_stream_add() and frame_stream_flush(), with a NUL behind its payload.
 * FRAME_MORE: none is whole; ORB_E_PROTOCOL: what came is no frame. */
int frame_stream_next(struct frame_stream *s, struct inframe *ret_frame, struct orb_err *err);

/* Queues a frame; len and envlen of head are set here. env: envlen bytes, payload: len bytes; both
 * are copied. ORB_E_LIMIT (frame_fits): nothing is queued. */
int frame_stream_add(struct frame_stream *s, const struct frame *head, const char *env,
                     size_t envlen, const char *payload, size_t len, struct orb_err *err);
/* Writes what is queued until the socket takes no more. flags: of send(2), MSG_NOSIGNAL is added.
 * 0: all of it; 1: some waits, and the socket would block; below 0: -errno, what waited is dropped.
 */
int frame_stream_flush(struct frame_stream *s, int flags);
/* Bytes that are queued and not written. */
static inline size_t frame_stream_waiting(const struct frame_stream *s)
{
    return s->out.len - s->out_done;
}

/* Frees both buffers; the socket is the owner's. */
void frame_stream_fini(struct frame_stream *s);

#endif
