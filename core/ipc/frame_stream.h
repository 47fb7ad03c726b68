/* A stream socket that carries frames, for ends that copy them: SDK, orbctl and test kit. Output is
 * collected in `out` until frame_stream_flush(); input is collected in `in` and returned frame by
 * frame. The stream may be cut anywhere. (The broker passes frames on without copying: conn.h;
 * frame.h has encoding and limits.) */
#ifndef CORE_IPC_FRAME_STREAM_H
#define CORE_IPC_FRAME_STREAM_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/ipc/inframe.h"

#define FRAME_STREAM_CHUNK                                                                         \
    16384u /* bytes requested per recv, or the missing part of a longer frame */
#define FRAME_STREAM_KEEP 65536u /* an empty buffer larger than this is given back */

struct frame_stream {
    int fd; /* the owner's */
    struct buf in, out;
    size_t in_at;    /* bytes of in that were taken out */
    size_t in_want;  /* bytes the frame under way lacks, 0: not known yet */
    size_t out_done; /* bytes of out that the socket took */
    bool in_drained; /* the last read was short: the socket is drained */
    bool in_held;    /* saved is to be restored after the frame returned last */
    char saved;
};

/* Reads once. flags: of recv(2). Returns the bytes read; 0: the other end closed; below 0: -errno,
 * -EAGAIN when nothing waits. */
long frame_stream_read(struct frame_stream *s, int flags);
/* The next whole frame received. 0: *ret_frame is valid until the next call with s other than
 * frame_stream_add() and frame_stream_flush(), with a NUL after its payload. FRAME_MORE: none is
 * complete; ORB_E_PROTOCOL: invalid data. */
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
