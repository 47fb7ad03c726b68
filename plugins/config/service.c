/* Requests to the host about services that did not do what a transaction needs. */
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/service.h"

static void on_restarted(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    struct engine *engine = arg;

    if (err)
        log_error(engine->host.log, "config.restart.refused", KV("why", err->text));
}

static void order(struct engine *engine, const char *method, const char *name, const char *why)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);
    struct orb_err err;

    if (strcmp(method, "service-needed")) /* the host answers whether it had to start it */
        log_error(engine->host.log, "config.service.restarted", KV("service", name),
                  KV("why", why));
    json_write_object(&w, NULL);
    json_write_string(&w, "name", name);
    if (strcmp(method, "service-restart"))
        json_write_string(&w, "why", why);
    json_write_end(&w);
    if (engine->host.call(engine->host.arg, "host@1", method, text.data, text.len, 0, on_restarted,
                          engine, &err) < 0)
        on_restarted(engine, NULL, 0, &err);
}

void service_restart(struct engine *engine, const char *name, const char *why)
{
    order(engine, "service-restart", name, why);
}

void service_late(struct engine *engine, const char *name, const char *why)
{
    order(engine, "service-late", name, why);
}

void service_needed(struct engine *engine, const char *name, const char *why)
{
    order(engine, "service-needed", name, why);
}
