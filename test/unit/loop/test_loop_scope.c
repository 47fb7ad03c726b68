/* core/loop/loop_scope.c: handles are closed together and their owner's callback runs once. */
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/loop/loop_scope.h"
#include "test/lib/harness.h"

struct owner {
    struct loop_scope scope;
    uv_timer_t a, b;
    int fired;
    int *freed;
};

static void on_done(struct loop_scope *scope)
{
    struct owner *owner = container_of(scope, struct owner, scope);

    ++*owner->freed;
    free(owner);
}

static struct owner *owner_new(uv_loop_t *loop, int *freed)
{
    struct owner *owner = xcalloc(1, sizeof(*owner));

    owner->freed = freed;
    loop_scope_init(&owner->scope, on_done);
    uv_timer_init(loop, &owner->a);
    loop_scope_adopt(&owner->scope, (uv_handle_t *)&owner->a);
    uv_timer_init(loop, &owner->b);
    loop_scope_adopt(&owner->scope, (uv_handle_t *)&owner->b);
    return owner;
}

TEST(done_comes_once_after_the_last_handle_closed)
{
    uv_loop_t loop;
    int freed = 0;
    struct owner *owner;

    uv_loop_init(&loop);
    owner = owner_new(&loop, &freed);
    loop_scope_close(&owner->scope);
    loop_scope_close(&owner->scope); /* a second time is nothing */
    ck_assert_int_eq(freed, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(freed, 1);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

TEST(a_dropped_handle_does_not_end_the_others)
{
    uv_loop_t loop;
    int freed = 0;
    struct owner *owner;

    uv_loop_init(&loop);
    owner = owner_new(&loop, &freed);
    loop_scope_drop(&owner->scope, (uv_handle_t *)&owner->a);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(freed, 0);
    ck_assert(!uv_is_closing((uv_handle_t *)&owner->b));
    loop_scope_close(&owner->scope);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(freed, 1);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

TEST(a_handle_still_closing_when_the_scope_closes_is_waited_for)
{
    uv_loop_t loop;
    int freed = 0;
    struct owner *owner;

    uv_loop_init(&loop);
    owner = owner_new(&loop, &freed);
    loop_scope_drop(&owner->scope, (uv_handle_t *)&owner->a);
    loop_scope_drop(&owner->scope, (uv_handle_t *)&owner->b);
    loop_scope_close(&owner->scope);
    ck_assert_int_eq(freed, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(freed, 1);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct owner *owner = container_of(timer, struct owner, a);

    owner->fired++;
    loop_scope_close(&owner->scope);
}

TEST(an_owner_may_close_itself_in_its_own_callback)
{
    uv_loop_t loop;
    int freed = 0;
    struct owner *owner;

    uv_loop_init(&loop);
    owner = owner_new(&loop, &freed);
    uv_timer_start(&owner->a, on_timer, 0, 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(freed, 1);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

TEST(a_scope_without_handles_is_done_at_once)
{
    int freed = 0;
    struct owner *owner = xcalloc(1, sizeof(*owner));

    owner->freed = &freed;
    loop_scope_init(&owner->scope, on_done);
    loop_scope_close(&owner->scope);
    ck_assert_int_eq(freed, 1);
}
