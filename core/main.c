/* orbitald: reads the command line, builds the one struct orbitald, wires the rooms together and
 * runs the loop. The same binary is a worker when its first argument says so. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/base/own.h"
#include "core/host/host.h"
#include "core/loop/scope.h"
#include "core/sandbox/sandbox.h"

extern const char host_schema[], auth_schema[], dataplane_schema[], services_schema[];
extern const size_t host_schema_len, auth_schema_len, dataplane_schema_len, services_schema_len;

static const char usage[] =
    "orbitald - the Orbital appliance daemon\n"
    "\n"
    "usage: orbitald [OPTION]...\n"
    "\n"
    "  --state DIR        datastore, keys, crash reports         (/var/lib/orbital)\n"
    "  --run DIR          control socket                         (/run/orbital)\n"
    "  --packages DIR     packages; the first is the shipped one, repeat for more\n"
    "                     (/usr/lib/orbital/packages, then STATE/packages)\n"
    "  --bpffs DIR        pins of the data plane                 (/sys/fs/bpf/orbital)\n"
    "  --instance NAME    name of this instance                  (main)\n"
    "  --first-config FILE  configuration of a new appliance     (/etc/orbital/config.json)\n"
    "  --cgroup DIR       cgroup v2 directory for the workers; \"\" for none  (found)\n"
    "  --no-dataplane     do not touch BPF or nftables\n"
    "  --log-level L      debug, info, notice, warning, error    (info)\n"
    "  --log-output O     stderr, journal, quiet  (journal under systemd, else stderr)\n"
    "  --check-package DIR  say what is wrong with a package directory, and exit\n"
    "  --version, --help\n"
    "\n"
    "Exit status: 0 stopped as asked, 1 could not start, 2 wrong command line.\n";

struct run {
    struct orbitald host;
    uv_signal_t term, interrupt, hangup;
    uv_timer_t watchdog;
    struct loop_scope scope;
    const char *notify_socket;
    uint64_t watchdog_ms;
    int lock_fd;
    struct buf paths[4 + HOST_PACKAGE_DIRS]; /* options made absolute or composed */
};

enum option_id {
    OPT_STATE = 256,
    OPT_RUN,
    OPT_PACKAGES,
    OPT_BPFFS,
    OPT_INSTANCE,
    OPT_FIRST,
    OPT_CGROUP,
    OPT_NO_DATAPLANE,
    OPT_LOG_LEVEL,
    OPT_LOG_OUTPUT,
    OPT_CHECK,
    OPT_VERSION,
    OPT_HELP
};

static const struct option options[] = {
    {"state", required_argument, NULL, OPT_STATE},
    {"run", required_argument, NULL, OPT_RUN},
    {"packages", required_argument, NULL, OPT_PACKAGES},
    {"bpffs", required_argument, NULL, OPT_BPFFS},
    {"instance", required_argument, NULL, OPT_INSTANCE},
    {"first-config", required_argument, NULL, OPT_FIRST},
    {"cgroup", required_argument, NULL, OPT_CGROUP},
    {"no-dataplane", no_argument, NULL, OPT_NO_DATAPLANE},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"log-output", required_argument, NULL, OPT_LOG_OUTPUT},
    {"check-package", required_argument, NULL, OPT_CHECK},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* ---- command line ---- */

static int add_packages(struct host_options *o, const char *dir)
{
    for (unsigned i = 0; i < HOST_PACKAGE_DIRS; i++)
        if (!o->package_dirs[i]) {
            o->package_dirs[i] = dir;
            return 0;
        }
    fprintf(stderr, "orbitald: --packages %s: at most %d directories\n", dir, HOST_PACKAGE_DIRS);
    return -1;
}

static int set_level(struct host_options *o, const char *name)
{
    int level = log_level_parse(name);

    if (level < 0) {
        fprintf(stderr,
                "orbitald: --log-level: expected debug, info, notice, warning or error; got "
                "\"%s\"\n",
                name);
        return -1;
    }
    o->level = (enum log_level)level;
    return 0;
}

static int set_output(struct host_options *o, const char *name)
{
    if (!strcmp(name, "stderr"))
        o->output = LOGS_STDERR;
    else if (!strcmp(name, "journal"))
        o->output = LOGS_JOURNAL;
    else if (!strcmp(name, "quiet"))
        o->output = LOGS_QUIET;
    else {
        fprintf(stderr, "orbitald: --log-output: expected stderr, journal or quiet; got \"%s\"\n",
                name);
        return -1;
    }
    return 0;
}

static int set_instance(struct host_options *o, const char *name)
{
    size_t len = strlen(name);

    if (!len || len > 24 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != len) {
        fprintf(stderr, "orbitald: --instance: expected 1 to 24 of a-z, 0-9 and -; got \"%s\"\n",
                name);
        return -1;
    }
    o->instance = name;
    return 0;
}

/* What the description alone cannot show: would the worker find what it loads? */
static int check_libraries(const struct package *package, struct orb_err *err)
{
    AUTO_FREE char *path = xasprintf("%s/%s", package->dir, package->manifest.library);

    if (access(path, R_OK) < 0)
        return orb_fail_at(err, -errno, "/library", "cannot read %s", path);
    for (unsigned i = 0; package->manifest.libraries[i]; i++) {
        AUTO_FREE char *at = xasprintf("/libraries/%u", i);

        if (!plan_library_allowed(package->manifest.libraries[i]))
            return orb_fail_at(err, ORB_E_DENIED, at,
                               "\"%s\" is not on the list of system libraries; put it into the "
                               "package's lib/",
                               package->manifest.libraries[i]);
    }
    return 0;
}

