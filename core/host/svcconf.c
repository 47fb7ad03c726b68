/* /services of the configuration: which packages run and what they are granted. The host is a
 * reader like any service; it asks again after every commit that touched it. */
#include <string.h>

#include "core/base/own.h"
#include "core/host/host.h"
#include "core/json/tree.h"

#define KEEPER "config" /* the service that keeps the configuration */

struct svcconf {
    struct orbitald *host;
    bool asking, again;
};

static void configure(struct orbitald *host, const char *name, const json_t *entry)
{
    const json_t *enabled = json_object_get(entry, "enabled");
    const json_t *grants = json_object_get(entry, "grants");
    AUTO_FREE const char **list = NULL;
    struct orb_err err = {0};

    if (!strcmp(name, KEEPER)) /* without it nothing could be enabled again */
        enabled = grants = NULL;
    if (grants) {
        list = xcalloc(json_array_size(grants) + 1, sizeof *list);
        for (size_t i = 0; i < json_array_size(grants); i++)
            list[i] = json_string_value(json_array_get(grants, i));
    }
    if (supervisor_configure(host->supervisor, name, enabled ? json_is_true(enabled) : -1, list,
                             &err) < 0)
        log_error(host->log, "services.not-applied", KV("service", name), KV("error", err.text));
}

static void configure_all(struct orbitald *host, const json_t *services)
{
    static const char *const none[] = {NULL};
    struct orb_err err = {0};

    for (unsigned i = 0; i < host->packages.count; i++) {
        const struct package *package = host->packages.items[i];
        const char *name = package->manifest.name;
        const json_t *entry = json_object_get(services, name);

        if (entry && (package->shipped || json_object_get(entry, "grants")))
            configure(host, name, entry);
        else if (supervisor_configure(host->supervisor, name,
                                      entry && json_is_true(json_object_get(entry, "enabled")) ? 1
                                      : package->shipped                                       ? -1
                                                                                               : 0,
                                      package->shipped ? NULL : none, &err) < 0)
            log_error(host->log, "services.not-applied", KV("service", name),
                      KV("error", err.text));
    }
}

static void on_answer(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    struct svcconf *conf = arg;
    AUTO(json_t) json_t *tree = NULL;
    struct orb_err parse = {0};

    conf->asking = false;
    if (conf->again) {
        conf->again = false;
        svcconf_refresh(conf);
        return;
    }
    if (err)
        log_warn(conf->host->log, "services.not-read", KV("error", err->text));
    else if (tree_parse(text, len, NULL, &tree, &parse) < 0)
        log_warn(conf->host->log, "services.not-read", KV("error", parse.text));
    else
        configure_all(conf->host, json_object_get(tree, "value"));
    supervisor_release(conf->host->supervisor);
}

void svcconf_refresh(struct svcconf *conf)
{
    static const char input[] = "{\"path\":\"/services\"}";
    struct orb_err err = {0};

    if (conf->asking) {
        conf->again = true;
        return;
    }
    conf->asking = true;
    if (broker_call(conf->host->broker, "config@1", "get", input, sizeof input - 1, 5000, on_answer,
                    conf, &err) < 0)
        on_answer(conf, NULL, 0, &err);
}

static void on_committed(void *arg, const char *interface, const char *topic, const char *text,
                         size_t len)
{
    svcconf_refresh(arg);
}

int svcconf_new(struct orbitald *host, struct svcconf **ret_conf, struct orb_err *err)
{
    struct svcconf *conf = xcalloc(1, sizeof *conf);
    int r;

    conf->host = host;
    r = broker_subscribe(host->broker, "config", "committed", on_committed, conf, err);
    if (r < 0) {
        free(conf);
        return r;
    }
    *ret_conf = conf;
    return 0;
}

void svcconf_free(struct svcconf *conf)
{
    free(conf);
}
