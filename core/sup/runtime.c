/* See runtime.h. */
#include "core/sup/runtime.h"

#include <stdlib.h>
#include <sys/random.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/loop/loop_scope.h"
#include "core/sup/crash.h"
#include "core/sup/filequeue.h"
#include "core/sup/quota.h"
#include "core/sup/supervisor_internal.h"
#include "core/sup/worker.h"

struct runtime {
    struct supervisor *sup;
    struct worker_host workers;
    struct quota quota;
    struct filequeue reports;
    struct loop_scope scope;
    uv_check_t
        check; /* runs after descriptors were polled: a timer of 0 ms finds everything settled */
    uv_prepare_t prepare; /* after timers */
    uv_idle_t idle;       /* runs while something changed: the loop must not wait then */
    uv_timer_t timer;
    bool changed;
    unsigned users; /* scope, workers, a count under way, reports on their way to the disk */
};

/* ---- start and end ---- */

static void put(void *arg)
{
    struct runtime *rt = arg;

    if (--rt->users)
        return;
    supervisor_free(rt->sup);
    free(rt);
}

static void hold(void *arg)
{
    struct runtime *rt = arg;

    rt->users++;
}

static void on_closed(struct loop_scope *scope)
{
    put(container_of(scope, struct runtime, scope));
}

void runtime_close(struct runtime *rt)
{
    if (!rt)
        return;
    quota_stop(&rt->quota);
    loop_scope_close(&rt->scope);
}

/* ---- a turn ---- */

static void on_idle(uv_idle_t *idle)
{
}

static void change(struct runtime *rt)
{
    if (rt->scope.closing || rt->changed)
        return;
    rt->changed = true;
    uv_idle_start(&rt->idle, on_idle);
}

/* Changes made while this runs are settled in the next turn, which follows at once. */
static void settle(struct runtime *rt)
{
    if (!rt->changed)
        return;
    rt->changed = false;
    uv_idle_stop(&rt->idle);
    supervisor_settle(rt->sup);
}

static void on_check(uv_check_t *check)
{
    settle(container_of(check, struct runtime, check));
}

static void on_prepare(uv_prepare_t *prepare)
{
    settle(container_of(prepare, struct runtime, prepare));
}

static void on_timer(uv_timer_t *timer)
{
    supervisor_tick(container_of(timer, struct runtime, timer)->sup);
}

/* ---- callbacks of the supervisor ---- */

static uint64_t on_now_ms(void *arg)
{
    return now_ms();
}

static uint32_t on_random(void *arg)
{
    uint32_t value = 0;

    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
        value = (uint32_t)now_ns();
    return value;
}

static void on_changed(void *arg)
{
    change(arg);
}

static void on_wake(void *arg, uint64_t at_ms)
{
    struct runtime *rt = arg;
    uint64_t now = now_ms();

    if (rt->scope.closing)
        return;
    if (!at_ms)
        uv_timer_stop(&rt->timer);
    else
        uv_timer_start(&rt->timer, on_timer, at_ms > now ? at_ms - now : 0, 0);
}

static int on_spawn(void *arg, struct service *service, struct worker **ret_worker,
                    struct orb_err *err)
{
    struct runtime *rt = arg;
    int r = quota_check(&rt->quota, service, err);

    if (r < 0)
        return r;
    *ret_worker = worker_spawn(&rt->workers, &service->spec, &service_worker_events, service);
    hold(rt);
    return 0;
}

static void on_open(void *arg, struct worker *worker)
{
    worker_open(worker);
}

static void on_stop(void *arg, struct worker *worker)
{
    worker_stop(worker);
}

static void on_kill(void *arg, struct worker *worker, const char *why)
{
    worker_kill(worker, why);
}

static void on_crashed(void *arg, struct service *service, const struct worker_exit *exit)
{
    struct runtime *rt = arg;
    bool empty = !rt->reports.count;

    crash_record(service, exit, rt->workers.logs, &rt->reports);
    if (empty && rt->reports.count)
        hold(rt); /* put by the queue when it is empty again */
}

