/* A launch plan as text and as a hash. Members have a fixed order, so equal plans give equal text;
 * the hash itself is not included. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
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

bool launch_plan_library_allowed(const char *soname)
{
    for (size_t i = 0; i < ARRAY_LEN(library_names); i++)
        if (!strcmp(soname, library_names[i]))
            return true;
    return false;
}

static void add_binds(struct json_write *w, const struct launch_plan *plan)
{
    json_write_array(w, "binds");
    for (unsigned i = 0; i < plan->bind_count; i++) {
        const struct launch_bind *bind = &plan->binds[i];

        json_write_object(w, NULL);
        json_write_string(w, "name", bind->name);
        json_write_string(w, "protocol", bind->udp ? "udp" : "tcp");
        json_write_string(w, "address", bind->address);
        json_write_integer(w, "port", bind->port);
        json_write_end(w);
    }
    json_write_end(w);
}

void launch_plan_describe(const struct launch_plan *plan, struct json_write *w, const char *key)
{
    json_write_object(w, key);
    json_write_string(w, "service", plan->service);
    json_write_string(w, "instance", plan->instance);
    json_write_integer(w, "uid", plan->uid);
    json_write_string(w, "package", plan->package_dir);
    json_write_string(w, "library", plan->library);
    json_write_array(w, "libraries");
    for (unsigned i = 0; i < plan->library_count; i++)
        json_write_string(w, NULL, plan->libraries[i]);
    json_write_end(w);
    json_write_integer(w, "kernel-caps", (int64_t)plan->kernel_caps);
    json_write_string(w, "network", plan->host_net ? "host" : "none");
    json_write_boolean(w, "netlink", plan->netlink);
    json_write_boolean(w, "observe", plan->observe_net);
    add_binds(w, plan);
    json_write_string(w, "state", plan->state_dir);
    json_write_integer(w, "memory", (int64_t)plan->memory_bytes);
    json_write_integer(w, "files", plan->files);
    json_write_integer(w, "threads", plan->threads);
    json_write_integer(w, "min-tier", plan->min_tier);
    json_write_end(w);
}

void launch_plan_seal(struct launch_plan *plan)
{
    AUTO(buf) struct buf json = {0};
    struct json_write w = json_write_to(&json);
    unsigned char hash[32];

    launch_plan_describe(plan, &w, NULL);
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)json.data, json.len, NULL, 0);
    sodium_bin2hex(plan->hash, sizeof(plan->hash), hash, sizeof(hash));
}

void launch_plan_fini(struct launch_plan *plan)
{
    free(plan->package_dir);
    free(plan->library);
    for (unsigned i = 0; i < LAUNCH_MAX_LIBRARIES; i++)
        free(plan->libraries[i]);
    free(plan->state_dir);
    memset(plan, 0, sizeof(*plan));
}

static int copy(char *to, size_t size, const char *from, const char *what, struct orb_err *err)
{
    if (strlen(from) >= size)
        return orb_fail(err, ORB_E_LIMIT, "%s \"%.60s…\" is longer than %zu characters", what, from,
                        size - 1);
    memcpy(to, from, strlen(from) + 1);
    return 0;
}

static int check(const struct launch_plan *plan, struct orb_err *err)
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
    if (plan->bind_count > LAUNCH_MAX_BINDS || plan->library_count > LAUNCH_MAX_LIBRARIES)
        return orb_fail(err, ORB_E_LIMIT, "%s: at most %d sockets and %d libraries", plan->service,
                        LAUNCH_MAX_BINDS, LAUNCH_MAX_LIBRARIES);
    for (unsigned i = 0; i < plan->library_count; i++)
        if (!launch_plan_library_allowed(plan->libraries[i]))
            return orb_fail(err, ORB_E_DENIED,
                            "%s: \"%s\" is not on the list of system libraries; put it into the "
                            "package's lib/",
                            plan->service, plan->libraries[i]);
    return 0;
}

int launch_plan_record(const struct launch_plan *plan, int tier, struct launch *ret_record,
                       struct orb_err *err)
{
    struct launch *to = ret_record;
    int r = check(plan, err);

    if (r < 0)
        return r;
    memset(to, 0, sizeof(*to));
    to->magic = LAUNCH_MAGIC;
    to->size = sizeof(*to);
    to->tier = (uint32_t)tier;
    to->uid = plan->uid;
    to->kernel_caps = plan->kernel_caps;
    to->memory_bytes = plan->memory_bytes ? plan->memory_bytes : LAUNCH_MEMORY;
    to->files = plan->files ? plan->files : LAUNCH_FILES;
    to->threads = plan->threads ? plan->threads : LAUNCH_THREADS;
    to->host_net = plan->host_net;
    to->observe_net = plan->observe_net;
    to->bind_count = plan->bind_count;
    memcpy(to->binds, plan->binds, sizeof(to->binds));
    memcpy(to->service, plan->service, sizeof(to->service));
    to->service[sizeof(to->service) - 1] = '\0';
    r = copy(to->library, sizeof(to->library), plan->library, "library", err);
    if (!r)
        r = copy(to->package_dir, sizeof(to->package_dir), plan->package_dir, "package", err);
    if (!r && plan->state_dir)
        r = copy(to->state_dir, sizeof(to->state_dir), plan->state_dir, "state directory", err);
    to->library_count = plan->library_count;
    for (unsigned i = 0; !r && i < plan->library_count; i++)
        r = copy(to->libraries[i], sizeof(to->libraries[i]), plan->libraries[i], "library", err);
    return r;
}
