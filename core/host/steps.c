/* The order matters: a step uses what earlier ones made. A failing step ends the start; optional
 * features do not fail, they report the reason. */
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/xalloc.h"
#include "core/host/auth_interface.h"
#include "core/host/dpservice.h"
#include "core/host/filterconf.h"
#include "core/host/logconf.h"
#include "core/host/steps.h"
#include "core/host/svcconf.h"

#include <string.h>
#include <sys/resource.h>

#include "core/base/own.h"
#include "core/host/arp.h"
#include "core/host/problem.h"
#include "core/host/health.h"
#include "core/sup/crash.h"
#include "core/sup/service.h"
#include "core/sup/uids.h"

#define REFUSED_MOST (32u << 10) /* bytes reported about refused packages */
#define REFUSED_NAME 128         /* of them, at most: the name of one, its directory, the reason */
#define REFUSED_DIR 512
#define REFUSED_WHY 512
#define REFUSED_REASONS 16 /* of them in the health report, which has others as well */
#define FILES_OF_HOST 512u
#define FILE_LEAST (1u << 20) /* bytes: filters, locks and counts fit */
#define FILES_OF_SERVICE 16u

extern const char auth_schema[], dataplane_schema[], arp_schema[];
extern const size_t auth_schema_len, dataplane_schema_len, arp_schema_len;

static int make_auth(struct steps *s, struct orb_err *err)
{
    struct orbitald *host = s->host;
    int r = auth_new(host->options.state_dir, &host->auth, err);

    if (r == 0)
        r = contract_compile(auth_schema, auth_schema_len, &host->auth_contract, err);
    if (r < 0)
        return r;
    auth_interface_check_tokens(host);
    return auth_interface_provide(host, err);
}

static int make_sandbox(struct steps *s, struct orb_err *err)
{
    struct orbitald *host = s->host;
    struct sandbox_options options = {.cgroup_root = host->options.cgroup,
                                      .instance = host->options.instance};
    struct rlimit size;

    if (getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur < FILE_LEAST)
        return orb_fail(
            err, ORB_E_STATE,
            "orbitald may write files of at most %llu bytes (RLIMIT_FSIZE) and needs at "
            "least %u to start: start it without that limit (LimitFSIZE=infinity in "
            "the unit, ulimit -f unlimited in a shell)",
            (unsigned long long)size.rlim_cur, FILE_LEAST);
    return sandbox_new(&options, &host->sandbox, err);
}

/* A refused package: noted on the thread, reported on the loop. */
struct refusal {
    struct refusal *next;
    char *dir;
    struct orb_err err;
};

static void on_bad_package(void *arg, const char *dir, const struct orb_err *err)
{
    struct steps *s = arg;
    struct refusal *refusal = xcalloc(1, sizeof(*refusal)), **end = &s->refused;

    refusal->dir = xstrdup(dir);
    refusal->err = *err;
    while (*end)
        end = &(*end)->next;
    *end = refusal;
}

/* A package directly below the first package directory is the appliance's own. */
static bool is_shipped(const struct orbitald *host, const char *dir)
{
    const char *shipped = host->options.package_dirs[0];
    size_t len = shipped ? strlen(shipped) : 0;

    return len && !strncmp(dir, shipped, len) && (dir[len] == '/' || shipped[len - 1] == '/');
}

/* One problem for each of the first, one for all others. */
static void add_problem(struct steps *s, const char *dir, const char *what)
{
    enum health_level level = is_shipped(s->host, dir) ? HEALTH_FAILED : HEALTH_DEGRADED;
    AUTO_FREE char *all = NULL;
    char key[32];

    s->refused_count++;
    snprintf(key, sizeof(key), "package:%u", s->refused_count);
    if (level > s->refused_level && s->refused_count > REFUSED_REASONS)
        s->refused_level = level;
    if (s->refused_count > REFUSED_REASONS) {
        all = buf_format("%u more packages were refused, the last one is %s",
                         s->refused_count - REFUSED_REASONS, dir);
        snprintf(key, sizeof(key), "packages");
        level = s->refused_level;
    }
    /* What phase it would have had is not known: the firewall may be what is missing. */
    problem_set(s->host, key, level, all ? all : what, "",
                "mend or remove the package, then restart orbitald");
}

