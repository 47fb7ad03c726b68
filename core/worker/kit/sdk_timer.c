/* core/worker/sdk_timer.h for the test kit: timers on the clock of now.c beside it. */
#include "core/worker/sdk_timer.h"

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/worker/kit/sdk_timer.h"
#include "core/worker/testing_internal.h"

static struct orb_test *test_of(const struct sdk_timer *timer)
{
    return container_of(timer->ctx, struct orb_test, ctx);
}

void sdk_timer_init(struct sdk_timer *timer, struct orb_ctx *ctx,
                    void (*cb)(struct sdk_timer *timer))
{
    *timer = (struct sdk_timer){.ctx = ctx, .cb = cb};
}

void sdk_timer_adopt(struct sdk_timer *timer, struct loop_scope *scope)
{
    /* No handle: nothing to close. */
}

static void insert(struct sdk_timer *timer, uint64_t due_ms)
{
    struct orb_test *test = test_of(timer);
    struct sdk_timer **at = &test->timers;

    timer->due_ms = due_ms;
    timer->round = test->round;
    while (*at && (*at)->due_ms <= due_ms)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

void sdk_timer_start(struct sdk_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    sdk_timer_stop(timer);
    timer->repeat_ms = repeat_ms;
    insert(timer, now_ms() + after_ms);
}

static struct sdk_timer **place_of(const struct sdk_timer *timer)
{
    struct sdk_timer **at = &test_of(timer)->timers;

    while (*at && *at != timer)
        at = &(*at)->next;
    return at;
}

void sdk_timer_stop(struct sdk_timer *timer)
{
    struct sdk_timer **at = place_of(timer);

    if (*at)
        *at = timer->next;
}

bool sdk_timer_runs(const struct sdk_timer *timer)
{
    return *place_of(timer) != NULL;
}

void sdk_timer_close(struct sdk_timer *timer, void (*closed)(struct sdk_timer *timer))
{
    sdk_timer_stop(timer);
    closed(timer);
}

bool sdk_timer_fire(struct orb_test *test)
{
    struct sdk_timer *timer = test->timers;

    while (timer && timer->due_ms <= now_ms() && timer->round == test->round)
        timer = timer->next;
    if (!timer || timer->due_ms > now_ms() || test->ctx.state == SDK_ENDED)
        return false;
    sdk_timer_stop(timer);
    if (timer->repeat_ms)
        insert(timer, now_ms() + timer->repeat_ms);
    timer->cb(timer); /* which may free it */
    return true;
}
