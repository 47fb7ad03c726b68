/* /services of the configuration: which packages run and what they are granted. The host is a
 * reader like any service; it asks again after every commit that touched it. */
#include <string.h>

#include "core/base/own.h"
#include "core/host/host.h"
#include "core/json/tree.h"

#define KEEPER "config" /* the service that keeps the configuration */

/* ---- the schema of /services: what is installed, and what it asks for ---- */

/* What packages of third parties may take of the schema together, and one of them. Their share is
 * small beside a frame, so that no package keeps the others from being configured. */
#define THIRD_BYTES (32u << 10)
#define ENTRY_BYTES (4u << 10)

static void add_grants(struct buf *b, const struct manifest *m)
{
    unsigned n = 0;

    if (!m->capabilities[0])
        buf_adds(b, ",\"maxItems\":0");
    else
        buf_adds(b, ",\"items\":{\"enum\":[");
    for (; m->capabilities[n]; n++) {
        buf_adds(b, n ? "," : "");
        buf_add_json(b, m->capabilities[n], strlen(m->capabilities[n]));
    }
    buf_adds(b, n ? "]}" : "");
}

static void add_package(struct buf *b, const struct package *package)
{
    const struct manifest *m = &package->manifest;

    buf_add_json(b, m->name, strlen(m->name));
    buf_adds(b, ":{\"type\":\"object\",\"description\":");
    buf_add_json(b, m->description, strlen(m->description));
    if (!strcmp(m->name, "config")) { /* without it nothing could be enabled again */
        buf_adds(b, ",\"properties\":{\"enabled\":{\"type\":\"boolean\",\"const\":true,"
                    "\"description\":\"keeps the configuration: it always runs\"}}}");
        return;
    }
    buf_adds(b, ",\"properties\":{\"enabled\":{\"type\":\"boolean\",\"description\":"
                "\"run this service\"},\"grants\":{\"type\":\"array\",\"uniqueItems\":true,"
                "\"description\":\"capabilities granted of those its manifest asks for\"");
    add_grants(b, m);
    buf_adds(b, "},\"limits\":{\"$ref\":\"#/$defs/limits\"}}}");
}

/* An entry that has no room: it can be enabled and granted what it asks for all the same. */
static void add_short(struct buf *b, const struct package *package)
{
    buf_add_json(b, package->manifest.name, strlen(package->manifest.name));
    buf_adds(b, ":{\"$ref\":\"#/$defs/other\"}");
}

/* taken: bytes of third parties so far. */
static void add_entry(struct buf *b, const struct package *package, size_t *taken,
                      struct buf *ret_short)
{
    size_t before = b->len, len;

    add_package(b, package);
    len = b->len - before;
    if (package->shipped)
        return;
    if (len > ENTRY_BYTES || *taken + len > THIRD_BYTES) {
        b->len = before;
        add_short(b, package);
        buf_addf(ret_short, "%s%s", ret_short->len ? ", " : "", package->manifest.name);
        return;
    }
    *taken += len;
}

