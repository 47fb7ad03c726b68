/* core/ipc/conn.c: a connection by itself, without a broker. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/ipc/conn.h"
#include "test/lib/harness.h"

#define TURN_NS 300000u  /* what it gets in a turn */
#define SLOW_NS 1000000u /* longer than that */

struct end {
    uv_loop_t loop;
    struct loop_scope scope;
    struct conn_group group;
    struct conn conn;
    int other; /* the socket's other end */
    int frames, stalled, ended, served, broken;
    bool closed;
    bool block;    /* in the next frame */
    bool slow;     /* each frame takes longer than a turn has */
    bool no_turn;  /* it gets nothing in this turn */
    size_t answer; /* bytes sent for each frame */
    struct orb_err why;
};

static struct end *end_of(struct conn *conn)
{
    return container_of(conn, struct end, conn);
}

static void on_frame(struct conn *conn, struct inframe *in)
{
    struct end *end = end_of(conn);
    uint64_t until = uv_hrtime() + SLOW_NS;

    ck_assert_int_eq(in->h.type, FRAME_PUB);
    ck_assert_uint_eq(in->h.corr, (uint32_t)++end->frames);
    ck_assert_mem_eq(in->payload, "[1]", 3);
    while (end->slow && uv_hrtime() < until)
        ;
    if (end->answer)
        conn_send(conn, turn_memory_get(&end->group.memory, end->answer), end->answer);
    if (end->block)
        conn_block(conn);
    end->block = false;
}

static void on_broken(struct conn *conn, const struct orb_err *err)
{
    struct end *end = end_of(conn);

    end->broken++;
    end->why = *err;
    conn_end(conn, err);
}

static bool on_drained(struct conn *conn)
{
    return true;
}

static void on_stalled(struct conn *conn)
{
    end_of(conn)->stalled++;
    conn_pause(conn);
}

static void on_ended(struct conn *conn)
{
    end_of(conn)->ended++;
}

static void on_served(struct conn *conn, uint64_t took_ns)
{
    end_of(conn)->served++;
}

static uint64_t on_turn(struct conn *conn, uint64_t took_ns)
{
    return end_of(conn)->no_turn ? 0 : TURN_NS;
}

static const struct conn_events events = {
    .frame = on_frame,
    .broken = on_broken,
    .drained = on_drained,
    .stalled = on_stalled,
    .turn = on_turn,
    .ended = on_ended,
    .served = on_served,
};

static void on_closed(struct loop_scope *scope)
{
    container_of(scope, struct end, scope)->closed = true;
}