static void tell_refusal(struct steps *s, const char *dir, const struct orb_err *err)
{
    struct orbitald *host = s->host;
    struct json_write w = json_write_to(&host->refused);
    const char *name = strrchr(dir, '/') ? strrchr(dir, '/') + 1 : dir;
    AUTO_FREE char *what = buf_format("the package %s was refused: %s%s%s", dir, err->path,
                                      err->path[0] ? ": " : "", err->text);

    log_error(host->log, "package.refused", KV("dir", dir), KV("path", err->path),
              KV("error", err->text));
    add_problem(s, dir, what);
    if (host->refused.len > REFUSED_MOST) {
        host->refused_more++;
        return;
    }
    if (host->refused.len)
        buf_addc(&host->refused, ',');
    json_write_object(&w, NULL);
    json_write_most(&w, "name", name, REFUSED_NAME);
    json_write_most(&w, "dir", dir, REFUSED_DIR);
    json_write_most(&w, "error", err->text, REFUSED_WHY);
    json_write_end(&w);
}

/* Reports the refusals, or only frees them. */
static void tell_refusals(struct steps *s, bool tell)
{
    while (s->refused) {
        struct refusal *refusal = s->refused;

        s->refused = refusal->next;
        if (tell)
            tell_refusal(s, refusal->dir, &refusal->err);
        free(refusal->dir);
        free(refusal);
    }
}

/* On a thread: what earlier runs left of the services. */
static void read_crashes(struct steps *s)
{
    const struct orbitald *host = s->host;

    s->crashes = xcalloc(host->packages.count, sizeof(*s->crashes));
    s->crash_count = host->packages.count;
    for (unsigned i = 0; i < s->crash_count; i++)
        crash_log_read(host->options.state_dir, host->packages.items[i]->manifest.name,
                       &s->crashes[i]);
}

static void take_crashes(struct steps *s)
{
    struct orbitald *host = s->host;

    for (unsigned i = 0; i < s->crash_count; i++) {
        struct service *service =
            supervisor_find(host->supervisor, host->packages.items[i]->manifest.name);

        if (service)
            crash_log_take(&service->crashes, &s->crashes[i], host->log);
    }
}

static void free_crashes(struct steps *s)
{
    for (unsigned i = 0; i < s->crash_count; i++)
        crash_log_fini(&s->crashes[i]);
    free(take_ptr(s->crashes));
    s->crash_count = 0;
}

static void expect_interfaces(struct orbitald *host)
{
    struct orb_err err = {0};

    for (unsigned i = 0; i < host->packages.count; i++)
        if (broker_expect(host->broker, host->packages.items[i]->contract, &err) < 0)
            log_warn(host->log, "package.interface-twice",
                     KV("package", host->packages.items[i]->manifest.name), KV("error", err.text));
}

/* On a thread: many files, and the contracts of all of them. */
static void scan_packages(struct steps *s)
{
    struct orbitald *host = s->host;

    package_scan_all(host->options.package_dirs, &host->packages, on_bad_package, s);
    uids_assign(host->options.state_dir, &host->packages, on_bad_package, s, &s->uids);
}

/* Each worker needs descriptors of the daemon: with too few the last services would never start. */
static void check_files(struct orbitald *host)
{
    unsigned need = FILES_OF_HOST + FILES_OF_SERVICE * host->packages.count;
    AUTO_FREE char *what = NULL;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= need)
        return;
    what = buf_format("orbitald may have %llu files open; %u packages and their clients need up to "
                      "%u",
                      (unsigned long long)files.rlim_cur, host->packages.count, need);
    problem_set(host, "host.few-files", HEALTH_DEGRADED, what, "",
                "LimitNOFILE=65536 in the unit, then restart orbitald");
}

static int take_packages(struct steps *s, struct orb_err *err)
{
    struct orbitald *host = s->host;
    AUTO(buf) struct buf unlisted = {0};
    int r;

    tell_refusals(s, true);
    if (s->uids.code) /* costs nothing now: they are known from the directories as well */
        log_warn(host->log, "package.uids-file", KV("error", s->uids.text));
    r = svcconf_contract(&host->packages, &host->services_contract, &unlisted, err);
    if (r < 0)
        return orb_wrap(err, "the contract of /services");
    if (unlisted.len) {
        AUTO_FREE char *what = buf_format(
            "the capabilities requested by %.200s do not fit into the schema of /services",
            buf_str(&unlisted));

        problem_set(host, "package.grants-unlisted", HEALTH_DEGRADED, what, "/services",
                    "remove the package, or grant it by the names in its manifest");
    }
    r = logconf_contract(&host->packages, &host->system_contract, err);
    if (r < 0)
        return orb_wrap(err, "the contract of /system");
    if (!host->packages.count)
        log_warn(host->log, "package.none", KV("dir", host->options.package_dirs[0]));
    expect_interfaces(host);
    check_files(host);
    return 0;
}

