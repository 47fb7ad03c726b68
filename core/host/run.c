/* The events of a run of orbitald: signals, timers, and what supervisor and health report. */
#include "core/host/run.h"

#include <signal.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/host/arp.h"
#include "core/host/auth_interface.h"
#include "core/host/confpart.h"
#include "core/host/dpservice.h"
#include "core/host/good.h"
#include "core/host/health.h"
#include "core/host/init.h"
#include "core/host/logs_interface.h"
#include "core/host/names.h"
#include "core/host/notify.h"
#include "core/host/problem.h"
#include "core/host/stall.h"
#include "core/host/starts.h"
#include "core/host/steps.h"
#include "core/loop/loop_scope.h"

#define PATIENCE_MS 10000

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
    starts_forget_later(host); /* stopped on request, not failed */
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

void run_report_log(struct orbitald *host, const struct orb_err *err)
{
    log_error(host->log, "log.no-file", KV("error", err->text));
    problem_set(host, "log.no-file", HEALTH_DEGRADED, err->text, "",
                "make it writable, then `systemctl kill -s USR1 orbitald`; until then records "
                "are lost with the next restart");
}

/* ---- SIGUSR1: the log is opened anew, on a thread ---- */

static void on_open(uv_work_t *work)
{
    struct run *run = container_of(work, struct run, opening);

    run->open_err = (struct orb_err){0};
    run->opened = logs_files_reopen(run->host.logs, &run->open_err);
}

static void open_log(struct run *run);

static void on_opened(uv_work_t *work, int status)
{
    struct run *run = container_of(work, struct run, opening);
    struct orbitald *host = &run->host;

    run->opens = false;
    if (run->open_again) { /* what lies there may be another file now */
        open_log(run);
        return;
    }
    if (run->opened != 0) {
        run_report_log(host, &run->open_err);
        return;
    }
    log_notice(host->log, "log.reopened");
    problem_clear(host, "log.no-file");
}

static void open_log(struct run *run)
{
    run->open_again = false;
    run->opens = uv_queue_work(run->host.loop, &run->opening, on_open, on_opened) == 0;
}

static void on_reopen(uv_signal_t *handle, int number)
{
    struct run *run = container_of(handle, struct run, reopen);

    if (run->opens)
        run->open_again = true;
    else
        open_log(run);
}

/* ---- what the host's parts report ---- */

static void on_watchdog(uv_timer_t *timer)
{
    notify_send(container_of(timer, struct run, watchdog)->notify_socket, "WATCHDOG=1\n");
}

void run_ready(void *arg)
{
    struct run *run = arg;

    starts_forget_later(&run->host);
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

/* ---- begin ---- */

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

void run_begin(struct run *run)
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

void run_watch(struct run *run)
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
