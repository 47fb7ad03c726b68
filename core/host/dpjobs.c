/* The jobs of dataplane@1. Compiling and the nftables transaction take milliseconds to hundreds of
 * them, so each request that touches the data plane is a job on libuv's thread pool, one at a time;
 * the loop never waits. The first job opens the data plane. Which is next:
 * dpqueue.h. */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/dpjobs.h"
#include "core/host/dpqueue.h"
#include "core/host/dpservice_internal.h"
#include "core/ipc/progress_state.h"

#define BEAT_MS 250       /* between two reports of progress */
#define WORKED_NS 1000000 /* of processor time since the last one: it is not stuck */

static void start_next(struct dpservice *s);

/* ---- the thread's side ---- */

static void open_now(struct dpservice *s, struct dp_job *job)
{
    struct dataplane_options options = {.bpffs = s->host->options.bpffs, .found = s->found};

    job->result = dataplane_open(&options, &s->opened, &job->err);
}

static void do_work(struct dpservice *s, struct dp_job *job)
{
    switch (job->kind) {
    case DP_CHECK:
        job->result =
            dataplane_compile(s->dataplane, &job->draft->policy, &job->compiled, &job->err);
        break;
    case DP_APPLY:
        job->result = dataplane_apply(s->dataplane, take_ptr(job->draft->compiled), &job->err);
        break;
    case DP_REVERT:
        job->result = dataplane_apply_revert(s->dataplane, &job->err);
        break;
    case DP_COUNTERS:
        job->result =
            dataplane_report_counters(s->dataplane, job->after, job->limit, &job->out, &job->err);
        break;
    case DP_STATUS:
        job->result = dataplane_report_status(s->dataplane, &job->out, &job->err);
        break;
    case DP_TEST:
        job->result = packet_test_run(s->dataplane, job->draft ? job->draft->compiled : NULL,
                                      &job->packet, &job->out, &job->err);
        break;
    case DP_FLOWS:
        job->result = flow_list_write(&job->filter, &job->out, &job->err);
        break;
    case DP_FLOWS_DELETE:
        job->result = flow_list_delete(s->dataplane, &job->filter, &job->out, &job->err);
        break;
    case DP_ENABLE:
    case DP_DISABLE:
        job->result = dataplane_set_enabled(s->dataplane, job->kind == DP_ENABLE, &job->err);
        break;
    case DP_DETACH:
        job->result = dataplane_destroy(s->dataplane, &job->err);
        break;
    case DP_TEND:
        job->result = dataplane_tend(s->dataplane, job->what, &job->tended, &job->err);
        break;
    case DP_OPEN:
        open_now(s, job);
        break;
    }
}

static int unavailable(const struct dpservice *s, struct orb_err *err)
{
    return orb_fail(err, ORB_E_UNAVAILABLE, "the data plane is not available: %s", s->why);
}

static void on_work(uv_work_t *work)
{
    struct dpservice *s = container_of(work, struct dpservice, work);
    struct dp_job *job = s->first;
    uint64_t start = now_ms();
    bool clock = pthread_getcpuclockid(pthread_self(), &s->thread_clock) == 0;

    __atomic_store_n(&s->at_work, clock, __ATOMIC_RELEASE);
    if (s->dataplane || job->kind == DP_OPEN)
        do_work(s, job);
    else
        job->result = unavailable(s, &job->err);
    job->took_ms = now_ms() - start;
}

/* ---- the loop's side ---- */

void dpjobs_drop(struct dp_draft *draft)
{
    dataplane_compile_free(draft->compiled);
    if (draft->tx)
        policy_fini(&draft->policy);
    *draft = (struct dp_draft){0};
}

/* What the job that is over did to connections that ran. */
static struct dataplane_ended ended_now(const struct dpservice *s)
{
    struct dataplane_ended now = dataplane_report_ended(s->dataplane);

    now.refused -= s->ended.refused;
    now.translated -= s->ended.translated;
    return now;
}

