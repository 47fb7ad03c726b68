/* /system of the configuration: log levels per service, lifetime of tokens. Read by the host, like
 * /services; a commit that changes it takes effect at once. */
#include "core/host/logconf.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/confpart.h"
#include "core/host/confschema.h"
#include "core/host/host_internal.h"
#include "core/json/tree.h"

/* system.tokens.json, system.defs.json */
extern const char system_tokens[], system_defs[];
extern const size_t system_tokens_len, system_defs_len;

static void write_level(struct json_write *w, const char *key)
{
    json_write_object(w, key);
    json_write_string(w, "$ref", "#/$defs/level");
    json_write_end(w);
}

/* The members follow, then write_end(). */
static void write_begin(struct json_write *w, const char *key, const char *description)
{
    json_write_object(w, key);
    json_write_string(w, "type", "object");
    json_write_string(w, "description", description);
    json_write_boolean(w, "additionalProperties", false);
    json_write_object(w, "properties");
}

static void write_end(struct json_write *w)
{
    json_write_end(w);
    json_write_end(w);
}

static void write_logging(struct json_write *w, const struct package_list *packages)
{
    write_begin(w, "logging", "what is recorded");
    write_level(w, "level");
    write_begin(w, "services", "levels of single services");
    write_level(w, "host");
    for (unsigned i = 0; i < packages->count; i++)
        write_level(w, packages->items[i]->manifest.name);
    write_end(w);
    write_end(w);
}

int logconf_contract(const struct package_list *packages, struct contract **ret_contract,
                     struct orb_err *err)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    confschema_begin(&w, "system", "the appliance itself");
    write_logging(&w, packages);
    json_write_raw(&w, "tokens", system_tokens, system_tokens_len);
    confschema_end(&w, system_defs, system_defs_len);
    return contract_compile(b.data, b.len, ret_contract, err);
}

static int level_of(const json_t *value)
{
    return json_is_string(value) ? log_level_parse(json_string_value(value)) : -1;
}

static void configure(struct orbitald *host, const json_t *logging)
{
    json_t *services = json_object_get(logging, "services"), *value;
    AUTO_FREE struct logs_level *list = xcalloc(json_object_size(services) + 1, sizeof(*list));
    unsigned count = 0;
    const char *name;

    json_object_foreach (services, name, value) {
        int level = level_of(value);

        if (level < 0)
            continue;
        snprintf(list[count].service, sizeof(list[count].service), "%s", name);
        list[count++].level = (enum log_level)level;
    }
    logs_levels(host->logs, level_of(json_object_get(logging, "level")), list, count);
}

/* "12h", "90d" in seconds; 0: never. */
static uint64_t lifetime_of(const json_t *tokens)
{
    const char *text = json_string_value(json_object_get(tokens, "expires"));
    char *unit = NULL;
    unsigned long n = text ? strtoul(text, &unit, 10) : 0;

    return unit && *unit == 'h' ? n * 3600 : unit && *unit == 'd' ? n * 86400 : 0;
}

static void follow(struct orbitald *host, const json_t *system, const struct orb_err *err)
{
    if (!system) {
        log_warn(host->log, "system.not-read", KV("error", err->text));
        return;
    }
    configure(host, json_object_get(system, "logging"));
    host->token_lifetime_s = lifetime_of(json_object_get(system, "tokens"));
}

int logconf_new(struct orbitald *host, struct confpart **ret_part, struct orb_err *err)
{
    return confpart_new(host, "/system", follow, ret_part, err);
}
