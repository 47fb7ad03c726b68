/* Logs and metrics of a plugin, and exact integers. Counters are added up here and sent once a
 * second: counting in a hot path costs no frame. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/log.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_obs.h"
#include "core/worker/sdk_wire.h"

static_assert((int)ORB_ERROR == (int)LOG_LEVEL_ERROR, "one scale of levels");

#define METRIC_EVERY_MS 1000
#define EXACT 9007199254740992.0 /* 2^53 */

void orb_log_kv(struct orb_ctx *ctx, enum orb_level level, const char *event,
                const struct orb_kv *pairs)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    if (sdk_wire_full(ctx)) {
        ctx->dropped++;
        return;
    }
    log_write_record(&w, level <= ORB_ERROR ? (enum log_level)level : LOG_LEVEL_ERROR, event,
                     pairs);
    if (sdk_wire_send(ctx, &(struct frame){.type = FRAME_LOG}, NULL, 0, buf_str(&b), b.len, NULL) <
        0)
        ctx->dropped++;
}

static struct sdk_metric *metric(struct orb_ctx *ctx, const char *name)
{
    struct sdk_metric *m = ctx->metrics;

    while (m && strcmp(m->name, name))
        m = m->next;
    if (!m) {
        if (strlen(name) >= sizeof(m->name) || ctx->metric_count == SDK_MAX_METRICS) {
            orb_log(ctx, ORB_WARNING, "sdk.metric-refused", KV("name", name),
                    KV("limit", SDK_MAX_METRICS));
            return NULL;
        }
        m = xcalloc(1, sizeof(*m));
        snprintf(m->name, sizeof(m->name), "%s", name);
        m->next = ctx->metrics;
        ctx->metrics = m;
        ctx->metric_count++;
    }
    m->dirty = true;
    if (!sdk_timer_runs(&ctx->metric_timer))
        sdk_timer_start(&ctx->metric_timer, METRIC_EVERY_MS, 0);
    return m;
}

void orb_counter_add(struct orb_ctx *ctx, const char *name, uint64_t delta)
{
    struct sdk_metric *m = metric(ctx, name);

    if (m)
        m->add += delta;
}

void orb_gauge_set(struct orb_ctx *ctx, const char *name, double value)
{
    struct sdk_metric *m = metric(ctx, name);

    if (!m)
        return;
    m->gauge = true;
    m->set = isfinite(value) ? value : 0;
}

void sdk_obs_flush(struct orb_ctx *ctx)
{
    for (struct sdk_metric *m = ctx->metrics; m; m = m->next) {
        AUTO(buf) struct buf b = {0};
        struct json_write w = json_write_to(&b);

        if (!m->dirty)
            continue;
        json_write_object(&w, NULL);
        json_write_string(&w, "name", m->name);
        if (m->gauge)
            json_write_number(&w, "set", m->set);
        else
            json_write_integer(&w, "add", (int64_t)m->add);
        json_write_end(&w);
        if (sdk_wire_send(ctx, &(struct frame){.type = FRAME_METRIC}, NULL, 0, buf_str(&b), b.len,
                          NULL) < 0)
            return;
        m->dirty = false;
        m->add = 0;
    }
}

void sdk_obs_on_timer(struct sdk_timer *timer)
{
    sdk_obs_flush(container_of(timer, struct orb_ctx, metric_timer));
}

void sdk_obs_fini(struct orb_ctx *ctx)
{
    while (ctx->metrics) {
        struct sdk_metric *m = ctx->metrics;

        ctx->metrics = m->next;
        free(m);
    }
}

int orb_int64(const cJSON *item, int64_t *ret_value)
{
    if (cJSON_IsRaw(item) && item->valuestring) {
        char *end;
        long long value;

        errno = 0;
        value = strtoll(item->valuestring, &end, 10);
        if (errno || end == item->valuestring || *end)
            return -1;
        *ret_value = value;
        return 0;
    }
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= EXACT) ||
        item->valuedouble != floor(item->valuedouble))
        return -1;
    *ret_value = (int64_t)item->valuedouble;
    return 0;
}

cJSON *orb_add_int64(cJSON *object, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    return cJSON_AddRawToObject(object, key, text);
}
