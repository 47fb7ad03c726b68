/* Routes: to/method as this worker calls it, and the handle that stands for it. */
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_internal.h"

struct sdk_route *sdk_route_of(struct orb_ctx *ctx, const char *to, const char *method)
{
    struct sdk_route *route = ctx->routes;

    while (route && (strcmp(route->to, to) || strcmp(route->method, method)))
        route = route->next;
    if (route)
        return route;
    route = xcalloc(1, sizeof(*route));
    route->to = xstrdup(to);
    route->method = xstrdup(method);
    route->next = ctx->routes;
    ctx->routes = route;
    return route;
}

void sdk_route_write(struct buf *env, const char *to, const char *key, const char *value)
{
    struct json_write w = json_write_to(env);

    json_write_object(&w, NULL);
    json_write_string(&w, "to", to);
    json_write_string(&w, key, value);
    json_write_end(&w);
}

static void open_route(struct orb_ctx *ctx, struct sdk_route *route)
{
    AUTO(buf) struct buf env = {0};
    struct sdk_call *call = sdk_call_new(ctx, SDK_CALL_OPEN, 0);

    call->route = route;
    route->opening = true;
    sdk_route_write(&env, route->to, "method", route->method);
    sdk_wire_send(ctx, &(struct frame){.type = FRAME_OPEN, .corr = call->corr}, buf_str(&env),
                  env.len, NULL, 0, NULL);
    sdk_call_arm(ctx, call->deadline_at);
}

void sdk_route_choose(struct orb_ctx *ctx, struct sdk_route *route)
{
    bool burst = route->ok_at && now_ms() - route->ok_at < SDK_BURST_MS;

    if (!burst && !route->watched)
        route->handle = 0;
    if (burst && !route->handle && !route->opening)
        open_route(ctx, route);
}

void sdk_route_watch(struct orb_ctx *ctx, const char *to, const char *method)
{
    struct sdk_route *route = sdk_route_of(ctx, to, method);

    route->watched = true;
    if (!route->opening)
        open_route(ctx, route);
}

void sdk_route_forget(struct orb_ctx *ctx, const char *to, const char *method)
{
    struct sdk_route *route = sdk_route_of(ctx, to, method);

    route->handle = 0;
    route->ok_at = 0;
    route->watched = false;
}

static void route_lost(struct orb_ctx *ctx, struct sdk_route *route)
{
    bool watched = route->watched;

    route->handle = 0;
    route->ok_at = 0;
    route->watched = false;
    if (watched)
        sdk_conf_provider_gone(ctx);
}

void sdk_route_gone(struct orb_ctx *ctx, uint32_t handle)
{
    for (struct sdk_route *route = ctx->routes; route; route = route->next) {
        if (route->handle == handle) {
            route_lost(ctx, route);
            return;
        }
    }
}

void sdk_route_opened(struct orb_ctx *ctx, struct sdk_route *route, const struct inframe *frame,
                      const struct orb_err *err)
{
    route->opening = false;
    if (!err)
        route->handle = frame->h.route;
    else if (route->watched && (err->code == ORB_E_UNAVAILABLE || err->code == ORB_E_GONE))
        route_lost(ctx, route);
    else
        route->ok_at = 0; /* tried again after the next success */
}

void sdk_route_fini(struct orb_ctx *ctx)
{
    while (ctx->routes) {
        struct sdk_route *route = ctx->routes;

        ctx->routes = route->next;
        free(route->to);
        free(route->method);
        free(route);
    }
}
