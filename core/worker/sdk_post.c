/* Calls from other threads to the loop: orb_post(). A ring behind a mutex and the loop's eventfd.
 * Each post makes the eventfd readable, and the loop takes the lock after reading it, so no post is
 * missed. No other part of the SDK is used by a second thread. */
#include <stdlib.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_post.h"

struct sdk_posted {
    orb_post_fn *fn;
    void *arg;
};

int orb_post(struct orb_ctx *ctx, orb_post_fn *fn, void *arg, struct orb_err *err)
{
    struct sdk_post *post = &ctx->post;
    int r = 0;

    pthread_mutex_lock(&post->lock);
    if (post->closed) {
        r = orb_fail(err, ORB_E_STATE, "the worker stops: nothing is called any more");
    } else if (post->count == SDK_MAX_POSTED) {
        r = orb_fail(err, ORB_E_BUSY, "%u calls wait for the loop, the limit is %u", post->count,
                     SDK_MAX_POSTED);
    } else {
        post->ring[(post->first + post->count++) % SDK_MAX_POSTED] =
            (struct sdk_posted){.fn = fn, .arg = arg};
        uv_async_send(&post->wake); /* under the lock: not after the handle was closed */
    }
    pthread_mutex_unlock(&post->lock);
    return r;
}

/* The oldest call; false when there is none. */
static bool take(struct sdk_post *post, struct sdk_posted *ret)
{
    bool any;

    pthread_mutex_lock(&post->lock);
    any = post->count > 0;
    if (any) {
        *ret = post->ring[post->first];
        post->first = (post->first + 1) % SDK_MAX_POSTED;
        post->count--;
    }
    pthread_mutex_unlock(&post->lock);
    return any;
}

/* Calls posted before this turn; later ones made the eventfd readable again. */
static void on_wake(uv_async_t *handle)
{
    struct sdk_post *post = container_of(handle, struct sdk_post, wake);
    struct orb_ctx *ctx = container_of(post, struct orb_ctx, post);
    struct sdk_posted call;
    unsigned count;

    pthread_mutex_lock(&post->lock);
    count = post->count;
    pthread_mutex_unlock(&post->lock);
    while (count-- && ctx->state != SDK_ENDED && take(post, &call))
        call.fn(ctx, call.arg);
}

int sdk_post_open(struct orb_ctx *ctx, struct orb_err *err)
{
    int r = uv_async_init(&ctx->loop, &ctx->post.wake, on_wake);

    if (r < 0)
        return orb_fail(err, r, "there is no descriptor for calls of other threads");
    loop_scope_adopt(&ctx->scope, (uv_handle_t *)&ctx->post.wake);
    pthread_mutex_init(&ctx->post.lock, NULL);
    ctx->post.ring = xcalloc(SDK_MAX_POSTED, sizeof(*ctx->post.ring));
    return 0;
}

void sdk_post_close(struct orb_ctx *ctx)
{
    struct sdk_post *post = &ctx->post;
    struct sdk_posted call;

    if (!post->ring)
        return;
    pthread_mutex_lock(&post->lock);
    post->closed = true;
    pthread_mutex_unlock(&post->lock);
    while (ctx->loaded && take(post, &call))
        call.fn(ctx, call.arg);
}

void sdk_post_fini(struct orb_ctx *ctx)
{
    if (!ctx->post.ring)
        return;
    pthread_mutex_destroy(&ctx->post.lock);
    free(ctx->post.ring);
}
