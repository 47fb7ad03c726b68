/* /services of the configuration: which packages run and what they are granted. The host reads it
 * like any service, again after every commit that changed it. */
#include "core/host/svcconf.h"

#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/confpart.h"
#include "core/host/confschema.h"
#include "core/host/filterconf.h"
#include "core/host/host_internal.h"
#include "core/host/problem.h"
#include "core/host/health.h"
#include "core/host/service_control.h"
#include "core/json/tree.h"
#include "core/sup/control.h"

#define KEEPER "config" /* the service that keeps the configuration */
#define NOT_READ "services.not-read"

/* services.defs.json: the limits, whose members are those of struct limits, and a default entry. */
extern const char services_defs[];
extern const size_t services_defs_len;

/* ---- schema of /services, from the installed packages ---- */

/* What packages of third parties may take of the schema together, and one of them. Their share is
 * small beside a frame, so that no package keeps the others from being configured. */
#define THIRD_BYTES (32u << 10)
#define ENTRY_BYTES (4u << 10)

static void write_grants(struct json_write *w, const struct manifest *m)
{
    json_write_object(w, "grants");
    json_write_string(w, "type", "array");
    json_write_boolean(w, "uniqueItems", true);
    json_write_string(w, "description", "granted capabilities, of those its manifest requests");
    if (!m->capabilities[0]) {
        json_write_integer(w, "maxItems", 0);
    } else {
        json_write_object(w, "items");
        json_write_array(w, "enum");
        for (unsigned n = 0; m->capabilities[n]; n++)
            json_write_string(w, NULL, m->capabilities[n]);
        json_write_end(w);
        json_write_end(w);
    }
    json_write_end(w);
}

static void write_enabled(struct json_write *w, bool always)
{
    json_write_object(w, "enabled");
    json_write_string(w, "type", "boolean");
    if (always)
        json_write_boolean(w, "const", true);
    json_write_string(w, "description",
                      always ? "keeps the configuration: it always runs" : "run this service");
    json_write_end(w);
}

static void write_ref(struct json_write *w, const char *key, const char *def)
{
    json_write_object(w, key);
    json_write_format(w, "$ref", "#/$defs/%s", def);
    json_write_end(w);
}

static void write_package(struct json_write *w, const struct package *package)
{
    const struct manifest *m = &package->manifest;
    bool keeper = !strcmp(m->name, KEEPER); /* without it nothing could be enabled again */

    json_write_object(w, NULL);
    json_write_string(w, "type", "object");
    json_write_string(w, "description", m->description);
    json_write_object(w, "properties");
    write_enabled(w, keeper);
    if (!keeper) {
        write_grants(w, m);
        write_ref(w, "limits", "limits");
    }
    json_write_end(w);
    json_write_end(w);
}

/* An entry that does not fit is written without details: the service can be enabled and granted
 * capabilities all the same. taken: bytes of third-party entries so far. */
static void write_entry(struct json_write *w, const struct package *package, size_t *taken,
                        struct buf *ret_short)
{
    const char *name = package->manifest.name;
    AUTO(buf) struct buf entry = {0};
    struct json_write own = json_write_to(&entry);

    write_package(&own, package);
    if (!package->shipped && (entry.len > ENTRY_BYTES || *taken + entry.len > THIRD_BYTES)) {
        write_ref(w, name, "other");
        buf_addf(ret_short, "%s%s", ret_short->len ? ", " : "", name);
        return;
    }
    json_write_raw(w, name, entry.data, entry.len);
    if (!package->shipped)
        *taken += entry.len;
}

int svcconf_contract(const struct package_list *packages, struct contract **ret_contract,
                     struct buf *ret_short, struct orb_err *err)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);
    size_t taken = 0;

    confschema_begin(&w, "services", "which packages run, and with what");
    for (unsigned i = 0; i < packages->count; i++)
        write_entry(&w, packages->items[i], &taken, ret_short);
    confschema_end(&w, services_defs, services_defs_len);
    return contract_compile(b.data, b.len, ret_contract, err);
}

/* ---- reading it ---- */

static struct limits limits_of(const json_t *entry)
{
    struct limits limits = {0};
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get(entry, "limits"), name, value)
        limits_set(&limits, name,
                   json_is_string(value) ? manifest_memory(json_string_value(value))
                                         : (uint64_t)json_integer_value(value));
    return limits;
}

/* Defaults: shipped packages are enabled as their manifest specifies, with all requested
 * capabilities; third-party packages are disabled, with none. */
static void configure(struct orbitald *host, const struct package *package, const json_t *entry)
{
    const char *name = package->manifest.name;
    const json_t *enabled = json_object_get(entry, "enabled");
    const json_t *grants = json_object_get(entry, "grants");
    struct limits limits = limits_of(entry);
    AUTO_FREE const char **list = NULL;
    struct orb_err err = {0};
    int run = package->shipped ? -1 : 0;

    if (!strcmp(name, KEEPER)) { /* without it nothing could be enabled again */
        enabled = grants = NULL;
        limits = (struct limits){0};
    }
    if (enabled)
        run = json_is_true(enabled);
    if (grants || !package->shipped) {
        list = xcalloc(json_array_size(grants) + 1, sizeof(*list));
        for (size_t i = 0; i < json_array_size(grants); i++)
            list[i] = json_string_value(json_array_get(grants, i));
    }
    if (control_configure(host->supervisor, name, run, list, &limits, &err) < 0)
        log_error(host->log, "services.not-applied", KV("service", name), KV("error", err.text));
}

static void configure_all(struct orbitald *host, const json_t *services)
{
    for (unsigned i = 0; i < host->packages.count; i++) {
        const struct package *package = host->packages.items[i];

        configure(host, package, json_object_get(services, package->manifest.name));
    }
}

static void follow(struct orbitald *host, const json_t *services, const struct orb_err *err)
{
    AUTO_FREE char *what = NULL;
    struct orb_err failed = {0};

    if (services) {
        problem_clear(host, NOT_READ);
        configure_all(host, services);
    } else if (!host->stopping) { /* its configuration is not in force; a problem is set until it is
                                   */
        what = buf_format("/services could not be read and is not in force: %s", err->text);
        log_warn(host->log, "services.not-read", KV("error", err->text));
        problem_set(host, NOT_READ, HEALTH_DEGRADED, what, "/services",
                    "it is read with the next commit; orbctl service restart config reads it now");
    }
    if (filterconf_check(host, services != NULL, &failed) < 0) /* before boot continues */
        log_error(host->log, "firewall.not-followed", KV("error", failed.text));
    supervisor_release(host->supervisor);
    service_control_resume(host);
}

int svcconf_new(struct orbitald *host, struct confpart **ret_part, struct orb_err *err)
{
    return confpart_new(host, "/services", follow, ret_part, err);
}
