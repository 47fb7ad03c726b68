/* orbitald: builds the one struct orbitald, connects its modules and runs the loop. With a first
 * argument --worker the same binary is a worker. */
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/host/arp.h"
#include "core/host/confpart.h"
#include "core/host/health.h"
#include "core/host/host_interface.h"
#include "core/host/inherit.h"
#include "core/host/init.h"
#include "core/host/names.h"
#include "core/host/options.h"
#include "core/host/problem.h"
#include "core/host/run.h"
#include "core/host/service_control.h"
#include "core/host/signals.h"
#include "core/host/starts.h"
#include "core/host/statedir.h"
#include "core/ipc/listen.h"
#include "core/sandbox/sandbox.h"

#define HEAP_STEP (4 << 20) /* bytes by which the heap grows */

extern const char host_schema[];
extern const size_t host_schema_len;

static int identify(void *arg, uid_t uid, gid_t gid, char name[64], char role[16],
                    struct orb_err *err)
{
    struct run *run = arg;

    return names_identify(run->host.names, uid, gid, name, role);
}

static void on_name_known(void *arg)
{
    struct run *run = arg;

    if (run->host.broker)
        listen_identified(run->host.broker);
}

/* ---- wiring ---- */

static int listen_control(struct run *run, struct orb_err *err)
{
    AUTO_FREE char *path = buf_format("%s/control.sock", run->host.options.run_dir);
    struct orb_err odd;
    int fd = inherit_listen(path, &odd);
    int r;

    run->socket_err = odd;
    if (odd.code)
        log_error(run->host.log, "control.socket-refused", KV("error", odd.text));
    r = listen_start(run->host.broker, path, fd, identify, run, err);
    if (r == 0 && names_new(&run->host, path, on_name_known, run, &run->host.names, &odd) < 0)
        log_error(run->host.log, "control.no-names", KV("error", odd.text));
    if (r == 0 || r == ORB_E_CONFLICT || r == ORB_E_INVALID)
        return r;
    /* No client can connect, but packets can be forwarded. */
    run->socket_err = *err;
    *err = (struct orb_err){0};
    log_error(run->host.log, "control.no-socket", KV("error", run->socket_err.text));
    return 0;
}

/* What answers the control socket from the first turn of the loop on. */
static int build(struct run *run, struct orb_err *err)
{
    struct orbitald *host = &run->host;
    int r = broker_new(host->loop, host->log, &host->broker, err);

    if (r < 0)
        return r;
    r = contract_compile(host_schema, host_schema_len, &host->host_contract, err);
    if (r < 0)
        return orb_wrap(err, "built-in contract");
    r = host_interface_provide(host, err);
    return r == 0 ? listen_control(run, err) : r;
}

static void tear_down(struct run *run)
{
    struct orbitald *host = &run->host;

    service_control_end(host);
    confpart_free(host->services);
    confpart_free(host->system);
    confpart_free(host->filter);
    package_fini_all(&host->packages);
    buf_fini(&host->refused);
    contract_free(host->host_contract);
    contract_free(host->auth_contract);
    contract_free(host->dataplane_contract);
    contract_free(host->arp_contract);
    contract_free(host->services_contract);
    contract_free(host->system_contract);
    sandbox_free(host->sandbox);
    auth_free(host->auth);
    metrics_free(host->metrics);
    logs_free(host->logs);
    statedir_close(&run->state);
    options_fini(&host->options);
}

/* A log that cannot be written must not prevent the start. */
static int open_logs(struct run *run, struct orb_err *err)
{
    struct orbitald *host = &run->host;
    struct logs_options options = {.dir = host->options.state_dir,
                                   .output = host->options.output,
                                   .level = host->options.level};
    struct orb_err why = {0};
    int r = logs_new(&options, &host->logs, &why);

    if (r < 0) {
        *err = why;
        return r;
    }
    host->log = logs_sink(host->logs);
    run->log_err = why;
    /* The first record: where one run of the daemon ends and the next begins. */
    log_notice(host->log, "host.start", KV("version", ORBITAL_VERSION),
               KV("instance", host->options.instance), KV("pid", getpid()),
               KV("run", logs_run(host->logs)));
    if (run->state.error.code)
        log_error(host->log, "state.directory", KV("error", run->state.error.text));
    if (run->state.unlocked.code)
        log_error(host->log, "state.not-locked", KV("error", run->state.unlocked.text));
    return 0;
}