static void applied(struct dpservice *s, struct dp_job *job)
{
    struct dataplane_times times = dataplane_apply_times(s->dataplane);
    struct dataplane_ended ended = ended_now(s);
    struct json_write w = json_write_to(&job->out);

    policy_fini(&s->previous);
    s->previous = s->current;
    s->current = job->draft->policy;
    policy_init(&job->draft->policy);
    s->applied_tx = job->tx;
    dpjobs_drop(job->draft);
    json_write_object(&w, NULL);
    json_write_integer(&w, "generation", dataplane_generation(s->dataplane));
    json_write_object(&w, "ended");
    json_write_integer(&w, "refused", (int64_t)ended.refused);
    json_write_integer(&w, "translated", (int64_t)ended.translated);
    json_write_end(&w);
    json_write_end(&w);
    log_info(s->host->log, "dataplane.applied", KV("tx", job->tx),
             KV("generation", dataplane_generation(s->dataplane)),
             KV("rules", s->current.rule_count), KV("build-ms", times.build_ms),
             KV("trial-ms", times.trial_ms), KV("nft-ms", times.nft_ms),
             KV("switch-ms", times.switch_ms), KV("purge-ms", times.purge_ms));
}

static void reverted(struct dpservice *s)
{
    struct policy old = s->current;

    s->current = s->previous;
    s->previous = old;
    s->applied_tx = 0;
    log_notice(s->host->log, "dataplane.reverted",
               KV("generation", dataplane_generation(s->dataplane)));
}

static void opened(struct dpservice *s, const struct dp_job *job)
{
    s->opening = false;
    if (job->result < 0) {
        if (!strstr(s->why, job->err.text))
            log_error(s->host->log, "dataplane.not-available", KV("error", job->err.text));
        snprintf(s->why, sizeof(s->why), "there is no data plane: %.350s", job->err.text);
        if (!s->closing)
            s->events->not_opened(s);
        return;
    }
    s->failing_ms = 0;
    s->why[0] = 0;
    s->dataplane = take_ptr(s->opened);
    log_info(s->host->log, "dataplane.open",
             KV("adopted", dataplane_adopted(s->dataplane) ? "yes" : "no"), KV("ms", job->took_ms));
    if (!s->closing)
        s->events->opened(s);
}

static void detached(struct dpservice *s)
{
    log_warn(s->host->log, "dataplane.detached");
}

static void log_ended(struct dpservice *s)
{
    struct dataplane_ended ended;

    if (!s->dataplane) {
        s->ended = (struct dataplane_ended){0};
        return;
    }
    ended = ended_now(s);
    s->ended = dataplane_report_ended(s->dataplane);
    if (ended.refused || ended.translated)
        log_notice(s->host->log, "dataplane.flows-ended",
                   KV("flows", ended.refused + ended.translated), KV("refused", ended.refused),
                   KV("translated", ended.translated),
                   KV("generation", dataplane_generation(s->dataplane)));
}

static void conclude(struct dpservice *s, struct dp_job *job)
{
    if (job->draft)
        job->draft->busy = false;
    if (job->kind == DP_OPEN) {
        opened(s, job);
        return;
    }
    if (job->kind == DP_TEND)
        return;
    if (job->kind == DP_TEST)
        return;
    if (job->result < 0) {
        log_warn(s->host->log, "dataplane.failed", KV("tx", job->tx), KV("error", job->err.text));
        return;
    }
    switch (job->kind) {
    case DP_CHECK:
        dataplane_compile_free(job->draft->compiled);
        job->draft->compiled = job->compiled;
        dataplane_compile_describe(job->compiled, &job->out);
        break;
    case DP_APPLY:
        applied(s, job);
        break;
    case DP_REVERT:
        reverted(s);
        break;
    case DP_DETACH:
        detached(s);
        break;
    default:
        break;
    }
}

static void answer(const struct dp_job *job)
{
    if (job->result < 0)
        host_reply_error(job->req, &job->err);
    else if (job->out.len)
        host_reply(job->req, job->out.data, job->out.len);
    else
        host_reply(job->req, "{}", 2);
}

