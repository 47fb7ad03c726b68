/* core/loop/loop_watch.c: an error of the descriptor does not end the watching, and does not spin.
 */
#include "core/loop/loop_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/own.h"
#include "test/lib/harness.h"

/* The write end of a pipe without a reader has an error (POLLERR) until there is one again. */
struct owner {
    struct loop_scope scope;
    struct loop_watch poll;
    uv_timer_t heal;
    int fd, reader;
    int errors, writable, heal_after;
};

static void on_done(struct loop_scope *scope)
{
}

static void heal(struct owner *o)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", o->fd);
    o->reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(o->reader, 0);
}

static void on_poll(struct loop_watch *poll, int status, int events)
{
    struct owner *o = container_of(poll, struct owner, poll);

    if (status < 0) {
        if (++o->errors == o->heal_after)
            heal(o);
        return;
    }
    ck_assert_int_eq(events, UV_WRITABLE);
    o->writable++;
    loop_scope_close(&o->scope);
}

static void on_heal(uv_timer_t *timer)
{
    heal(container_of(timer, struct owner, heal));
}

static void start(struct owner *o, uv_loop_t *loop)
{
    int fds[2];

    uv_loop_init(loop);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    close(fds[0]);
    o->fd = fds[1];
    loop_scope_init(&o->scope, on_done);
    ck_assert_int_eq(loop_watch_init(&o->poll, loop, &o->scope, o->fd, on_poll), 0);
    uv_timer_init(loop, &o->heal);
    loop_scope_adopt(&o->scope, (uv_handle_t *)&o->heal);
    loop_watch_set(&o->poll, UV_WRITABLE);
}

static void finish(struct owner *o, uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(loop), 0);
    close(o->fd);
    close(o->reader);
}

TEST(an_error_that_the_callback_takes_away_does_not_end_the_watching)
{
    struct owner o = {.heal_after = 1};
    uv_loop_t loop;

    start(&o, &loop);
    finish(&o, &loop);
    ck_assert_int_eq(o.errors, 1);
    ck_assert_int_eq(o.writable, 1);
    ck_assert_uint_eq(o.poll.failed, 0);
}

TEST(an_error_that_stays_is_looked_at_more_and_more_rarely_and_heals)
{
    struct owner o = {0};
    uv_loop_t loop;

    start(&o, &loop);
    uv_timer_start(&o.heal, on_heal, 300, 0);
    finish(&o, &loop);
    ck_assert_int_eq(o.writable, 1);
    /* 8 at once, then after 2, 4, 8 … ms: 300 ms are at most 8 more (and the clock's rounding). */
    ck_assert_int_gt(o.errors, LOOP_WATCH_AT_ONCE);
    ck_assert_int_le(o.errors, LOOP_WATCH_AT_ONCE + 10);
}

static void on_stop(struct loop_watch *poll, int status, int events)
{
    struct owner *o = container_of(poll, struct owner, poll);

    o->errors++;
    loop_watch_set(poll, 0);
    uv_close((uv_handle_t *)&o->poll.again, NULL);
    uv_close((uv_handle_t *)&o->poll.handle, NULL);
    uv_close((uv_handle_t *)&o->heal, NULL);
}

TEST(an_owner_that_stops_or_closes_it_in_the_callback_gets_no_further_call)
{
    struct owner o = {.reader = -1};
    uv_loop_t loop;

    start(&o, &loop);
    o.poll.cb = on_stop;
    finish(&o, &loop);
    ck_assert_int_eq(o.errors, 1);
}
