/* dataplane@1: drafts of a policy on their way into the kernel. Compiling and the nftables
 * transaction take milliseconds to hundreds of them, so each request that touches the data plane is
 * a job on libuv's thread pool, one at a time in order; the loop never waits. */
#include <string.h>

#include "core/base/own.h"
#include "core/host/host.h"
#include "core/json/scan.h"
#include "core/loop/scope.h"
#include "dataplane/dataplane.h"

#define DRAFTS 4
#define JOBS 64 /* waiting at most; more is `busy` */
#define COUNTERS_PAGE 500

struct draft {
    uint64_t tx; /* 0: free */
    struct policy policy;
    struct dataplane_plan *plan; /* after check */
    bool busy;                   /* a job works on it */
};

enum job_kind {
    JOB_CHECK,
    JOB_APPLY,
    JOB_REVERT,
    JOB_COUNTERS,
    JOB_STATUS,
    JOB_ENABLE,
    JOB_DISABLE
};

struct job {
    struct job *next;
    struct dpservice *service;
    enum job_kind kind;
    struct draft *draft;
    uint64_t tx;
    struct host_req *req;
    int result;
    struct orb_err err;
    struct buf out;
    struct dataplane_plan *plan;
    uint32_t after; /* counters: a page */
    unsigned limit;
};

struct dpservice {
    struct orbitald *host;
    struct dataplane *dataplane; /* NULL: not usable */
    char why[ORB_ERR_TEXT];
    struct policy current;
    struct policy previous;
    uint64_t applied_tx; /* what abort goes back from; 0: nothing */
    uint64_t next_tx;
    struct draft drafts[DRAFTS];
    struct job *first, **last;
    unsigned jobs;
    bool running, dispatch_later, closing;
    uv_work_t work;
    struct loop_scope scope;
    uv_poll_t events;
};

static void start_next(struct dpservice *s);

/* ---- the thread's side ---- */

static void on_work(uv_work_t *work)
{
    struct dpservice *s = container_of(work, struct dpservice, work);
    struct job *job = s->first;

    switch (job->kind) {
    case JOB_CHECK:
        job->result = dataplane_prepare(s->dataplane, &job->draft->policy, &job->plan, &job->err);
        break;
    case JOB_APPLY:
        job->result = dataplane_apply(s->dataplane, take_ptr(job->draft->plan), &job->err);
        break;
    case JOB_REVERT:
        job->result = dataplane_revert(s->dataplane, &job->err);
        break;
    case JOB_COUNTERS:
        job->result =
            dataplane_counters(s->dataplane, job->after, job->limit, &job->out, &job->err);
        break;
    case JOB_STATUS:
        job->result = dataplane_status(s->dataplane, &job->out, &job->err);
        break;
    case JOB_ENABLE:
    case JOB_DISABLE:
        job->result = dataplane_set_enabled(s->dataplane, job->kind == JOB_ENABLE, &job->err);
        break;
    }
}

/* ---- the loop's side ---- */

static void draft_drop(struct draft *draft)
{
    dataplane_plan_free(draft->plan);
    if (draft->tx)
        policy_fini(&draft->policy);
    *draft = (struct draft){0};
}