static void on_done(uv_work_t *work, int status)
{
    struct dpservice *s = container_of(work, struct dpservice, work);
    struct dp_job *job = s->first;

    s->running = false;
    __atomic_store_n(&s->at_work, false, __ATOMIC_RELAXED);
    uv_timer_stop(&s->beat);
    s->first = job->next;
    conclude(s, job);
    log_ended(s);
    if (job->req)
        answer(job);
    s->events->done(s, job);
    buf_fini(&job->out);
    free(job);
    if (s->closing && !s->first)
        loop_scope_close(&s->scope);
    else
        start_next(s);
}

/* Has the thread worked since the last beat? One that is stuck uses no processor time. */
static bool has_worked(struct dpservice *s, unsigned percent)
{
    struct timespec t;
    uint64_t ns, before = s->worked_ns;

    if (!__atomic_load_n(&s->at_work, __ATOMIC_ACQUIRE) || clock_gettime(s->thread_clock, &t) < 0)
        return false;
    ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
    if (ns < before + WORKED_NS && percent == s->was_percent)
        return false;
    s->worked_ns = ns;
    s->was_percent = percent;
    return true;
}

/* The callers of the job, and of those that wait for it, do not run into their deadline while the
 * thread works. */
static void on_beat(uv_timer_t *timer)
{
    struct dpservice *s = container_of(timer, struct dpservice, beat);
    struct progress_state now = {.percent = PROGRESS_UNKNOWN}, waits = now;
    unsigned percent = 0;
    bool shown = s->dataplane && (s->first->kind == DP_CHECK || s->first->kind == DP_APPLY);

    if (shown) {
        snprintf(now.phase, sizeof(now.phase), "%s", doing_now(s->dataplane, &percent));
        now.percent = (int)percent;
    }
    if (!has_worked(s, percent))
        return;
    snprintf(waits.phase, sizeof(waits.phase), "waiting for the data plane");
    for (const struct dp_job *job = s->first; job; job = job->next)
        if (job->req)
            host_progress(job->req, job == s->first ? &now : &waits);
}

static void start_next(struct dpservice *s)
{
    if (s->running || !s->first)
        return;
    s->running = true;
    dpqueue_begin(s);
    s->worked_ns = 0;
    uv_timer_start(&s->beat, on_beat, BEAT_MS, BEAT_MS);
    uv_queue_work(s->host->loop, &s->work, on_work, on_done);
}

struct dp_job *dpjobs_new(struct dpservice *s, enum dp_job_kind kind, struct host_req *req,
                          struct orb_err *err)
{
    struct dp_job *job;

    if (!s->dataplane && !s->opening) {
        unavailable(s, err);
        return NULL;
    }
    job = xcalloc(1, sizeof(*job));
    job->service = s;
    job->kind = kind;
    job->req = req;
    if (dpqueue_check(s, job, err) < 0) {
        free(job);
        return NULL;
    }
    job->of = s->caller->kind;
    snprintf(job->name, sizeof(job->name), "%s", s->caller->name);
    return job;
}

int dpjobs_queue(struct dpservice *s, struct dp_job *job)
{
    dpqueue_add(s, job);
    start_next(s);
    return 1; /* answered by on_done */
}

void dpjobs_own(struct dpservice *s, enum dp_job_kind kind, unsigned what)
{
    struct dp_job *job = xcalloc(1, sizeof(*job));

    job->service = s;
    job->kind = kind;
    job->what = what;
    dpjobs_queue(s, job);
}

int dpjobs_request(struct dpservice *s, enum dp_job_kind kind, struct dp_draft *draft, uint64_t tx,
                   struct host_req *req, struct orb_err *err)
{
    struct dp_job *job = dpjobs_new(s, kind, req, err);

    if (!job)
        return err->code;
    job->draft = draft;
    job->tx = tx;
    if (draft)
        draft->busy = true;
    return dpjobs_queue(s, job);
}
