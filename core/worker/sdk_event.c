/* Events: publishing this package's own, and handing subscribed ones to their callbacks. The broker
 * keeps subscriptions by interface name, so they outlive a restart of the publisher. */
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_call.h"
#include "core/worker/sdk_event.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_wire.h"

int orb_publish(struct orb_ctx *ctx, const char *topic, cJSON *payload, struct orb_err *err)
{
    char *text = payload ? cJSON_PrintUnformatted(payload) : NULL;
    AUTO(buf) struct buf env = {0};
    struct json_write w = json_write_to(&env);
    int r;

    if (payload && !text) {
        r = orb_fail(err, ORB_E_NOMEM, "the event could not be written");
    } else if (sdk_wire_full(ctx)) {
        r = orb_fail(err, ORB_E_BUSY, "%u bytes wait to be read by the host", SDK_QUEUE_SOFT);
    } else {
        json_write_object(&w, NULL);
        json_write_string(&w, "topic", topic);
        json_write_end(&w);
        r = sdk_wire_send(ctx, &(struct frame){.type = FRAME_PUB}, buf_str(&env), env.len, text,
                          text ? strlen(text) : 0, err);
    }
    cJSON_free(text);
    cJSON_Delete(payload);
    return r;
}

int orb_subscribe(struct orb_ctx *ctx, const char *interface, const char *topic, orb_event_fn *cb,
                  void *arg, struct orb_err *err)
{
    size_t name_len = strcspn(interface, "@");
    struct sdk_sub *sub;
    bool known = false;
    int r;

    for (sub = ctx->subs; sub; sub = sub->next)
        known |= strlen(sub->interface) == name_len &&
                 !strncmp(sub->interface, interface, name_len) && !strcmp(sub->topic, topic);
    r = known ? 0 : sdk_call_subscribe(ctx, interface, topic, err);
    if (r < 0)
        return r;
    sub = xcalloc(1, sizeof(*sub));
    sub->interface = xstrndup(interface, name_len);
    sub->topic = xstrdup(topic);
    sub->cb = cb;
    sub->arg = arg;
    sub->next = ctx->subs;
    ctx->subs = sub;
    return 0;
}

static void tell(struct orb_ctx *ctx, const char *from, const char *topic, const char *shown,
                 const cJSON *payload)
{
    for (struct sdk_sub *sub = ctx->subs; sub && ctx->state != SDK_ENDED; sub = sub->next)
        if (!strcmp(sub->interface, from) &&
            (!strcmp(sub->topic, "*") || !strcmp(sub->topic, topic)))
            sub->cb(ctx, sub->arg, shown, payload);
}

void sdk_event_frame(struct orb_ctx *ctx, const struct inframe *frame)
{
    cJSON *env = sdk_parse(frame->env, frame->h.envlen);
    cJSON *payload = sdk_parse(frame->payload, frame->len);
    const char *topic = sdk_text_of(env, "topic");

    if (!env || !payload)
        sdk_garbage(ctx, "EVENT without envelope or payload");
    else
        tell(ctx, sdk_text_of(env, "from"), topic, topic, payload);
    cJSON_Delete(env);
    cJSON_Delete(payload);
}

void sdk_event_gap(struct orb_ctx *ctx, const struct inframe *frame)
{
    cJSON *payload = sdk_parse(frame->payload, frame->len);

    if (!payload)
        sdk_garbage(ctx, "GAP without payload");
    else
        tell(ctx, sdk_text_of(payload, "from"), sdk_text_of(payload, "topic"), "gap", payload);
    cJSON_Delete(payload);
}

void sdk_event_fini(struct orb_ctx *ctx)
{
    while (ctx->subs) {
        struct sdk_sub *sub = ctx->subs;

        ctx->subs = sub->next;
        free(sub->interface);
        free(sub->topic);
        free(sub);
    }
}