static void end_init(struct end *end)
{
    int fds[2];

    *end = (struct end){.conn.queue_max = 1u << 20};
    ck_assert_int_eq(uv_loop_init(&end->loop), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    end->other = fds[1];
    loop_scope_init(&end->scope, on_closed);
    ck_assert_int_eq(conn_group_init(&end->group, NULL), 0);
    conn_init(&end->conn, &end->group, fds[0], "other", &events);
    ck_assert_int_eq(conn_start(&end->conn, &end->loop, &end->scope), 0);
}

/* One turn of the loop and its end, as its owner would have it. */
static void turn(struct end *end)
{
    uv_run(&end->loop, UV_RUN_NOWAIT);
    conn_group_flush(&end->group);
    turn_memory_reset_arena(&end->group.memory);
}

static void end_fini(struct end *end)
{
    conn_end(&end->conn, NULL);
    ck_assert_int_eq(end->ended, 1);
    conn_group_remove(&end->conn);
    loop_scope_close(&end->scope);
    uv_run(&end->loop, UV_RUN_DEFAULT);
    ck_assert(end->closed);
    close(end->conn.fd);
    close(end->other);
    conn_fini(&end->conn);
    conn_group_fini(&end->group);
    ck_assert_int_eq(uv_loop_close(&end->loop), 0);
}

/* Frames with the numbers first to last as their corr. */
static void put(struct end *end, uint32_t first, uint32_t last)
{
    for (uint32_t corr = first; corr <= last; corr++) {
        unsigned char data[FRAME_HEADER + 3];

        frame_put(data, &(struct frame){.type = FRAME_PUB, .len = 3, .corr = corr});
        memcpy(data + FRAME_HEADER, "[1]", 3);
        ck_assert_int_eq(write(end->other, data, sizeof(data)), sizeof(data));
    }
}

TEST(frames_come_in_order_and_the_rest_waits_while_one_is_worked_at)
{
    struct end end;

    end_init(&end);
    put(&end, 1, 3);
    turn(&end);
    ck_assert_int_eq(end.frames, 3);
    end.block = true;
    put(&end, 4, 6);
    turn(&end);
    ck_assert_int_eq(end.frames, 4);
    put(&end, 7, 8);
    turn(&end);
    ck_assert_int_eq(end.frames, 4);
    conn_unblock(&end.conn);
    conn_resume(&end.conn);
    turn(&end);
    turn(&end);
    ck_assert_int_eq(end.frames, 8);
    end_fini(&end);
}

TEST(what_a_turn_has_no_time_for_comes_in_the_next_ones)
{
    struct end end;

    end_init(&end);
    end.slow = true;
    put(&end, 1, 20);
    turn(&end);
    ck_assert_int_eq(end.frames, 1);
    for (int i = 0; i < 19; i++)
        turn(&end);
    ck_assert_int_eq(end.frames, 20);
    ck_assert_int_eq(end.stalled, 0);
    end_fini(&end);
}

TEST(frames_left_over_behind_a_full_socket_are_reported)
{
    struct end end;

    end_init(&end);
    end.slow = true;
    end.answer = 900000; /* more than the socket takes, less than may wait */
    put(&end, 1, 20);
    turn(&end);
    ck_assert_int_eq(end.frames, 1);
    ck_assert_int_eq(end.stalled, 1); /* else no event would ever come again */
    end.answer = 0;
    for (int seen = 1; seen < 20; seen = end.frames) {
        turn(&end);
        ck_assert_int_eq(end.frames, seen); /* it is paused */
        conn_resume(&end.conn);
        ck_assert_int_gt(end.frames, seen); /* reads on although the other end does not */
    }
    ck_assert_int_eq(end.ended, 0);
    end_fini(&end);
}

TEST(what_was_sent_before_hanging_up_counts)
{
    struct end end;

    end_init(&end);
    end.block = true;
    put(&end, 1, 4);
    turn(&end);
    ck_assert_int_eq(end.frames, 1);
    shutdown(end.other, SHUT_RDWR);
    turn(&end);
    ck_assert_int_eq(end.frames, 1);
    ck_assert_int_eq(end.ended, 0);
    conn_unblock(&end.conn);
    conn_resume(&end.conn);
    ck_assert_int_eq(end.frames, 4);
    ck_assert_int_eq(end.ended, 1);
    ck_assert_int_eq(end.conn.end.code, ORB_E_GONE);
    end_fini(&end);
}

TEST(one_that_has_no_turn_is_asked_again)
{
    struct end end;

    end_init(&end);
    end.no_turn = true;
    put(&end, 1, 3);
    turn(&end);
    turn(&end);
    ck_assert_int_eq(end.frames, 0);
    ck_assert_int_eq(end.stalled, 0); /* its socket becomes writable again */
    end.no_turn = false;
    turn(&end);
    ck_assert_int_eq(end.frames, 3);
    conn_send(&end.conn, turn_memory_get(&end.group.memory, 3), 3);
    turn(&end);
    put(&end, 4, 5);
    end.no_turn = true;
    close(end.other); /* with an answer unread */
    end.other = -1;
    turn(&end);
    ck_assert_int_eq(end.frames, 3);
    ck_assert_int_eq(end.stalled, 1); /* no event of the socket comes any more */
    end.no_turn = false;
    conn_resume(&end.conn);
    ck_assert_int_eq(end.frames, 5);
    ck_assert_int_eq(end.ended, 1);
    end_fini(&end);
}

TEST(one_that_does_not_read_is_ended_at_its_limit)
{
    struct end end;

    end_init(&end);
    for (int i = 0; i < 3 && !end.ended; i++)
        conn_send(&end.conn, turn_memory_get(&end.group.memory, 700000), 700000);
    ck_assert_int_eq(end.ended, 1);
    ck_assert_int_eq(end.conn.end.code, ORB_E_LIMIT);
    conn_send(&end.conn, "x", 1); /* nothing is sent any more */
    end_fini(&end);
}

TEST(what_is_no_frame_is_reported_once)
{
    struct end end;
    unsigned char data[FRAME_HEADER] = {[6] = 255};

    end_init(&end);
    ck_assert_int_eq(write(end.other, data, sizeof(data)), sizeof(data));
    put(&end, 1, 1);
    turn(&end);
    turn(&end);
    ck_assert_int_eq(end.broken, 1);
    ck_assert_int_eq(end.why.code, ORB_E_PROTOCOL);
    ck_assert_int_eq(end.frames, 0);
    end_fini(&end);
}