/* The members are those of struct limits. */
static const char limits_schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"description\":"
    "\"at most this of what its manifest asks for, instead of the host's "
    "ceilings\",\"properties\":{"
    "\"memory\":{\"type\":\"string\",\"pattern\":\"^[1-9][0-9]{0,5}[KMG]$\",\"x-orb-expected\":"
    "\"a size in K, M or G such as 64M\",\"description\":"
    "\"64M; third parties 256M\"},"
    "\"state\":{\"type\":\"string\",\"pattern\":\"^[1-9][0-9]{0,5}[KMG]$\",\"x-orb-expected\":"
    "\"a size in K, M or G such as 64M\",\"description\":"
    "\"in /state, of a third party; 256M\"},"
    "\"files\":{\"type\":\"integer\",\"minimum\":32,\"maximum\":4096,\"description\":"
    "\"descriptors; third parties 256\"},"
    "\"threads\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":256,\"description\":"
    "\"third parties 64\"},"
    "\"queue\":{\"type\":\"string\",\"pattern\":\"^([4-9]|[1-9][0-9]{1,2})M$\",\"description\":"
    "\"bytes of requests, answers and events that may wait for it; 8M\"},"
    "\"requests\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65536,\"description\":"
    "\"of its own that wait for an answer; 4096\"},"
    "\"log-rate\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100000,\"description\":"
    "\"records a second it may log; 200\"},"
    "\"metrics\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1024,\"description\":"
    "\"names it may report; 64\"},"
    "\"metric-rate\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100000,\"description\":"
    "\"values a second it may report; 2000\"},"
    "\"ready-ms\":{\"type\":\"integer\",\"minimum\":100,\"maximum\":600000,\"description\":"
    "\"to be ready; third parties 30000\"},"
    "\"ping-every-ms\":{\"type\":\"integer\",\"minimum\":50,\"maximum\":600000,\"description\":"
    "\"between two pings; third parties 10000\"},"
    "\"ping-ms\":{\"type\":\"integer\",\"minimum\":100,\"maximum\":600000,\"description\":"
    "\"to answer a ping; third parties 10000\"},"
    "\"stop-ms\":{\"type\":\"integer\",\"minimum\":100,\"maximum\":600000,\"description\":"
    "\"to end when told to; third parties 5000\"},"
    "\"progress-ms\":{\"type\":\"integer\",\"minimum\":100,\"maximum\":3600000,\"description\":"
    "\"for a call that goes on; third parties 120000\"}}}";

int services_contract_make(const struct package_list *packages, struct contract **ret_contract,
                           struct buf *ret_short, struct orb_err *err)
{
    AUTO(buf) struct buf b = {0};
    size_t taken = 0;

    buf_adds(&b, "{\"interface\":\"services\",\"version\":\"1.0\",\"config\":{\"type\":\"object\","
                 "\"title\":\"services\",\"description\":\"which packages run, and with what\","
                 "\"additionalProperties\":false,\"properties\":{");
    for (unsigned i = 0; i < packages->count; i++) {
        buf_adds(&b, i ? "," : "");
        add_entry(&b, packages->items[i], &taken, ret_short);
    }
    buf_adds(&b, "}},\"$defs\":{\"other\":{\"type\":\"object\",\"properties\":{\"enabled\":{"
                 "\"type\":\"boolean\"},\"grants\":{\"type\":\"array\",\"uniqueItems\":true,"
                 "\"maxItems\":64,\"items\":{\"type\":\"string\",\"maxLength\":120}},"
                 "\"limits\":{\"$ref\":\"#/$defs/limits\"}}},");
    buf_addf(&b, "\"limits\":%s},\"methods\":{},\"events\":{}}", limits_schema);
    return contract_compile(b.data, b.len, ret_contract, err);
}

/* ---- reading it ---- */

struct svcconf {
    struct orbitald *host;
    bool asking, again;
};

static struct limits limits_of(const json_t *entry)
{
    struct limits limits = {0};
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get(entry, "limits"), name, value)
        limits_set(&limits, name,
                   json_is_string(value) ? memory_of(json_string_value(value))
                                         : (uint64_t)json_integer_value(value));
    return limits;
}

/* What is not said: a shipped package runs as its manifest says, with all it asks for; one of
 * somebody else runs only when it is enabled, with nothing that is not granted. */
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
        list = xcalloc(json_array_size(grants) + 1, sizeof *list);
        for (size_t i = 0; i < json_array_size(grants); i++)
            list[i] = json_string_value(json_array_get(grants, i));
    }
    if (supervisor_configure(host->supervisor, name, run, list, &limits, &err) < 0)
        log_error(host->log, "services.not-applied", KV("service", name), KV("error", err.text));
}

static void configure_all(struct orbitald *host, const json_t *services)
{
    for (unsigned i = 0; i < host->packages.count; i++) {
        const struct package *package = host->packages.items[i];

        configure(host, package, json_object_get(services, package->manifest.name));
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