static void on_limited(void *arg, const struct service *service)
{
    struct runtime *rt = arg;
    const struct limits *limits = &service->spec.limits;

    logs_limit(rt->workers.logs, service_name(service), limits->log_rate);
    if (rt->workers.metrics)
        metrics_limit(rt->workers.metrics, service_name(service),
                      &(struct metrics_limits){.names = limits->metrics,
                                               .rate = limits->metric_rate,
                                               .first = service->package->shipped});
    if (service->worker)
        worker_limit(service->worker);
}

static void on_ports(void *arg, const struct service *service, bool keep)
{
    struct runtime *rt = arg;
    struct orb_err err = {0};

    if (!keep)
        listeners_release(rt->workers.sandbox, service_name(service));
    else if (listeners_hold(rt->workers.sandbox, &service->spec.plan, &err) < 0)
        log_error(rt->workers.log, "service.port-not-held", KV("service", service_name(service)),
                  KV("error", err.text));
}

/* ---- making it ---- */

bool runtime_worker_ended(struct runtime *rt, pid_t pid)
{
    for (unsigned i = 0; i < rt->sup->count; i++)
        if (rt->sup->services[i]->worker && worker_ended(rt->sup->services[i]->worker, pid))
            return true;
    return false;
}

struct supervisor *runtime_supervisor(struct runtime *rt)
{
    return rt->sup;
}

static void watch(struct runtime *rt, uv_loop_t *loop)
{
    loop_scope_init(&rt->scope, on_closed);
    uv_check_init(loop, &rt->check);
    loop_scope_adopt(&rt->scope, (uv_handle_t *)&rt->check);
    uv_check_start(&rt->check, on_check);
    uv_unref((uv_handle_t *)&rt->check);
    uv_prepare_init(loop, &rt->prepare);
    loop_scope_adopt(&rt->scope, (uv_handle_t *)&rt->prepare);
    uv_prepare_start(&rt->prepare, on_prepare);
    uv_unref((uv_handle_t *)&rt->prepare);
    uv_idle_init(loop, &rt->idle);
    loop_scope_adopt(&rt->scope, (uv_handle_t *)&rt->idle);
    uv_timer_init(loop, &rt->timer);
    loop_scope_adopt(&rt->scope, (uv_handle_t *)&rt->timer);
    quota_init(&rt->quota, loop, &rt->scope, hold, put, rt);
}

int runtime_new(const struct runtime_setup *setup, struct runtime **ret_runtime,
                struct orb_err *err)
{
    struct runtime *rt = xcalloc(1, sizeof(*rt));
    struct log_sink *log = logs_sink(setup->logs);
    const struct supervisor_host host = {
        .arg = rt,
        .log = log,
        .now_ms = on_now_ms,
        .random = on_random,
        .changed = on_changed,
        .wake = on_wake,
        .spawn = on_spawn,
        .open = on_open,
        .stop = on_stop,
        .kill = on_kill,
        .crashed = on_crashed,
        .limited = on_limited,
        .ports = on_ports,
    };
    int r;

    rt->users = 1;
    rt->workers = (struct worker_host){
        .loop = setup->loop,
        .broker = setup->broker,
        .sandbox = setup->sandbox,
        .logs = setup->logs,
        .metrics = setup->metrics,
        .log = log,
        .freed = put,
        .arg = rt,
    };
    rt->reports = (struct filequeue){.loop = setup->loop, .log = log, .emptied = put, .arg = rt};
    watch(rt, setup->loop);
    r = supervisor_new(&setup->supervisor, &host, &rt->sup, err);
    if (r < 0) {
        runtime_close(rt);
        return r;
    }
    rt->quota.sup = rt->sup;
    *ret_runtime = rt;
    return 0;
}
