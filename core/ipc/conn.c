/* Reading and writing of connections. Bytes say little about what a frame costs, so it is time that
 * one connection gets in a turn: what is left over waits for the next one. One whose other end is
 * gone has no event of its socket any more, and its turns come by the owner's pause. */
#include "core/ipc/conn.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/own.h"

#define TURN_LOOK 256u    /* bytes up to which the clock is not looked at */
#define LAST_NS 50000000u /* for what was sent before the end */

static void on_poll(uv_poll_t *handle, int status, int events);

static void watch(struct conn *conn)
{
    /* With frames left over, wait for writability, which is reported in the next turn. */
    bool paused = conn_is_paused(conn), write = conn->want_write || (conn->more && !paused);

    if (conn->leaving)
        return;
    uv_poll_start(&conn->poll, (paused ? UV_DISCONNECT : UV_READABLE) | (write ? UV_WRITABLE : 0),
                  on_poll);
}

/* Is the poll's next event the one to go on with? */
static void check_stalled(struct conn *conn)
{
    if (conn->more && conn->want_write && !conn->leaving && !conn_is_paused(conn))
        conn->events->stalled(conn);
}

/* What decides that changed. */
static void look_again(struct conn *conn)
{
    watch(conn);
    check_stalled(conn);
}

void conn_init(struct conn *conn, struct conn_group *group, int fd, const char *name,
               const struct conn_events *events)
{
    conn->group = group;
    conn->fd = fd;
    conn->name = name;
    conn->events = events;
}

int conn_start(struct conn *conn, uv_loop_t *loop, struct loop_scope *scope)
{
    int r = uv_poll_init(loop, &conn->poll, conn->fd);

    if (r < 0)
        return r;
    loop_scope_adopt(scope, (uv_handle_t *)&conn->poll);
    watch(conn);
    return 0;
}

void conn_end(struct conn *conn, const struct orb_err *err)
{
    if (conn->dead)
        return;
    conn->dead = true;
    if (err)
        conn->end = *err;
    conn->events->ended(conn);
}

void conn_fini(struct conn *conn)
{
    read_buffer_fini(&conn->buffer);
    write_queue_fini(&conn->queue);
}

/* ---- writing ---- */

static void fail_write(struct conn *conn, int code)
{
    struct orb_err err;

    write_queue_drop(&conn->queue);
    if (conn->leaving)
        return;
    if (code == -EPIPE || code == -ECONNRESET)
        orb_fail(&err, ORB_E_GONE, "%s closed the connection", conn->name);
    else
        orb_fail(&err, code, "cannot write to %s", conn->name);
    conn_end(conn, &err);
}

static void want_write(struct conn *conn, bool want)
{
    if (conn->want_write == want || conn->dead)
        return;
    conn->want_write = want;
    look_again(conn);
}

void conn_flush(struct conn *conn)
{
    size_t sent;
    int r;

    if (!conn->queue.iov_count || conn->fd < 0)
        return;
    r = write_queue_send(&conn->queue, conn->fd, &sent);
    conn->group->bytes_out += sent;
    if (r < 0)
        fail_write(conn, r);
    else if (r > 0)
        want_write(conn, true);
}

/* The socket became writable. */
static void drain(struct conn *conn)
{
    size_t sent;
    int r = write_queue_drain(&conn->queue, conn->fd, &sent);

    conn->group->bytes_out += sent;
    if (r < 0)
        fail_write(conn, r);
    else if (r == 0)
        want_write(conn, !conn->events->drained(conn));
}

void conn_group_flush(struct conn_group *group)
{
    struct conn *conn;

    while ((conn = group->dirty)) {
        group->dirty = conn->dirty_next;
        conn->dirty = false;
        conn_flush(conn);
    }
    group->dirty_last = NULL;
    turn_memory_reset_blocks(&group->memory);
}

/* More than queue_max would wait: perhaps the socket has room by now. */
static void make_room(struct conn *conn, size_t len)
{
    struct orb_err err;

    conn_flush(conn);
    if (conn_queued(conn) + len <= conn->queue_max)
        return;
    orb_fail(&err, ORB_E_LIMIT, "%s does not read: over %zu bytes wait for it", conn->name,
             conn->queue_max);
    conn_end(conn, &err);
}

void conn_send(struct conn *conn, const void *data, size_t len)
{
    if (conn->dead || conn->fd < 0)
        return;
    if (conn_queued(conn) + len > conn->queue_max)
        make_room(conn, len);
    if (conn->dead)
        return;
    if (!write_queue_add(&conn->queue, data, len)) {
        conn_flush(conn);
        if (conn->dead)
            return;
        write_queue_add(&conn->queue, data, len);
    }
    conn->queued_ever += len;
    conn_group_add(conn);
}

/* ---- reading ---- */

static void set_more(struct conn *conn, bool more)
{
    if (conn->more == more || conn->dead)
        return;
    conn->more = more;
    look_again(conn);
}

/* Passes on the whole frames at data; returns the bytes used. */
static size_t consume(struct conn *conn, unsigned char *data, size_t len)
{
    uint64_t until = len > TURN_LOOK ? conn->until_ns : 0;
    size_t used = 0;

    while (!conn->dead) {
        struct inframe in = {0};
        struct orb_err err;
        int r = inframe_get(data + used, len - used, &in, &err);

        if (r == FRAME_MORE)
            break;
        if (r < 0) {
            conn->events->broken(conn, &err);
            break;
        }
        used += FRAME_HEADER + in.h.len;
        conn->events->frame(conn, &in);
        if (conn->blocked || (until && used < len && uv_hrtime() > until)) {
            /* The beginning of a frame would take a turn of it for nothing. */
            set_more(conn, inframe_get(data + used, len - used, &in, &err) != FRAME_MORE);
            break;
        }
    }
    return used;
}

