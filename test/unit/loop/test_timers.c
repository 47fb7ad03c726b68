/* core/loop/timers.c: order, stopping and starting from callbacks, freeing, closing, and that the
 * loop sleeps without a timeout. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/loop/timers.h"
#include "test/lib/harness.h"

struct fixture {
    uv_loop_t loop;
    struct loop_scope scope;
    struct loop_timers timers;
    unsigned fired, wanted; /* the loop ends when both are equal */
    uint64_t last_ns;
    bool done;
};

struct probe {
    struct loop_timer timer;
    struct fixture *f;
    struct probe *other;
    uint64_t not_before_ns;
    unsigned fired;
};

static void on_done(struct loop_scope *scope)
{
    struct fixture *f = container_of(scope, struct fixture, scope);

    loop_timers_fini(&f->timers);
    f->done = true;
}

static void set_up(struct fixture *f)
{
    *f = (struct fixture){0};
    uv_loop_init(&f->loop);
    loop_scope_init(&f->scope, on_done);
    ck_assert_int_eq(loop_timers_open(&f->timers, &f->loop, &f->scope, NULL), 0);
}

static void run(struct fixture *f)
{
    uv_run(&f->loop, UV_RUN_DEFAULT);
    ck_assert(f->done);
    ck_assert_int_eq(f->timers.fd, -1);
    ck_assert_int_eq(uv_loop_close(&f->loop), 0);
}

/* Every callback: never early, in the order of the deadlines; the last wanted one ends the loop. */
static void count(struct probe *p)
{
    struct fixture *f = p->f;

    ck_assert_uint_ge(now_ns(), p->not_before_ns);
    ck_assert_uint_ge(p->not_before_ns, f->last_ns);
    f->last_ns = p->not_before_ns;
    p->fired++;
    if (++f->fired == f->wanted)
        loop_scope_close(&f->scope);
}

static void on_count(struct loop_timer *timer)
{
    count(container_of(timer, struct probe, timer));
}

static void start(struct fixture *f, struct probe *p, loop_timer_cb *cb, uint64_t after_ms)
{
    p->f = f;
    loop_timer_start(&f->timers, &p->timer, cb, after_ms, 0);
    p->not_before_ns = p->timer.at_ns;
}

static bool is_readable(const struct fixture *f)
{
    return poll(&(struct pollfd){.fd = f->timers.fd, .events = POLLIN}, 1, 0) == 1;
}

TEST(a_timer_fires_once_and_not_early)
{
    struct probe p = {0};
    struct fixture f;
    uint64_t before = now_ns();

    set_up(&f);
    f.wanted = 1;
    start(&f, &p, on_count, 20);
    run(&f);
    ck_assert_uint_eq(p.fired, 1);
    ck_assert_ptr_null(p.timer.timers);
    ck_assert_uint_ge(now_ns() - before, 20000000);
}

TEST(thousands_fire_in_order_and_the_stopped_ones_never)
{
    enum { COUNT = 20000 };
    struct probe *probes = xcalloc(COUNT, sizeof(*probes));
    struct fixture f;
    unsigned seed = 7, stopped = 0;

    set_up(&f);
    for (int i = 0; i < COUNT; i++)
        start(&f, &probes[i], on_count, (uint64_t)rand_r(&seed) % 50);
    for (int i = 0; i < COUNT; i++) /* a running one starts anew */
        if (rand_r(&seed) % 4 == 0)
            start(&f, &probes[i], on_count, (uint64_t)rand_r(&seed) % 50);
    for (int i = 0; i < COUNT; i += 3, stopped++) {
        loop_timer_stop(&probes[i].timer);
        loop_timer_stop(&probes[i].timer); /* a second time is nothing */
    }
    f.wanted = COUNT - stopped;
    run(&f);
    for (int i = 0; i < COUNT; i++)
        ck_assert_uint_eq(probes[i].fired, i % 3 != 0);
    ck_assert_ptr_null(f.timers.first);
    free(probes);
}

static void on_repeat(struct loop_timer *timer)
{
    struct probe *p = container_of(timer, struct probe, timer);

    ck_assert_uint_ge(now_ns(), p->not_before_ns);
    p->not_before_ns += 2000000;
    if (++p->fired == 5)
        loop_timer_stop(timer);
}

static void on_end(struct loop_timer *timer)
{
    loop_scope_close(&container_of(timer, struct probe, timer)->f->scope);
}

static void on_fifth(struct loop_timer *timer)
{
    struct probe *p = container_of(timer, struct probe, timer);

    on_repeat(timer);
    if (p->fired == 5) /* what must not come has 30 ms to come */
        start(p->f, p->other, on_end, 30);
}

TEST(a_repeating_timer_fires_until_it_stops_itself)
{
    struct probe p = {0}, end = {0};
    struct fixture f;

    set_up(&f);
    p.f = &f;
    p.other = &end;
    loop_timer_start(&f.timers, &p.timer, on_fifth, 2, 2);
    p.not_before_ns = p.timer.at_ns;
    run(&f);
    ck_assert_uint_eq(p.fired, 5);
}

static void on_stop_other(struct loop_timer *timer)
{
    struct probe *p = container_of(timer, struct probe, timer);

    p->fired++;
    loop_timer_stop(&p->other->timer);
}

