/* orbitald: builds the one struct orbitald, connects its modules and runs the loop. With a first
 * argument --worker the same binary is a worker. */
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/host/arp.h"
#include "core/host/auth_interface.h"
#include "core/host/confpart.h"
#include "core/host/dpservice.h"
#include "core/host/good.h"
#include "core/host/host_interface.h"
#include "core/host/inherit.h"
#include "core/host/init.h"
#include "core/host/logs_interface.h"
#include "core/host/names.h"
#include "core/host/notify.h"
#include "core/host/options.h"
#include "core/host/problem.h"
#include "core/host/signals.h"
#include "core/host/stall.h"
#include "core/host/starts.h"
#include "core/host/statedir.h"
#include "core/host/steps.h"
#include "core/host/health.h"
#include "core/host/service_control.h"
#include "core/ipc/listen.h"
#include "core/loop/loop_scope.h"
#include "core/sandbox/sandbox.h"

#define PATIENCE_MS 10000

extern const char host_schema[];
extern const size_t host_schema_len;

struct run {
    struct orbitald host;
    struct init init;
    struct steps steps;
    struct stall stall;
    struct good good;
    struct supervisor_setup supervisor;
    struct statedir state;
    struct orb_err failed;              /* code 0: it did not */
    struct orb_err log_err, socket_err; /* kept until a problem can be set */
    struct orb_err starts_err;
    unsigned starts; /* within the window, this one counted */
    uv_signal_t term, interrupt, hangup, power, reopen;
    uv_timer_t watchdog, patience;
    struct loop_scope scope;
    const char *notify_socket;
    uint64_t watchdog_ms;
};

/* ---- events ---- */

static void on_run_closed(struct loop_scope *scope)
{
}

static void on_stopped(void *arg)
{
    struct run *run = arg;
    struct orbitald *host = &run->host;

    log_notice(host->log, "host.stopped");
    loop_scope_close(&run->scope);
    health_close(take_ptr(host->health));
    dpservice_close(take_ptr(host->dataplane));
    arp_close(take_ptr(host->arp));
    names_close(take_ptr(host->names));
    host->supervisor = NULL;
    runtime_close(take_ptr(host->runtime));
    broker_close(take_ptr(host->broker));
}

/* While the loop runs, start or stop is in progress, however long it takes. */
static void on_patience(uv_timer_t *timer)
{
    notify_send(container_of(timer, struct run, patience)->notify_socket,
                "EXTEND_TIMEOUT_USEC=60000000\n");
}

static void stop(struct run *run)
{
    struct orbitald *host = &run->host;

    if (host->stopping)
        return;
    host->stopping = true;
    log_notice(host->log, "host.stopping");
    logs_interface_hurry(host);
    notify_send(run->notify_socket, "STOPPING=1\nSTATUS=stopping services\n");
    if (run->notify_socket) /* each service has its own time to stop; systemd's is for all of them
                             */
        uv_timer_start(&run->patience, on_patience, 0, PATIENCE_MS);
    starts_forget(host->options.run_dir); /* stopped on request, not failed */
    if (run->steps.running) {
        steps_stop(&run->steps);
        on_stopped(run);
    } else {
        supervisor_stop(host->supervisor);
    }
}

static void on_term(uv_signal_t *handle, int number)
{
    stop(container_of(handle, struct run, term));
}

/* For PID 1 the kernel reports ctrl-alt-del as SIGINT. */
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
    struct orbitald *host = &container_of(handle, struct run, hangup)->host;

    if (host->starting || host->stopping)
        return; /* all of it is about to be read */
    if (auth_damage(host->auth)) {
        auth_reload(host->auth);
        auth_interface_check_tokens(host);
    }
    confpart_refresh(host->services);
    confpart_refresh(host->system);
    if (host->filter)
        confpart_refresh(host->filter);
}

static void report_log_error(struct orbitald *host, const struct orb_err *err)
{
    log_error(host->log, "log.no-file", KV("error", err->text));
    problem_set(host, "log.no-file", HEALTH_DEGRADED, err->text, "",
                "make it writable, then `systemctl kill -s USR1 orbitald`; until then records "
                "are lost with the next restart");
}

static void on_reopen(uv_signal_t *handle, int number)
{
    struct orbitald *host = &container_of(handle, struct run, reopen)->host;
    struct orb_err err = {0};

    if (logs_files_reopen(host->logs, &err) != 0) {
        report_log_error(host, &err);
        return;
    }
    log_notice(host->log, "log.reopened");
    problem_clear(host, "log.no-file");
}

