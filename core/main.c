/* orbitald: builds the one struct orbitald, wires the rooms together and
 * runs the loop. The same binary is a worker when its first argument says so. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/base/own.h"
#include "core/host/host.h"
#include "core/host/init.h"
#include "core/loop/scope.h"
#include "core/sandbox/sandbox.h"

extern const char host_schema[], auth_schema[], dataplane_schema[];
extern const size_t host_schema_len, auth_schema_len, dataplane_schema_len;

struct run {
    struct orbitald host;
    struct init init;
    uv_signal_t term, interrupt, hangup, power;
    uv_timer_t watchdog;
    struct loop_scope scope;
    const char *notify_socket;
    uint64_t watchdog_ms;
    int lock_fd;
};

/* ---- events ---- */

static void on_run_closed(struct loop_scope *scope)
{
}

static void stop(struct run *run)
{
    struct orbitald *host = &run->host;

    if (host->stopping)
        return;
    host->stopping = true;
    log_notice(host->log, "host.stopping");
    notify_send(run->notify_socket, "STOPPING=1\nSTATUS=stopping services\n");
    supervisor_stop(host->supervisor);
}

static void on_term(uv_signal_t *handle, int number)
{
    stop(container_of(handle, struct run, term));
}

/* To a first process the kernel says ctrl-alt-del with SIGINT. */
static void on_interrupt(uv_signal_t *handle, int number)
{
    struct run *run = container_of(handle, struct run, interrupt);

    run->init.restart = run->init.restart || !run->host.stopping;
    stop(run);
}

static void on_power(uv_signal_t *handle, int number)
{
    stop(container_of(handle, struct run, power));
}

static void on_hangup(uv_signal_t *handle, int number)
{
    svcconf_refresh(container_of(handle, struct run, hangup)->host.svcconf);
}

static void on_watchdog(uv_timer_t *timer)
{
    notify_send(container_of(timer, struct run, watchdog)->notify_socket, "WATCHDOG=1\n");
}

static void on_phase(void *arg, enum boot_phase phase)
{
    struct run *run = arg;
    AUTO_FREE char *status = xasprintf(
        "%sSTATUS=%s\n", phase == PHASE_OPERATIONAL ? "READY=1\n" : "", phase_name(phase));

    notify_send(run->notify_socket, status);
    if (phase > PHASE_EARLY && !run->host.stopping)
        supervisor_release(run->host.supervisor); /* config was given up: go on without */
}

static void on_state(void *arg, const char *service, enum service_state state)
{
    struct run *run = arg;
    struct orbitald *host = &run->host;
    AUTO_FREE char *event =
        xasprintf("{\"service\":\"%s\",\"state\":\"%s\"}", service, state_name(state));
    struct orb_err err;

    broker_publish(host->broker, "host", "service-state", event, strlen(event), &err);
    if (!strcmp(service, "config") && state == SERVICE_RUNNING && !host->stopping)
        svcconf_refresh(host->svcconf);
}

static void on_stopped(void *arg)
{
    struct run *run = arg;
    struct orbitald *host = &run->host;

    log_notice(host->log, "host.stopped");
    loop_scope_close(&run->scope);
    dpservice_close(take_ptr(host->dataplane));
    supervisor_close(take_ptr(host->supervisor));
    broker_close(take_ptr(host->broker));
}

static void on_bad_package(void *arg, const char *dir, const struct orb_err *err)
{
    struct run *run = arg;

    log_error(run->host.log, "package.refused", KV("dir", dir), KV("path", err->path),
              KV("error", err->text));
}

static int identify(void *arg, uid_t uid, gid_t gid, char name[64], char role[16],
                    struct orb_err *err)
{
    struct run *run = arg;

    return auth_identify(run->host.auth, uid, gid, name, role, err);
}

/* ---- wiring ---- */

/* One daemon a state directory: a second one is told so. The lock goes with the process. */
static int lock_state(struct run *run, struct orb_err *err)
{
    AUTO_FREE char *path = xasprintf("%s/lock", run->host.options.state_dir);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    run->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (run->lock_fd < 0)
        return orb_fail(err, -errno, "cannot open %s", path);
    if (fcntl(run->lock_fd, F_SETLK, &lock) < 0)
        return orb_fail(err, ORB_E_STATE,
                        "another orbitald uses %s; stop it or give another --state",
                        run->host.options.state_dir);
    return 0;
}

