/* The package's descriptor: starts the server, follows commits, answers `status`. */
#include <stdlib.h>

#include "api/server.h"

static int on_status(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const struct api *api = orb_user(ctx);
    cJSON *out = cJSON_CreateObject();

    orb_add_int64(out, "connections", api->connection_count);
    orb_add_int64(out, "cut-off", (int64_t)api->cut_off);
    orb_add_int64(out, "sessions", api->session_count);
    orb_add_int64(out, "requests", (int64_t)api->request_count);
    orb_reply(req, out);
    return 0;
}

static void on_committed(struct orb_ctx *ctx, void *arg, const char *topic, const cJSON *payload)
{
    struct api *api = arg;

    api->committed_ms = orb_now_ms();
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    struct api *api = calloc(1, sizeof(*api));
    int r;

    if (!api)
        return orb_fail(err, ORB_E_NOMEM, "no memory to start");
    api->ctx = ctx;
    orb_set_user(ctx, api);
    r = orb_subscribe(ctx, "config", "committed", on_committed, api, err);
    return r < 0 ? r : server_start(api, err);
}

static void on_stop(struct orb_ctx *ctx)
{
    struct api *api = orb_user(ctx);

    server_stop(api);
    free(api);
}

static const struct orb_method methods[] = {{"status", on_status, 0}, {0}};

ORB_PLUGIN(.name = "api", .methods = methods, .init = on_init, .stop = on_stop);
