/* A connection: a stream socket that carries frames both ways. It cuts what it reads into frames,
 * collects what is sent until the turn of the loop ends, holds back what the socket does not take,
 * and ends a connection whose other end does not read. It depends on neither senders nor receivers
 * nor what frames mean: all that is its owner's, who learns of it by callbacks.
 *
 * A frame that came whole stays where it was read until the turn ends (turn_memory.h), so passing
 * it on copies nothing. Nothing is sent, read or called back after the end; the owner closes the
 * handles by its scope and frees the memory when they are closed. */
#ifndef CORE_IPC_CONN_H
#define CORE_IPC_CONN_H

#include <stdint.h>

#include "core/ipc/inframe.h"
#include "core/ipc/read_buffer.h"
#include "core/ipc/turn_memory.h"
#include "core/ipc/write_queue.h"
#include "core/loop/loop_scope.h"

struct conn;

/* All of them are called on the loop, and may send, pause, block and end the connection. */
struct conn_events {
    /* A whole frame with a valid header. in and its bytes are valid in the call; the bytes can be
     * borrowed by conn_send() until the turn ends. */
    void (*frame)(struct conn *conn, struct inframe *in);
    /* The data is no frame, or had file descriptors: err has the reason. The owner must end the
     * connection. */
    void (*broken)(struct conn *conn, const struct orb_err *err);
    /* All that waited was written. false: the owner sent more, which fills the queue again. */
    bool (*drained)(struct conn *conn);
    /* There is more to hand on, and no event of the socket reports when to go on: the other end
     * reads nothing, or is gone. The owner pauses it for a moment. */
    void (*stalled)(struct conn *conn);
    /* It was served for took_ns since the last call; for how long it may be now, in nanoseconds. 0:
     * not in this turn of the loop. */
    uint64_t (*turn)(struct conn *conn, uint64_t took_ns);
    /* The connection has ended, the reason is in conn->end; called once. */
    void (*ended)(struct conn *conn);
    /* Reading and writing for it took so long just now, frames included (nanoseconds). */
    void (*served)(struct conn *conn, uint64_t took_ns);
};

/* What the connections of one loop have in common. */
struct conn_group {
    struct turn_memory memory;
    struct conn *dirty, *dirty_last; /* something was sent to them in this turn */
    uint64_t bytes_in, bytes_out;
};

struct conn {
    const struct conn_events *events;
    struct conn_group *group;
    const char *name; /* of the other end, in errors; the owner's */
    int fd;           /* -1: there is no other end; what is sent is dropped */
    uv_poll_t poll;
    bool dead;
    bool resting; /* not read at present, by conn_pause() */
    bool blocked; /* conn_block(): received frames are not passed on */
    bool leaving; /* the other end is gone, what it sent before is handed on yet */
    bool awaited; /* conn_await(): what it sent before is being worked on */
    bool serving; /* a callback of the poll is under way: served follows */
    bool want_write;
    bool more; /* buffer holds whole frames, left over by the last turn */
    bool dirty;
    struct conn *dirty_next;
    struct orb_err end;
    uint64_t until_ns; /* the turn under way ends */
    uint64_t last_ns;  /* what was sent before the end has taken so long */
    struct read_buffer buffer;
    struct write_queue queue;
    size_t queue_max;     /* bytes that may wait; beyond it the connection ends */
    uint64_t queued_ever; /* bytes */
    uint64_t bytes_in;
};

/* ORB_E_NOMEM: nothing to undo then. */
int conn_group_init(struct conn_group *group, struct orb_err *err);
/* Once no connection of the group is left. */
void conn_group_fini(struct conn_group *group);
/* Writes what was sent in this turn; no frame is borrowed afterwards, but from the arena. */
void conn_group_flush(struct conn_group *group);

/* Something was sent to it in this turn: it is written at the end. */
void conn_group_add(struct conn *conn);
/* Takes it out of its group: after its end, before its scope is closed. */
void conn_group_remove(struct conn *conn);

/* conn is zeroed memory of the caller's. fd: a non-blocking stream socket, closed by the caller, or
 * -1. name and events are borrowed as long as conn is used. The caller sets queue_max. */
void conn_init(struct conn *conn, struct conn_group *group, int fd, const char *name,
               const struct conn_events *events);
/* Begins to read; the poll is adopted in scope. Below 0: libuv's error, nothing is adopted. */
int conn_start(struct conn *conn, uv_loop_t *loop, struct loop_scope *scope);
/* Ends it, once: nothing is read or written any more, and events->ended is called. err is copied;
 * NULL: no reason. */
void conn_end(struct conn *conn, const struct orb_err *err);
/* Frees its buffers, once the scope is closed. */
void conn_fini(struct conn *conn);

/* Sends len bytes, which belong to a frame and live until the turn ends. When more than queue_max
 * would wait the connection ends (ORB_E_LIMIT). */
void conn_send(struct conn *conn, const void *data, size_t len);
/* Offers what waits to the socket at once. */
void conn_flush(struct conn *conn);
/* Bytes that wait for the other end. */
static inline size_t conn_queued(const struct conn *conn)
{
    return write_queue_len(&conn->queue);
}

/* Is nothing read, for whatever reason? */
static inline bool conn_is_paused(const struct conn *conn)
{
    return conn->resting || conn->blocked;
}
/* Reads nothing until conn_resume(), unless the other end hangs up: what it sent before counts. */
void conn_pause(struct conn *conn);
/* In the frame callback: stops further frames until conn_unblock() and conn_resume(). */
void conn_block(struct conn *conn);
/* Reverts conn_block(); nothing is passed on before conn_resume(). */
void conn_unblock(struct conn *conn);
/* awaited: frames it sent are being worked on while it is read, so the end of the other end is its
 * own only after they are done (false). */
void conn_await(struct conn *conn, bool awaited);
/* Continues reading, and passes on frames left over; while blocked it only ends the pause. */
void conn_resume(struct conn *conn);

#endif