static void applied(struct dpservice *s, struct job *job)
{
    struct dataplane_times times = dataplane_applied_times(s->dataplane);

    policy_fini(&s->previous);
    s->previous = s->current;
    s->current = job->draft->policy;
    policy_init(&job->draft->policy);
    s->applied_tx = job->tx;
    draft_drop(job->draft);
    buf_addf(&job->out, "{\"generation\":%u}", dataplane_generation(s->dataplane));
    log_info(s->host->log, "dataplane.applied", KV("tx", job->tx),
             KV("generation", dataplane_generation(s->dataplane)),
             KV("rules", s->current.rule_count), KV("build_ms", times.build_ms),
             KV("trial_ms", times.trial_ms), KV("nft_ms", times.nft_ms),
             KV("switch_ms", times.switch_ms), KV("purge_ms", times.purge_ms));
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

static void conclude(struct dpservice *s, struct job *job)
{
    if (job->draft)
        job->draft->busy = false;
    if (job->result < 0) {
        log_warn(s->host->log, "dataplane.failed", KV("tx", job->tx), KV("error", job->err.text));
        return;
    }
    switch (job->kind) {
    case JOB_CHECK:
        dataplane_plan_free(job->draft->plan);
        job->draft->plan = job->plan;
        dataplane_plan_describe(job->plan, &job->out);
        break;
    case JOB_APPLY:
        applied(s, job);
        break;
    case JOB_REVERT:
        reverted(s);
        break;
    default:
        break;
    }
}

static void on_done(uv_work_t *work, int status)
{
    struct dpservice *s = container_of(work, struct dpservice, work);
    struct job *job = s->first;

    s->running = false;
    s->first = job->next;
    if (!s->first)
        s->last = &s->first;
    s->jobs--;
    conclude(s, job);
    if (job->result < 0)
        host_reply_error(job->req, &job->err);
    else if (job->out.len)
        host_reply(job->req, job->out.data, job->out.len);
    else
        host_reply(job->req, "{}", 2);
    buf_fini(&job->out);
    free(job);
    if (s->dispatch_later) {
        s->dispatch_later = false;
        dataplane_dispatch(s->dataplane);
    }
    if (s->closing && !s->first)
        loop_scope_close(&s->scope);
    else
        start_next(s);
}

static void start_next(struct dpservice *s)
{
    if (s->running || !s->first)
        return;
    s->running = true;
    uv_queue_work(s->host->loop, &s->work, on_work, on_done);
}

/* NULL: refused. */
static struct job *job_new(struct dpservice *s, enum job_kind kind, struct host_req *req,
                           struct orb_err *err)
{
    struct job *job;

    if (!s->dataplane) {
        orb_fail(err, ORB_E_UNAVAILABLE, "the data plane is not available: %s", s->why);
        return NULL;
    }
    if (s->jobs == JOBS) {
        orb_fail(err, ORB_E_BUSY, "%d data plane requests are waiting already", JOBS);
        return NULL;
    }
    job = xcalloc(1, sizeof *job);
    job->service = s;
    job->kind = kind;
    job->req = req;
    return job;
}

static int queue(struct dpservice *s, struct job *job)
{
    *s->last = job;
    s->last = &job->next;
    s->jobs++;
    start_next(s);
    return 1; /* answered by on_done */
}

static int enqueue(struct dpservice *s, enum job_kind kind, struct draft *draft, uint64_t tx,
                   struct host_req *req, struct orb_err *err)
{
    struct job *job = job_new(s, kind, req, err);

    if (!job)
        return err->code;
    job->draft = draft;
    job->tx = tx;
    if (draft)
        draft->busy = true;
    return queue(s, job);
}

/* ---- methods ---- */

static int begin(struct dpservice *s, const char *input, size_t len, struct buf *out,
                 struct orb_err *err)
{
    struct json_slice value;
    struct draft *draft = NULL;
    int r = 0;

    for (unsigned i = 0; i < DRAFTS; i++) {
        struct draft *d = &s->drafts[i];

        if (!d->tx)
            draft = d;
        else if (!d->busy && (!draft || (draft->tx && d->tx < draft->tx)))
            draft = d; /* none is free: the oldest one is forgotten */
    }
    if (!draft)
        return orb_fail(err, ORB_E_BUSY, "%d drafts are being worked on", DRAFTS);
    draft_drop(draft);
    policy_init(&draft->policy);
    if (!(json_member(input, len, "reset", &value) && value.type == 't'))
        r = policy_copy(&s->current, &draft->policy);
    if (r < 0)
        return orb_fail(err, r, "the running policy cannot be copied");
    draft->tx = ++s->next_tx;
    buf_addf(out, "{\"tx\":%llu}", (unsigned long long)draft->tx);
    return 0;
}

static int find_draft(struct dpservice *s, uint64_t tx, struct draft **ret_draft,
                      struct orb_err *err)
{
    for (unsigned i = 0; i < DRAFTS; i++) {
        if (s->drafts[i].tx != tx)
            continue;
        if (s->drafts[i].busy)
            return orb_fail(err, ORB_E_BUSY, "draft %llu is being worked on",
                            (unsigned long long)tx);
        *ret_draft = &s->drafts[i];
        return 0;
    }
    return orb_fail_at(err, ORB_E_NOT_FOUND, "/tx", "there is no draft %llu; begin one",
                       (unsigned long long)tx);
}

static int put(struct draft *draft, const char *input, size_t len, struct orb_err *err)
{
    dataplane_plan_free(draft->plan);
    draft->plan = NULL;
    return policy_put(&draft->policy, input, len, err);
}

static int on_draft(struct dpservice *s, const char *method, uint64_t tx, const char *input,
                    size_t len, struct host_req *req, struct orb_err *err)
{
    struct draft *draft = NULL;
    int r;

    if (!strcmp(method, "abort") && tx == s->applied_tx)
        return enqueue(s, JOB_REVERT, NULL, tx, req, err);
    r = find_draft(s, tx, &draft, err);
    if (r < 0)
        return r;
    if (!strcmp(method, "put"))
        return put(draft, input, len, err);
    if (!strcmp(method, "check"))
        return enqueue(s, JOB_CHECK, draft, tx, req, err);
    if (!strcmp(method, "abort")) {
        draft_drop(draft);
        return 0;
    }
    if (!draft->plan)
        return orb_fail_at(err, ORB_E_STATE, "/tx", "draft %llu was not checked since its last put",
                           (unsigned long long)tx);
    return enqueue(s, JOB_APPLY, draft, tx, req, err);
}

/* A page of them: the answer must fit into a message. */
static int counters(struct dpservice *s, const char *input, size_t len, struct host_req *req,
                    struct orb_err *err)
{
    int64_t after = 0, limit = COUNTERS_PAGE;
    struct job *job = job_new(s, JOB_COUNTERS, req, err);
    struct json_slice value;

    if (!job)
        return err->code;
    if (json_member(input, len, "after", &value))
        json_int64(&value, &after);
    if (json_member(input, len, "limit", &value))
        json_int64(&value, &limit);
    job->after = (uint32_t)after;
    job->limit = (unsigned)limit;
    return queue(s, job);
}

static int dispatch(struct dpservice *s, const char *method, const char *input, size_t len,
                    struct host_req *req, struct buf *out, struct orb_err *err)
{
    struct json_slice value;
    int64_t tx = 0;

    if (!strcmp(method, "counters"))
        return counters(s, input, len, req, err);
    if (!strcmp(method, "status"))
        return enqueue(s, JOB_STATUS, NULL, 0, req, err);
    if (!strcmp(method, "enable"))
        return enqueue(s, JOB_ENABLE, NULL, 0, req, err);
    if (!strcmp(method, "disable"))
        return enqueue(s, JOB_DISABLE, NULL, 0, req, err);
    if (!strcmp(method, "begin"))
        return begin(s, input, len, out, err);
    if (json_member(input, len, "tx", &value))
        json_int64(&value, &tx);
    return on_draft(s, method, (uint64_t)tx, input, len, req, err);
}

static void on_request(void *arg, struct host_req *req, const struct host_caller *caller,
                       const char *method, const char *input, size_t len)
{
    struct dpservice *s = arg;
    AUTO(buf) struct buf out = {0};
    struct orb_err err = {0};
    int r = dispatch(s, method, input, len, req, &out, &err);

    if (r < 0)
        host_reply_error(req, &err);
    else if (r == 0)
        host_reply(req, out.len ? out.data : "{}", out.len ? out.len : 2);
}

/* ---- life ---- */

static void on_events(uv_poll_t *poll, int status, int events)
{
    struct dpservice *s = container_of(poll, struct dpservice, events);

    if (s->running)
        s->dispatch_later = true; /* the job's thread owns the data plane now */
    else
        dataplane_dispatch(s->dataplane);
}

static void on_closed(struct loop_scope *scope)
{
    struct dpservice *s = container_of(scope, struct dpservice, scope);

    for (unsigned i = 0; i < DRAFTS; i++)
        draft_drop(&s->drafts[i]);
    policy_fini(&s->current);
    policy_fini(&s->previous);
    dataplane_close(s->dataplane);
    free(s);
}

void dpservice_close(struct dpservice *s)
{
    if (!s)
        return;
    s->closing = true;
    if (!s->running)
        loop_scope_close(&s->scope);
}

static void open_dataplane(struct dpservice *s)
{
    struct dataplane_options options = {.bpffs = s->host->options.bpffs};
    struct orb_err err = {0};
    int fd;

    if (s->host->options.no_dataplane) {
        snprintf(s->why, sizeof s->why, "orbitald runs with --no-dataplane");
        return;
    }
    if (dataplane_open(&options, &s->dataplane, &err) < 0) {
        s->dataplane = NULL;
        snprintf(s->why, sizeof s->why, "%.380s", err.text);
        log_error(s->host->log, "dataplane.not-available", KV("error", err.text));
        return;
    }
    log_info(s->host->log, "dataplane.open",
             KV("adopted", dataplane_adopted(s->dataplane) ? "yes" : "no"));
    fd = dataplane_event_fd(s->dataplane);
    if (fd < 0 || uv_poll_init(s->host->loop, &s->events, fd) < 0)
        return;
    loop_scope_adopt(&s->scope, (uv_handle_t *)&s->events);
    uv_poll_start(&s->events, UV_READABLE, on_events);
}

int dpservice_new(struct orbitald *host, struct dpservice **ret_service, struct orb_err *err)
{
    struct dpservice *s = xcalloc(1, sizeof *s);

    s->host = host;
    s->last = &s->first;
    policy_init(&s->current);
    policy_init(&s->previous);
    loop_scope_init(&s->scope, on_closed);
    open_dataplane(s);
    *ret_service = s;
    return broker_provide(host->broker, host->dataplane_contract, on_request, s, err);
}