static int make_dirs(struct run *run, struct orb_err *err)
{
    struct host_options *o = &run->host.options;
    AUTO_FREE char *services = NULL;
    int r;

    options_absolute(o);
    services = xasprintf("%s/services", o->state_dir);
    r = dir_make(o->state_dir, 0755, err);

    if (r == 0)
        r = dir_make(services, 0711, err);
    if (r == 0)
        r = dir_make(o->run_dir, 0755, err);
    return r == 0 ? lock_state(run, err) : r;
}

static int compile_contracts(struct orbitald *host, struct orb_err *err)
{
    int r = contract_compile(host_schema, host_schema_len, &host->host_contract, err);

    if (r == 0)
        r = contract_compile(auth_schema, auth_schema_len, &host->auth_contract, err);
    if (r == 0)
        r = contract_compile(dataplane_schema, dataplane_schema_len, &host->dataplane_contract,
                             err);
    host->builtin[0] = host->host_contract;
    host->builtin[1] = host->auth_contract;
    host->builtin[2] = host->dataplane_contract;
    return r < 0 ? orb_wrap(err, "built-in contract") : 0;
}

static void expect_interfaces(struct orbitald *host)
{
    struct orb_err err = {0};

    for (unsigned i = 0; i < host->packages.count; i++)
        if (broker_expect(host->broker, host->packages.items[i]->contract, &err) < 0)
            log_warn(host->log, "package.interface-twice",
                     KV("package", host->packages.items[i]->manifest.name), KV("error", err.text));
}

static int listen_control(struct run *run, struct orb_err *err)
{
    AUTO_FREE char *path = xasprintf("%s/control.sock", run->host.options.run_dir);
    const struct group *group = getgrnam("orbital");
    int r = broker_listen(run->host.broker, path, identify, run, err);

    if (r == 0 && group)
        (void)!chown(path, 0, group->gr_gid);
    return r;
}

static int build(struct run *run, struct orb_err *err)
{
    struct orbitald *host = &run->host;
    struct sandbox_options sandbox = {.cgroup_root = host->options.cgroup,
                                      .instance = host->options.instance};
    struct supervisor_setup setup = {0};
    int r = auth_new(host->options.state_dir, &host->auth, err);

    if (r == 0)
        r = sandbox_new(&sandbox, &host->sandbox, err);
    if (r == 0)
        r = broker_new(host->loop, host->log, &host->broker, err);
    if (r == 0)
        r = compile_contracts(host, err);
    if (r < 0)
        return r;
    packages_scan(host->options.package_dirs, &host->packages, on_bad_package, run);
    r = services_contract_make(&host->packages, &host->services_contract, err);
    if (r < 0)
        return orb_wrap(err, "the contract of /services");
    if (!host->packages.count)
        log_warn(host->log, "package.none", KV("dir", host->options.package_dirs[0]));
    expect_interfaces(host);
    setup = (struct supervisor_setup){
        .loop = host->loop,
        .broker = host->broker,
        .sandbox = host->sandbox,
        .logs = host->logs,
        .metrics = host->metrics,
        .instance = host->options.instance,
        .state_dir = host->options.state_dir,
        .packages = &host->packages,
        .builtin = host->builtin,
        .on_phase = on_phase,
        .on_state = on_state,
        .on_stopped = on_stopped,
        .arg = run,
    };
    r = supervisor_new(&setup, &host->supervisor, err);
    if (r == 0)
        r = host_provide(host, err);
    if (r == 0)
        r = auth_provide(host, err);
    if (r == 0)
        r = dpservice_new(host, &host->dataplane, err);
    if (r == 0)
        r = svcconf_new(host, &host->svcconf, err);
    return r == 0 ? listen_control(run, err) : r;
}

