/* core/loop/loop_wake.c: nothing that another thread sent is missed, and the end leaves nothing. */
#include "core/loop/loop_wake.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/own.h"
#include "test/lib/harness.h"

#define SENT 20000u

struct owner {
    struct loop_scope scope;
    struct loop_wake wake;
    atomic_uint sent;
    unsigned seen;
};

static void on_done(struct loop_scope *scope)
{
}

static void *send_all(void *arg)
{
    struct owner *o = arg;

    for (unsigned i = 0; i < SENT; i++) {
        atomic_fetch_add(&o->sent, 1);
        loop_wake_send(&o->wake);
    }
    return NULL;
}

static void on_wake(struct loop_wake *wake)
{
    struct owner *o = container_of(wake, struct owner, wake);

    o->seen = atomic_load(&o->sent);
    if (o->seen == SENT)
        loop_scope_close(&o->scope);
}

static void on_timer(uv_timer_t *timer)
{
}

TEST(the_last_call_of_another_thread_is_seen)
{
    struct owner o = {0};
    uv_loop_t loop;
    uv_timer_t stays;
    pthread_t thread;

    uv_loop_init(&loop);
    loop_scope_init(&o.scope, on_done);
    ck_assert_int_eq(loop_wake_start(&o.wake, &loop, &o.scope, on_wake, NULL), 0);
    uv_timer_init(&loop, &stays);
    loop_scope_adopt(&o.scope, (uv_handle_t *)&stays);
    uv_timer_start(&stays, on_timer, 3600 * 1000, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_all, &o), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(o.seen, SENT);
    loop_wake_fini(&o.wake);
    ck_assert_int_eq(o.wake.fd, -1);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

TEST(a_loop_that_only_waits_for_other_threads_ends)
{
    struct owner o = {0};
    uv_loop_t loop;

    uv_loop_init(&loop);
    loop_scope_init(&o.scope, on_done);
    ck_assert_int_eq(loop_wake_start(&o.wake, &loop, &o.scope, on_wake, NULL), 0);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    loop_scope_close(&o.scope);
    uv_run(&loop, UV_RUN_DEFAULT);
    loop_wake_fini(&o.wake);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