static void on_watchdog(uv_timer_t *timer)
{
    notify_send(container_of(timer, struct run, watchdog)->notify_socket, "WATCHDOG=1\n");
}

/* The boot is complete and health is not failed: READY=1 was sent. */
static void on_ready(void *arg)
{
    struct run *run = arg;

    starts_forget(run->host.options.run_dir);
    uv_timer_stop(&run->patience);
    good_watch(&run->good);
}

static void on_health(void *arg, const char *service)
{
    struct run *run = arg;

    health_changed(run->host.health);
}

static void on_phase(void *arg, enum boot_phase phase)
{
    struct run *run = arg;

    health_changed(run->host.health);
    if (phase > PHASE_EARLY && !run->host.stopping)
        supervisor_release(run->host.supervisor); /* config failed to start: continue without */
}

static void on_state(void *arg, const char *service, enum service_state state)
{
    struct run *run = arg;
    struct orbitald *host = &run->host;
    AUTO(buf) struct buf event = {0};
    struct json_write w = json_write_to(&event);
    struct orb_err err;

    json_write_object(&w, NULL);
    json_write_string(&w, "service", service);
    json_write_string(&w, "state", machine_state_name(state));
    json_write_end(&w);
    host_publish(host->broker, "host", "service-state", event.data, event.len, &err);
    health_changed(host->health);
    if (!strcmp(service, "config") && state != SERVICE_RUNNING)
        host->applying = 0; /* an interrupted transaction is none any more */
    if (!strcmp(service, "config") && state == SERVICE_RUNNING && !host->stopping) {
        confpart_refresh(host->services);
        confpart_refresh(host->system);
        if (host->filter)
            confpart_refresh(host->filter);
    }
}

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

static void on_built(void *arg, int r, const struct orb_err *err)
{
    struct run *run = arg;

    if (r == 0) {
        supervisor_start(run->host.supervisor);
        return;
    }
    run->failed = *err;
    on_stopped(run);
}

static void begin(struct run *run)
{
    run->supervisor = (struct supervisor_setup){
        .on_phase = on_phase,
        .on_state = on_state,
        .on_health = on_health,
        .on_stopped = on_stopped,
        .shipped_only = run->host.safe,
        .absent = run->host.options.no_dataplane ? "dataplane" : NULL,
        .arg = run,
    };
    run->steps = (struct steps){
        .host = &run->host,
        .supervisor = &run->supervisor,
        .done = on_built,
        .arg = run,
    };
    steps_start(&run->steps, &run->scope);
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
    uv_timer_init(run->host.loop, &run->patience);
    loop_scope_adopt(&run->scope, (uv_handle_t *)&run->patience);
    good_init(&run->good, &run->host, &run->scope);
    stall_watch(&run->stall, &run->host, &run->scope);
    logs_interface_watch(&run->host, &run->scope);
    if (run->notify_socket)
        uv_timer_start(&run->patience, on_patience, 0, PATIENCE_MS);
    watch_signal(run, &run->term, SIGTERM, on_term);
    watch_signal(run, &run->interrupt, SIGINT, on_interrupt);
    watch_signal(run, &run->hangup, SIGHUP, on_hangup);
    watch_signal(run, &run->reopen, SIGUSR1, on_reopen);
    if (run->init.active)
        watch_signal(run, &run->power, SIGPWR, on_power);
    init_watch(&run->init, &run->host, &run->scope);
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
        r = health_new(host, run->notify_socket, on_ready, run, &host->health, err);
    if (r == 0) {
        if (run->state.error.code)
            problem_set(host, PROBLEM_STATE, HEALTH_DEGRADED, run->state.error.text, "",
                        "mend the file system; it is tried again each second");
        if (run->state.unlocked.code)
            problem_set(host, PROBLEM_LOCK, HEALTH_DEGRADED, run->state.unlocked.text, "",
                        "remove the file, or repair the file system; it is tried "
                        "again each second");
        if (run->log_err.code)
            report_log_error(host, &run->log_err);
        if (run->socket_err.code)
            problem_set(host, "control.socket", HEALTH_DEGRADED, run->socket_err.text, "",
                        "correct orbitald.socket, or remove the file, and restart orbitald");
        starts_decide(host, run->starts, &run->starts_err, run->notify_socket);
        watch(run);
        begin(run);
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
    /* Else each thread of the pool keeps memory of its own for rules any of them may compile. */
    mallopt(M_ARENA_MAX, 1);
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