static int run_loop(struct run *run, struct orb_err *err)
{
    struct orbitald *host = &run->host;
    uv_loop_t loop;
    int r;

    options_absolute(&host->options);
    r = statedir_open(&host->options, &run->state, err);
    if (r == 0) { /* first of all: whatever ends the daemon from here on is a start that failed */
        run->starts = starts_note(host->options.run_dir, &run->starts_err);
        r = open_logs(run, err);
    }
    if (r < 0)
        return r;
    host->state = &run->state;
    host->metrics = metrics_new();
    host->started_ms = now_ms();
    uv_loop_init(&loop);
    uv_loop_configure(&loop, UV_METRICS_IDLE_TIME);
    host->loop = &loop;
    init_log(&run->init, host->log);
    signals_raise_limits(host->log);
    r = build(run, err);
    if (r == 0)
        r = health_new(host, run->notify_socket, run_ready, run, &host->health, err);
    if (r == 0) {
        if (run->state.error.code)
            problem_set(host, PROBLEM_STATE, HEALTH_DEGRADED, run->state.error.text, "",
                        "mend the file system; it is tried again each second");
        if (run->state.unlocked.code)
            problem_set(host, PROBLEM_LOCK, HEALTH_DEGRADED, run->state.unlocked.text, "",
                        "remove the file, or repair the file system; it is tried "
                        "again each second");
        if (run->log_err.code)
            run_report_log(host, &run->log_err);
        if (run->socket_err.code)
            problem_set(host, "control.socket", HEALTH_DEGRADED, run->socket_err.text, "",
                        "correct orbitald.socket, or remove the file, and restart orbitald");
        starts_decide(host, run->starts, &run->starts_err, run->notify_socket);
        run_watch(run);
        run_begin(run);
    } else if (host->broker) {
        if (r == ORB_E_CONFLICT) /* of another daemon, which does not fail to start */
            starts_forget(host->options.run_dir);
        names_close(take_ptr(host->names));
        broker_close(take_ptr(host->broker));
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) < 0)
        log_error(host->log, "host.handles-left");
    if (r == 0 && run->failed.code) {
        *err = run->failed;
        r = err->code;
    }
    return r;
}

int main(int argc, char **argv)
{
    const char *journal = getenv("JOURNAL_STREAM");
    const char *watchdog = getenv("WATCHDOG_USEC");
    struct run run = {
        .notify_socket = getenv("NOTIFY_SOCKET"),
        .watchdog_ms = watchdog ? strtoull(watchdog, NULL, 10) / 2000 : 0,
        .state = {.dir_fd = -1, .lock_fd = -1},
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
        return stub_main(argc, argv);
    /* Else each thread of the pool keeps memory of its own for rules any of them may compile, and
     * the heap grows and shrinks in steps of 132 KiB, a system call for each, while libnftables
     * reads them. Large pieces, such as a policy, are of the heap as well: each new page costs more
     * than what is copied there. What large work leaves is given back by the one who did it
     * (ruleset.c). */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 2 * HEAP_STEP);
    mallopt(M_TOP_PAD, HEAP_STEP);
    mallopt(M_TRIM_THRESHOLD, 4 * HEAP_STEP);
    signals_begin();
    init_begin(&run.init);
    r = options_parse(&run.host.options, argc, argv, &code);
    if (r)
        return r < 0 ? init_end(&run.init, code) : code;
    umask(0027);
    code = 0;
    if (run_loop(&run, &err) < 0) {
        options_say(&err);
        code = 1;
    }
    tear_down(&run);
    return init_end(&run.init, code);
}