static void watch_signal(struct run *run, uv_signal_t *handle, int number, uv_signal_cb cb)
{
    uv_signal_init(run->host.loop, handle);
    loop_scope_adopt(&run->scope, (uv_handle_t *)handle);
    uv_signal_start(handle, cb, number);
}

static void watch(struct run *run)
{
    loop_scope_init(&run->scope, on_run_closed);
    uv_timer_init(run->host.loop, &run->watchdog);
    loop_scope_adopt(&run->scope, (uv_handle_t *)&run->watchdog);
    if (run->watchdog_ms)
        uv_timer_start(&run->watchdog, on_watchdog, 0, run->watchdog_ms);
    watch_signal(run, &run->term, SIGTERM, on_term);
    watch_signal(run, &run->interrupt, SIGINT, on_interrupt);
    watch_signal(run, &run->hangup, SIGHUP, on_hangup);
    if (run->init.active)
        watch_signal(run, &run->power, SIGPWR, on_power);
    init_watch(&run->init, &run->host, &run->scope);
}

static void tear_down(struct run *run)
{
    struct orbitald *host = &run->host;

    svcconf_free(host->svcconf);
    packages_fini(&host->packages);
    contract_free(host->host_contract);
    contract_free(host->auth_contract);
    contract_free(host->dataplane_contract);
    contract_free(host->services_contract);
    sandbox_free(host->sandbox);
    auth_free(host->auth);
    metrics_free(host->metrics);
    logs_free(host->logs);
    if (run->lock_fd >= 0)
        close(run->lock_fd);
    options_fini(&host->options);
}

static int run_loop(struct run *run, struct orb_err *err)
{
    struct orbitald *host = &run->host;
    struct logs_options logs = {.dir = host->options.state_dir,
                                .output = host->options.output,
                                .level = host->options.level};
    uv_loop_t loop;
    int r = make_dirs(run, err);

    if (r == 0)
        r = logs_new(&logs, &host->logs, err);
    if (r < 0)
        return r;
    host->log = logs_sink(host->logs);
    host->metrics = metrics_new();
    host->started_ms = now_ms();
    uv_loop_init(&loop);
    host->loop = &loop;
    log_notice(host->log, "host.start", KV("version", ORBITAL_VERSION),
               KV("instance", host->options.instance), KV("pid", getpid()));
    init_log(&run->init, host->log);
    r = build(run, err);
    if (r < 0) {
        /* Nothing was started yet: close what was built and say why. */
        dpservice_close(host->dataplane);
        supervisor_close(host->supervisor);
        if (host->broker)
            broker_close(host->broker);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        return r;
    }
    watch(run);
    supervisor_start(host->supervisor);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) < 0)
        log_error(host->log, "host.handles-left");
    return 0;
}

int main(int argc, char **argv)
{
    const char *journal = getenv("JOURNAL_STREAM");
    const char *watchdog = getenv("WATCHDOG_USEC");
    struct rlimit files = {.rlim_cur = 65536, .rlim_max = 65536};
    struct run run = {
        .notify_socket = getenv("NOTIFY_SOCKET"),
        .watchdog_ms = watchdog ? strtoull(watchdog, NULL, 10) / 2000 : 0,
        .lock_fd = -1,
        .host.options = {.state_dir = "/var/lib/orbital",
                         .run_dir = "/run/orbital",
                         .bpffs = "/sys/fs/bpf/orbital",
                         .instance = "main",
                         .first_config = "/etc/orbital/config.json",
                         .output = journal ? LOGS_JOURNAL : LOGS_STDERR,
                         .level = LOG_LEVEL_INFO},
    };
    struct orb_err err = {0};
    int code, r;

    if (argc > 1 && !strcmp(argv[1], "--worker"))
        return worker_main(argc, argv);
    init_begin(&run.init);
    r = options_parse(&run.host.options, argc, argv, &code);
    if (r)
        return r < 0 ? init_end(&run.init, code) : code;
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_NOFILE, &files);
    umask(0027);
    code = 0;
    if (run_loop(&run, &err) < 0) {
        fprintf(stderr, "orbitald: %s%s%s\n", err.path, err.path[0] ? ": " : "", err.text);
        code = 1;
    }
    tear_down(&run);
    return init_end(&run.init, code);
}