/* Passes on received frames and keeps the incomplete rest. */
static void handle(struct conn *conn, const struct read_chunk *chunk)
{
    size_t used = consume(conn, chunk->data, chunk->len);
    struct orb_err err;

    if (chunk->owned)
        conn_group_flush(conn->group); /* nothing may borrow it from here on */
    if (!conn->dead && used < chunk->len &&
        read_buffer_keep(&conn->buffer, chunk->data + used, chunk->len - used) < 0) {
        orb_fail(&err, ORB_E_NOMEM, "no memory for a frame of %s", conn->name);
        conn_end(conn, &err);
    }
    free(chunk->owned);
}

static void fail_read(struct conn *conn, int code)
{
    struct orb_err err;

    if (code == -EBADMSG) {
        orb_fail(&err, ORB_E_PROTOCOL, "file descriptors are not accepted");
        conn->events->broken(conn, &err);
        return;
    }
    if (conn->awaited) { /* conn_await() continues */
        conn->leaving = true;
        uv_poll_stop(&conn->poll);
        return;
    }
    if (code != -ENODATA)
        orb_fail(&err, code, "cannot read from %s", conn->name);
    else if (conn->buffer.len)
        orb_fail(&err, ORB_E_GONE, "%s closed the connection in the middle of a frame", conn->name);
    else
        orb_fail(&err, ORB_E_GONE, "%s closed the connection", conn->name);
    conn_end(conn, &err);
}

/* false: nothing was received, or the connection has ended. */
static bool read_some(struct conn *conn)
{
    struct conn_group *group = conn->group;
    struct read_chunk chunk;
    int r = read_buffer_fill(&conn->buffer, conn->fd, &group->memory, &chunk);

    if (r == -ENOBUFS) {
        conn_group_flush(group);
        turn_memory_reset_arena(&group->memory);
        if (conn->dead)
            return false;
        r = read_buffer_fill(&conn->buffer, conn->fd, &group->memory, &chunk);
    }
    if (r < 0) {
        if (r != -EAGAIN)
            fail_read(conn, r);
        return false;
    }
    conn->bytes_in += chunk.received;
    group->bytes_in += chunk.received;
    if (chunk.len)
        handle(conn, &chunk);
    return true;
}

/* The frames that the last turn had no time for. */
static void read_left_over(struct conn *conn)
{
    struct read_chunk chunk = read_buffer_take(&conn->buffer);

    set_more(conn, false);
    handle(conn, &chunk);
}

/* It took took_ns of its turn since the last call. false: there is nothing left of it. */
static bool has_turn(struct conn *conn, uint64_t took_ns)
{
    uint64_t left = conn->events->turn(conn, took_ns);

    conn->until_ns = uv_hrtime() + left;
    return left != 0;
}

/* What it sent before its end still counts, turn by turn, unless it takes too long. */
static void read_last(struct conn *conn)
{
    uint64_t took = 0;
    struct orb_err err;
    bool more = true;

    while (more && !conn->dead && conn->last_ns < LAST_NS) {
        uint64_t began = uv_hrtime();

        if (conn->blocked) /* that still counts, too */
            return;
        if (!has_turn(conn, took)) {
            conn->events->stalled(conn);
            return;
        }
        if (conn->more)
            read_left_over(conn);
        else
            more = read_some(conn);
        took = uv_hrtime() - began;
        conn->last_ns += took;
    }
    if (conn->dead || conn->awaited)
        return;
    orb_fail(&err, ORB_E_GONE, "%s closed the connection", conn->name);
    conn_end(conn, &err);
}

void conn_await(struct conn *conn, bool awaited)
{
    conn->awaited = awaited;
    if (!awaited && conn->leaving && !conn->dead)
        read_last(conn);
}

/* The other end is gone: no further event comes, or always the same one. */
static void leave(struct conn *conn)
{
    conn->leaving = true;
    uv_poll_stop(&conn->poll);
    read_last(conn);
}

static void serve(struct conn *conn, int status, int events)
{
    uint64_t began = uv_hrtime();

    if (status < 0 || (conn_is_paused(conn) && (events & UV_DISCONNECT))) {
        leave(conn);
        return;
    }
    if (conn_is_paused(conn)) { /* it is not read, so this is not its turn */
        if (events & UV_WRITABLE)
            drain(conn);
        return;
    }
    if (!has_turn(conn, 0)) {
        check_stalled(conn);
        return;
    }
    if (events & UV_WRITABLE)
        drain(conn);
    if (!conn_is_paused(conn) && !conn->dead) {
        if (conn->more)
            read_left_over(conn);
        else if (events & UV_READABLE)
            read_some(conn);
    }
    conn->events->turn(conn, uv_hrtime() - began);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct conn *conn = container_of(handle, struct conn, poll);

    uint64_t began = uv_hrtime();

    if (conn->dead)
        return;
    conn->serving = true;
    serve(conn, status, events);
    conn->serving = false; /* the memory is valid until the close callback, even if it ended */
    conn->events->served(conn, uv_hrtime() - began);
}

void conn_pause(struct conn *conn)
{
    conn->resting = true;
    watch(conn);
}

void conn_block(struct conn *conn)
{
    conn->blocked = true;
    watch(conn);
}

void conn_unblock(struct conn *conn)
{
    conn->blocked = false;
}

void conn_resume(struct conn *conn)
{
    conn->resting = false;
    if (conn->dead || conn->blocked)
        return;
    if (conn->leaving) {
        read_last(conn);
        return;
    }
    watch(conn);
    if (conn->more && conn->want_write) /* else it is writable, and has its turn by that event */
        on_poll(&conn->poll, 0, 0);
}
