/* The start: schemas of the installed packages, what the kernel works by, how this boot runs; then
 * the stored configuration, or the first one. */
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/plugin_internal.h"

/* The appliance did not begin with the configuration it was to begin with. */
static void no_first(struct orb_ctx *ctx, const struct orb_err *why)
{
    char what[400];

    snprintf(what, sizeof(what),
             "the first configuration was not taken, and there is no other: %.300s", why->text);
    orb_problem_set(ctx, FIRST_PROBLEM,
                    &(struct orb_problem){.level = ORB_PROBLEM_DEGRADED,
                                          .what = what,
                                          .path = why->path,
                                          .todo = "mend the file and `orbctl service restart "
                                                  "config`, or commit a configuration"});
}

static void on_first(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct plugin *p = arg;
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(out, "text");
    const char *config = cJSON_IsString(text) ? text->valuestring : "";
    struct orb_err why;

    if (err) {
        orb_log(ctx, ORB_ERROR, "config.first.unread", KV("why", err->text));
        no_first(ctx, err);
    } else if (*config && engine_first(p->engine, config, strlen(config), &why) < 0) {
        orb_log(ctx, ORB_ERROR, "config.first.refused", KV("path", why.path), KV("why", why.text));
        no_first(ctx, &why);
    }
    orb_ready(ctx, NULL);
}

static uint64_t count_of(const cJSON *out, const char *name)
{
    int64_t n;

    return orb_int64(cJSON_GetObjectItemCaseSensitive(out, name), &n) == 0 && n > 0 ? (uint64_t)n
                                                                                    : 0;
}

static void on_boot_mode(struct orb_ctx *ctx, void *arg, const cJSON *out,
                         const struct orb_err *err)
{
    struct plugin *p = arg;
    const char *mode = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(out, "mode"));
    AUTO(buf) struct buf schemas = p->schemas;
    struct engine_host host = plugin_host(p);
    struct orb_err why;
    bool fresh = false;

    host.was_enforced = p->was_enforced;
    host.was_enforced_id = p->was_enforced_id;
    host.was_void_tx = p->was_void_tx;
    host.was_good = p->was_good;
    host.safe_revision = mode && !strcmp(mode, "safe") ? count_of(out, "revision") : 0;
    p->schemas = (struct buf){0};
    if (err) {
        orb_ready(ctx, err);
        return;
    }
    if (engine_open(&host, orb_state_dir(ctx), buf_str(&schemas), schemas.len, &p->engine, &fresh,
                    &why) < 0) {
        orb_ready(ctx, &why);
        return;
    }
    orb_log(ctx, ORB_INFO, "config.loaded", KV("revision", (int64_t)engine_revision(p->engine)));
    orb_gauge_set(ctx, "revision", (double)engine_revision(p->engine));
    if (!fresh) {
        orb_ready(ctx, NULL);
        return;
    }
    if (orb_call(ctx, "host@1", "first-config", NULL, HOST_DEADLINE_MS, on_first, p, &why) < 0)
        orb_ready(ctx, &why);
}

static void on_enforced(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct plugin *p = arg;
    struct orb_err why;

    if (err) {
        orb_ready(ctx, err);
        return;
    }
    p->was_enforced = count_of(out, "revision");
    p->was_enforced_id = count_of(out, "id");
    p->was_good = count_of(out, "good");
    p->was_void_tx = count_of(out, "void-tx");
    if (orb_call(ctx, "host@1", "boot-mode", NULL, HOST_DEADLINE_MS, on_boot_mode, p, &why) < 0)
        orb_ready(ctx, &why);
}

static void on_schemas(struct orb_ctx *ctx, void *arg, const char *text, size_t len,
                       const struct orb_err *err)
{
    struct plugin *p = arg;
    struct orb_err why;

    if (err) {
        orb_ready(ctx, err);
        return;
    }
    buf_clear(&p->schemas);
    buf_add(&p->schemas, text, len);
    if (orb_call(ctx, "host@1", HOST_ENFORCED, NULL, HOST_DEADLINE_MS, on_enforced, p, &why) < 0)
        orb_ready(ctx, &why);
}

int plugin_start(struct plugin *p, struct orb_err *err)
{
    int r =
        orb_call_text(p->ctx, "host@1", "schemas", "{}", 2, HOST_DEADLINE_MS, on_schemas, p, err);

    return r < 0 ? r : ORB_LATER;
}
