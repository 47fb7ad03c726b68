/* What the health report needs of the configuration: which revision each service should follow,
 * and which parts no service follows because their package is not there. */
#include <inttypes.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/follow.h"
#include "plugins/config/history.h"
#include "plugins/config/subscriber.h"

/* Parts without which the appliance is none. */
static const char *const carrying[] = {"interfaces", "routing", "firewall"};

/* A part that holds nothing configures nothing. */
static bool is_configured(const struct engine *engine, const char *part)
{
    const json_t *value = json_object_get(engine->store.running, part);

    return json_object_size(value) || (value && !json_is_object(value));
}

static const struct part *part_of(const struct engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->parts.count; i++)
        if (!strcmp(engine->parts.list[i].name, name))
            return &engine->parts.list[i];
    return NULL;
}

static void add(struct json_write *w, const char *name, uint64_t due, bool configured)
{
    json_write_object(w, NULL);
    json_write_string(w, "name", name);
    json_write_integer(w, "due", (int64_t)due);
    json_write_boolean(w, "configured", configured);
    json_write_end(w);
}

/* Has the package a part of its own that is not empty? */
static bool has_configured_part(const struct engine *engine, const char *package)
{
    for (size_t i = 0; i < engine->parts.count; i++)
        if (!strcmp(engine->parts.list[i].package, package) &&
            is_configured(engine, engine->parts.list[i].name))
            return true;
    return false;
}

void follow_engine(struct engine *engine)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);

    if (!engine->host.follow)
        return;
    json_write_object(&w, NULL);
    json_write_integer(&w, "applying", (int64_t)engine->applying);
    json_write_integer(&w, "unconfirmed",
                       history_unconfirmed(&engine->store) ? (int64_t)engine->store.revision : 0);
    json_write_array(&w, "services");
    for (struct subscriber *s = engine->subscribers; s; s = s->next)
        add(&w, s->name, s->due, has_configured_part(engine, s->name));
    for (size_t i = 0; i < engine->parts.count; i++) {
        const struct part *part = &engine->parts.list[i];

        if (is_configured(engine, part->name) && !subscriber_find(engine, part->package))
            add(&w, part->package, 0, true);
    }
    json_write_end(&w);
    json_write_end(&w);
    engine->host.follow(engine->host.arg, text.data, text.len);
}

void follow_committed(struct tx *tx)
{
    struct engine *engine = tx->engine;

    for (size_t i = 0; i < tx->count; i++) {
        struct subscriber *s = subscriber_find(engine, tx->parts[i].name);

        if (s)
            s->due = engine->store.revision;
    }
}

bool follow_is_served(const struct engine *engine, const char *part)
{
    return part_of(engine, part);
}

static void tell(struct engine *engine, const char *part, const char *what)
{
    AUTO_FREE char *key = buf_format("part:%.100s", part);
    bool failed = false;

    for (size_t i = 0; i < ARRAY_LEN(carrying); i++)
        failed = failed || !strcmp(carrying[i], part);
    engine->host.problem(engine->host.arg, key, failed, what,
                         "`orbctl show services` names packages that were refused; install the "
                         "package again and restart orbitald, or delete the part");
}

void follow_unserved(struct engine *engine)
{
    const char *part;
    json_t *why;

    if (!engine->host.problem)
        return;
    json_object_foreach (engine->unfit, part, why) {
        AUTO_FREE char *what = buf_format("/%.60s is configured, but no installed package has it: "
                                          "nothing of it is done",
                                          part);

        if (!part_of(engine, part) && is_configured(engine, part))
            tell(engine, part, what);
    }
}

void follow_part_gone(struct engine *engine, const char *part)
{
    if (engine->host.problem)
        tell(engine, part, NULL);
}
