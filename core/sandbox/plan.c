/* A launch plan as text and as a hash. The members stand in one fixed order, so equal plans give
 * equal text; the hash itself is not part of it. */
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/sandbox/launch.h"
#include "core/sandbox/sandbox.h"

/* Libraries of the system the stub may load before the sandbox closes: what the shipped packages
 * are built on and nothing that runs helpers, reads user configuration or loads modules. */
static const char *const library_names[] = {
    "libcjson.so.1",       "libgcc_s.so.1",  "libjansson.so.4",      "libm.so.6",
    "libmicrohttpd.so.12", "libnl-3.so.200", "libnl-route-3.so.200", "libpcre2-8.so.0",
    "libsodium.so.23",     "libuv.so.1",
};

bool plan_library_allowed(const char *soname)
{
    for (size_t i = 0; i < ARRAY_LEN(library_names); i++)
        if (!strcmp(soname, library_names[i]))
            return true;
    return false;
}

static void add_member(struct buf *json, const char *name, const char *text)
{
    buf_addf(json, ",\"%s\":", name);
    if (text)
        buf_add_json(json, text, strlen(text));
    else
        buf_adds(json, "null");
}

static void add_binds(struct buf *json, const struct plan *plan)
{
    buf_adds(json, ",\"binds\":[");
    for (unsigned i = 0; i < plan->bind_count; i++) {
        const struct plan_bind *bind = &plan->binds[i];

        buf_addf(json, "%s{\"name\":", i ? "," : "");
        buf_add_json(json, bind->name, strlen(bind->name));
        add_member(json, "protocol", bind->udp ? "udp" : "tcp");
        add_member(json, "address", bind->address);
        buf_addf(json, ",\"port\":%u}", bind->port);
    }
    buf_addc(json, ']');
}

void plan_describe(const struct plan *plan, struct buf *ret_json)
{
    buf_adds(ret_json, "{\"service\":");
    buf_add_json(ret_json, plan->service, strlen(plan->service));
    add_member(ret_json, "instance", plan->instance);
    buf_addf(ret_json, ",\"uid\":%" PRIu32, plan->uid);
    add_member(ret_json, "package", plan->package_dir);
    add_member(ret_json, "library", plan->library);
    buf_adds(ret_json, ",\"libraries\":[");
    for (unsigned i = 0; i < plan->library_count; i++) {
        buf_adds(ret_json, i ? "," : "");
        buf_add_json(ret_json, plan->libraries[i], strlen(plan->libraries[i]));
    }
    buf_addf(ret_json, "],\"kernel-caps\":%" PRIu64 ",\"network\":\"%s\"", plan->kernel_caps,
             plan->host_net ? "host" : "none");
    buf_addf(ret_json, ",\"netlink\":%s,\"observe\":%s", plan->netlink ? "true" : "false",
             plan->observe_net ? "true" : "false");
    add_binds(ret_json, plan);
    add_member(ret_json, "state", plan->state_dir);
    buf_addf(ret_json,
             ",\"memory\":%" PRIu64 ",\"files\":%" PRIu32 ",\"threads\":%" PRIu32
             ",\"min-tier\":%d}",
             plan->memory_bytes, plan->files, plan->threads, plan->min_tier);
}

void plan_seal(struct plan *plan)
{
    AUTO(buf) struct buf json = {0};
    unsigned char hash[32];

    plan_describe(plan, &json);
    crypto_generichash(hash, sizeof hash, (const unsigned char *)json.data, json.len, NULL, 0);
    sodium_bin2hex(plan->hash, sizeof plan->hash, hash, sizeof hash);
}

void plan_fini(struct plan *plan)
{
    free(plan->package_dir);
    free(plan->library);
    for (unsigned i = 0; i < PLAN_MAX_LIBRARIES; i++)
        free(plan->libraries[i]);
    free(plan->state_dir);
    memset(plan, 0, sizeof *plan);
}

static int copy(char *to, size_t size, const char *from, const char *what, struct orb_err *err)
{
    if (strlen(from) >= size)
        return orb_fail(err, ORB_E_LIMIT, "%s \"%.60s…\" is longer than %zu characters", what, from,
                        size - 1);
    memcpy(to, from, strlen(from) + 1);
    return 0;
}

static int check(const struct plan *plan, struct orb_err *err)
{
    if (!plan->uid)
        return orb_fail(err, ORB_E_INVALID, "%s: a worker never runs as uid 0", plan->service);
    if (!plan->package_dir || plan->package_dir[0] != '/' || !plan->library ||
        plan->library[0] == '/' || strstr(plan->library, ".."))
        return orb_fail(err, ORB_E_INVALID,
                        "%s: package \"%s\" must be absolute and library \"%s\" lie inside it",
                        plan->service, plan->package_dir ? plan->package_dir : "",
                        plan->library ? plan->library : "");
    if (plan->files && plan->files < LAUNCH_MIN_FILES)
        return orb_fail(err, ORB_E_INVALID, "%s: a limit of %u files is too low, at least %u",
                        plan->service, plan->files, LAUNCH_MIN_FILES);
    if (plan->bind_count > PLAN_MAX_BINDS || plan->library_count > PLAN_MAX_LIBRARIES)
        return orb_fail(err, ORB_E_LIMIT, "%s: at most %d sockets and %d libraries", plan->service,
                        PLAN_MAX_BINDS, PLAN_MAX_LIBRARIES);
    for (unsigned i = 0; i < plan->library_count; i++)
        if (!plan_library_allowed(plan->libraries[i]))
            return orb_fail(err, ORB_E_DENIED,
                            "%s: \"%s\" is not on the list of system libraries; put it into the "
                            "package's lib/",
                            plan->service, plan->libraries[i]);
    return 0;
}

int launch_fill(const struct plan *plan, int tier, struct launch *ret_record, struct orb_err *err)
{
    struct launch *to = ret_record;
    int r = check(plan, err);

    if (r < 0)
        return r;
    memset(to, 0, sizeof *to);
    to->magic = LAUNCH_MAGIC;
    to->size = sizeof *to;
    to->tier = (uint32_t)tier;
    to->uid = plan->uid;
    to->kernel_caps = plan->kernel_caps;
    to->memory_bytes = plan->memory_bytes ? plan->memory_bytes : LAUNCH_MEMORY;
    to->files = plan->files ? plan->files : LAUNCH_FILES;
    to->threads = plan->threads ? plan->threads : LAUNCH_THREADS;
    to->host_net = plan->host_net;
    to->observe_net = plan->observe_net;
    to->bind_count = plan->bind_count;
    memcpy(to->binds, plan->binds, sizeof to->binds);
    memcpy(to->service, plan->service, sizeof to->service);
    to->service[sizeof to->service - 1] = '\0';
    r = copy(to->library, sizeof to->library, plan->library, "library", err);
    if (!r)
        r = copy(to->package_dir, sizeof to->package_dir, plan->package_dir, "package", err);
    if (!r && plan->state_dir)
        r = copy(to->state_dir, sizeof to->state_dir, plan->state_dir, "state directory", err);
    to->library_count = plan->library_count;
    for (unsigned i = 0; !r && i < plan->library_count; i++)
        r = copy(to->libraries[i], sizeof to->libraries[i], plan->libraries[i], "library", err);
    return r;
}