static int make_dataplane(struct steps *s, struct orb_err *err)
{
    struct orbitald *host = s->host;
    int r =
        contract_compile(dataplane_schema, dataplane_schema_len, &host->dataplane_contract, err);

    if (host->options.no_dataplane)
        problem_set(host, "dataplane.absent", HEALTH_DEGRADED,
                    "orbitald runs with --no-dataplane: no firewall and no fast path", "",
                    "restart it without that option");
    if (r == 0)
        r = contract_compile(arp_schema, arp_schema_len, &host->arp_contract, err);
    if (r < 0)
        return orb_wrap(err, "built-in contract");
    r = dpservice_new(host, &host->dataplane, err);
    return r < 0 ? r : arp_new(host, &host->arp, err);
}

static int make_supervisor(struct steps *s, struct orb_err *err)
{
    struct orbitald *host = s->host;
    struct runtime_setup setup = {
        .loop = host->loop,
        .broker = host->broker,
        .sandbox = host->sandbox,
        .logs = host->logs,
        .metrics = host->metrics,
        .supervisor = *s->supervisor,
    };
    int r;

    host->builtin[0] = host->host_contract;
    host->builtin[1] = host->auth_contract;
    host->builtin[2] = host->dataplane_contract;
    host->builtin[3] = host->arp_contract;
    setup.supervisor.instance = host->options.instance;
    setup.supervisor.state_dir = host->options.state_dir;
    setup.supervisor.packages = &host->packages;
    setup.supervisor.builtin = host->builtin;
    r = runtime_new(&setup, &host->runtime, err);
    if (r < 0)
        return r;
    host->supervisor = runtime_supervisor(host->runtime);
    take_crashes(s);
    r = svcconf_new(host, &host->services, err);
    if (r == 0)
        r = filterconf_check(host, false, err);
    return r < 0 ? r : logconf_new(host, &host->system, err);
}

static const struct {
    const char *name;
    int (*run)(struct steps *s, struct orb_err *err);
    void (*thread)(struct steps *s); /* runs first, on a thread */
} table[] = {
    {"control", NULL, NULL}, /* a turn in which only the control socket is served */
    {"tokens", make_auth, NULL},
    {"sandbox", make_sandbox, NULL},
    {"packages", take_packages, scan_packages},
    {"data plane", make_dataplane, NULL},
    {"services", make_supervisor, read_crashes},
};

static void run_step(struct steps *s)
{
    struct orb_err err = {0};
    uint64_t began = now_ns();
    int r = table[s->at].run ? table[s->at].run(s, &err) : 0;

    log_debug(s->host->log, "boot.step", KV("step", table[s->at].name),
              KV("us", (now_ns() - began) / 1000));
    s->at++;
    if (r == 0 && s->at < ARRAY_LEN(table)) {
        s->host->starting = table[s->at].name;
        broker_starting(s->host->broker, s->host->starting);
        return;
    }
    steps_stop(s);
    s->host->starting = NULL;
    broker_starting(s->host->broker, NULL);
    s->done(s->arg, r, &err);
}

static void on_turn(uv_idle_t *idle);

static void on_thread(uv_work_t *work)
{
    struct steps *s = container_of(work, struct steps, work);

    table[s->at].thread(s);
}

static void on_thread_done(uv_work_t *work, int status)
{
    struct steps *s = container_of(work, struct steps, work);

    if (!s->running) { /* stopping was requested in between */
        tell_refusals(s, false);
        free_crashes(s);
        return;
    }
    uv_idle_start(&s->turn, on_turn);
    run_step(s);
    free_crashes(s);
}

static void on_turn(uv_idle_t *idle)
{
    struct steps *s = container_of(idle, struct steps, turn);

    if (!table[s->at].thread) {
        run_step(s);
        return;
    }
    uv_idle_stop(idle);
    uv_queue_work(s->host->loop, &s->work, on_thread, on_thread_done);
}

void steps_start(struct steps *s, struct loop_scope *scope)
{
    uv_idle_init(s->host->loop, &s->turn);
    loop_scope_adopt(scope, (uv_handle_t *)&s->turn);
    s->at = 0;
    s->running = true;
    s->host->starting = table[0].name;
    broker_starting(s->host->broker, s->host->starting);
    uv_idle_start(&s->turn, on_turn);
}

void steps_stop(struct steps *s)
{
    if (!s->running)
        return;
    s->running = false;
    uv_idle_stop(&s->turn);
}