TEST(a_callback_stops_another_that_is_due_with_it)
{
    struct probe first = {0}, second = {0}, end = {0};
    struct fixture f;

    set_up(&f);
    start(&f, &first, on_stop_other, 1);
    start(&f, &second, on_count, 1);
    start(&f, &end, on_end, 10);
    first.other = &second;
    while (now_ns() <= second.timer.at_ns) /* so that one wake-up finds both due */
        poll(NULL, 0, 1);
    run(&f);
    ck_assert_uint_eq(first.fired, 1);
    ck_assert_uint_eq(second.fired, 0);
}

static void on_free(struct loop_timer *timer)
{
    struct probe *p = container_of(timer, struct probe, timer);
    struct probe *other = p->other;

    loop_timer_stop(&p->timer);
    memset(p, 0xa5, sizeof(*p));
    free(p);
    if (other) {
        loop_timer_stop(&other->timer);
        memset(other, 0xa5, sizeof(*other));
        free(other);
    }
}

TEST(a_callback_frees_its_timer_and_another)
{
    struct fixture f;
    struct probe end = {0};

    set_up(&f);
    for (int i = 0; i < 100; i++) {
        struct probe *p = xcalloc(1, sizeof(*p));

        p->other = xcalloc(1, sizeof(*p));
        loop_timer_start(&f.timers, &p->timer, on_free, (uint64_t)i % 7, 1);
        loop_timer_start(&f.timers, &p->other->timer, on_free, 1000, 0);
    }
    start(&f, &end, on_end, 20);
    run(&f);
    ck_assert_ptr_null(f.timers.first);
}

static void on_again(struct loop_timer *timer)
{
    struct probe *p = container_of(timer, struct probe, timer);

    count(p);
    if (!p->f->scope.closing)
        start(p->f, p, on_again, 0);
}

TEST(a_timer_starting_itself_with_no_wait_does_not_keep_the_others_from_firing)
{
    struct probe again = {0}, end = {0};
    struct fixture f;

    set_up(&f);
    start(&f, &again, on_again, 0);
    start(&f, &end, on_end, 20);
    run(&f);
    ck_assert_uint_ge(again.fired, 2);
}

TEST(the_descriptor_is_armed_anew_only_for_something_earlier)
{
    struct probe far = {0}, further = {0}, near = {0};
    struct fixture f;
    uint64_t armed;

    set_up(&f);
    start(&f, &far, on_count, 60000);
    armed = f.timers.armed_ns;
    ck_assert_uint_eq(armed, far.timer.at_ns);
    start(&f, &further, on_count, 70000);
    loop_timer_stop(&far.timer);
    start(&f, &far, on_count, 80000);
    ck_assert_uint_eq(f.timers.armed_ns, armed); /* wakes for nothing, once */
    start(&f, &near, on_count, 5);
    ck_assert_uint_eq(f.timers.armed_ns, near.timer.at_ns);
    f.wanted = 2;
    uv_run(&f.loop, UV_RUN_ONCE);
    ck_assert_uint_eq(near.fired, 1);
    ck_assert_uint_eq(f.timers.armed_ns, further.timer.at_ns);
    ck_assert(!is_readable(&f));
    loop_scope_close(&f.scope);
    run(&f);
}

TEST(a_wake_up_for_a_stopped_timer_fires_nothing_and_is_over)
{
    struct probe p = {0};
    struct fixture f;

    set_up(&f);
    start(&f, &p, on_count, 1);
    loop_timer_stop(&p.timer);
    uv_run(&f.loop, UV_RUN_ONCE);
    ck_assert_uint_eq(p.fired, 0);
    ck_assert_uint_eq(f.timers.armed_ns, 0);
    ck_assert(!is_readable(&f));
    loop_scope_close(&f.scope);
    run(&f);
}

TEST(running_timers_give_the_loop_no_timeout)
{
    struct probe p = {0};
    struct fixture f;

    set_up(&f);
    start(&f, &p, on_count, 1000);
    uv_run(&f.loop, UV_RUN_NOWAIT); /* takes the handle in */
    ck_assert_int_eq(uv_backend_timeout(&f.loop), -1);
    loop_scope_close(&f.scope);
    run(&f);
}

TEST(closing_with_running_timers_fires_none_of_them)
{
    struct probe probes[1000] = {0}, late = {0};
    struct fixture f;

    set_up(&f);
    for (int i = 0; i < 1000; i++)
        start(&f, &probes[i], on_count, (uint64_t)i % 2);
    loop_scope_close(&f.scope);
    start(&f, &late, on_count, 0);
    loop_timer_stop(&probes[3].timer);
    run(&f);
    loop_timer_stop(&probes[4].timer);
    ck_assert_uint_eq(f.fired, 0);
}

TEST(closing_in_a_callback_keeps_those_due_with_it_from_firing)
{
    struct probe end = {0}, second = {0};
    struct fixture f;

    set_up(&f);
    start(&f, &end, on_end, 1);
    start(&f, &second, on_count, 1);
    while (now_ns() <= second.timer.at_ns)
        poll(NULL, 0, 1);
    run(&f);
    ck_assert_uint_eq(f.fired, 0);
}

TEST(without_a_descriptor_opening_fails_and_leaves_nothing)
{
    struct fixture f = {0};
    struct orb_err err = {0};
    struct rlimit limit, none;

    uv_loop_init(&f.loop);
    loop_scope_init(&f.scope, on_done);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_lt(loop_timers_open(&f.timers, &f.loop, &f.scope, &err), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0); /* the leak sanitizer opens files */
    ck_assert_str_ne(err.text, "");
    loop_scope_close(&f.scope); /* without handles: done at once */
    run(&f);
}