static int check_package(const char *dir)
{
    AUTO_FREE char *real = realpath(dir, NULL);
    struct package *package = NULL;
    struct orb_err err = {0};

    if (package_load(real ? real : dir, false, &package, &err) < 0 ||
        check_libraries(package, &err) < 0) {
        package_free(package);
        fprintf(stderr, "orbitald: %s%s%s\n", err.path, err.path[0] ? ": " : "", err.text);
        return orb_code_exit(err.code);
    }
    printf("%s %s: interface %s %s, fine\n", package->manifest.name, package->manifest.version,
           contract_interface(package->contract), contract_version(package->contract));
    package_free(package);
    return 0;
}

/* 0 go on, 1 done with *ret_code, -1 wrong. */
static int parse_one(struct host_options *o, int id, const char *value, int *ret_code)
{
    *ret_code = 0;
    switch (id) {
    case OPT_STATE:
        o->state_dir = value;
        return 0;
    case OPT_RUN:
        o->run_dir = value;
        return 0;
    case OPT_PACKAGES:
        return add_packages(o, value);
    case OPT_BPFFS:
        o->bpffs = value;
        return 0;
    case OPT_INSTANCE:
        return set_instance(o, value);
    case OPT_FIRST:
        o->first_config = value;
        return 0;
    case OPT_CGROUP:
        o->cgroup = value;
        return 0;
    case OPT_NO_DATAPLANE:
        o->no_dataplane = true;
        return 0;
    case OPT_LOG_LEVEL:
        return set_level(o, value);
    case OPT_LOG_OUTPUT:
        return set_output(o, value);
    case OPT_CHECK:
        *ret_code = check_package(value);
        return 1;
    case OPT_VERSION:
        puts("orbitald " ORBITAL_VERSION);
        return 1;
    case OPT_HELP:
        fputs(usage, stdout);
        return 1;
    default:
        return -1; /* getopt has said what is wrong */
    }
}

static int parse(struct run *run, int argc, char **argv, int *ret_code)
{
    struct host_options *o = &run->host.options;
    int id, r = 0;

    while (r == 0 && (id = getopt_long(argc, argv, "", options, NULL)) != -1)
        r = parse_one(o, id, optarg, ret_code);
    if (r == 0 && optind < argc) {
        fprintf(stderr, "orbitald: unexpected argument \"%s\"; options begin with --\n",
                argv[optind]);
        r = -1;
    }
    if (r < 0) {
        fputs("Try `orbitald --help`.\n", stderr);
        *ret_code = 2;
        return 1;
    }
    if (r == 0 && !o->package_dirs[0]) {
        o->package_dirs[0] = "/usr/lib/orbital/packages";
        buf_addf(&run->paths[0], "%s/packages", o->state_dir);
        o->package_dirs[1] = buf_str(&run->paths[0]);
    }
    return r;
}

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

static void on_interrupt(uv_signal_t *handle, int number)
{
    stop(container_of(handle, struct run, interrupt));
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

/* Everything below works with absolute paths: workers have another root. */
static void absolute(struct run *run, unsigned slot, const char **path)
{
    AUTO_FREE char *cwd = NULL;

    if ((*path)[0] == '/')
        return;
    cwd = getcwd(NULL, 0);
    buf_addf(&run->paths[slot], "%s/%s", cwd ? cwd : "", *path);
    *path = buf_str(&run->paths[slot]);
}

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

    absolute(run, 1, &o->state_dir);
    absolute(run, 2, &o->run_dir);
    absolute(run, 3, &o->bpffs);
    for (unsigned i = 0; o->package_dirs[i]; i++)
        absolute(run, 4 + i, &o->package_dirs[i]);
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
    if (r == 0)
        r = contract_compile(services_schema, services_schema_len, &host->services_contract, err);
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

static void watch_signals(struct run *run)
{
    loop_scope_init(&run->scope, on_run_closed);
    uv_signal_init(run->host.loop, &run->term);
    loop_scope_adopt(&run->scope, (uv_handle_t *)&run->term);
    uv_signal_start(&run->term, on_term, SIGTERM);
    uv_signal_init(run->host.loop, &run->interrupt);
    loop_scope_adopt(&run->scope, (uv_handle_t *)&run->interrupt);
    uv_signal_start(&run->interrupt, on_interrupt, SIGINT);
    uv_signal_init(run->host.loop, &run->hangup);
    loop_scope_adopt(&run->scope, (uv_handle_t *)&run->hangup);
    uv_signal_start(&run->hangup, on_hangup, SIGHUP);
    uv_timer_init(run->host.loop, &run->watchdog);
    loop_scope_adopt(&run->scope, (uv_handle_t *)&run->watchdog);
    if (run->watchdog_ms)
        uv_timer_start(&run->watchdog, on_watchdog, 0, run->watchdog_ms);
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
    for (unsigned i = 0; i < ARRAY_LEN(run->paths); i++)
        buf_fini(&run->paths[i]);
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
    watch_signals(run);
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
    int code;

    if (argc > 1 && !strcmp(argv[1], "--worker"))
        return worker_main(argc, argv);
    if (parse(&run, argc, argv, &code))
        return code;
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_NOFILE, &files);
    umask(0027);
    code = 0;
    if (run_loop(&run, &err) < 0) {
        fprintf(stderr, "orbitald: %s%s%s\n", err.path, err.path[0] ? ": " : "", err.text);
        code = 1;
    }
    tear_down(&run);
    return code;
}
