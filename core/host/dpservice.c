/* dataplane@1: drafts of a policy on their way into the kernel. Compiling and the nftables
 * transaction take milliseconds to hundreds of them, so each request that touches the data plane is
 * a job on libuv's thread pool, one at a time in order; the loop never waits. The first job opens
 * the data plane. Only the closed base table is loaded before anything else runs. */
#include <string.h>

#include "core/base/own.h"
#include "core/host/dpservice.h"
#include "core/json/scan.h"

#define JOBS 64 /* waiting at most; more is `busy` */
#define COUNTERS_PAGE 500

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
        job->result = dataplane_prepare(s->dataplane, &job->draft->policy, &job->plan, &job->err);
        break;
    case DP_APPLY:
        job->result = dataplane_apply(s->dataplane, take_ptr(job->draft->plan), &job->err);
        break;
    case DP_REVERT:
        job->result = dataplane_revert(s->dataplane, &job->err);
        break;
    case DP_COUNTERS:
        job->result =
            dataplane_counters(s->dataplane, job->after, job->limit, &job->out, &job->err);
        break;
    case DP_STATUS:
        job->result = dataplane_status(s->dataplane, &job->out, &job->err);
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

    if (s->dataplane || job->kind == DP_OPEN)
        do_work(s, job);
    else
        job->result = unavailable(s, &job->err);
    job->took_ms = now_ms() - start;
}

/* ---- the loop's side ---- */

static void draft_drop(struct dp_draft *draft)
{
    dataplane_plan_free(draft->plan);
    if (draft->tx)
        policy_fini(&draft->policy);
    *draft = (struct dp_draft){0};
}

static void applied(struct dpservice *s, struct dp_job *job)
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

static void opened(struct dpservice *s, const struct dp_job *job)
{
    s->opening = false;
    if (job->result < 0) {
        snprintf(s->why, sizeof s->why, "there is no data plane: %.350s", job->err.text);
        log_error(s->host->log, "dataplane.not-available", KV("error", job->err.text));
        return;
    }
    s->dataplane = take_ptr(s->opened);
    log_info(s->host->log, "dataplane.open",
             KV("adopted", dataplane_adopted(s->dataplane) ? "yes" : "no"), KV("ms", job->took_ms));
    if (!s->closing)
        dpwatch_start(s);
}

static void detached(struct dpservice *s)
{
    log_warn(s->host->log, "dataplane.detached");
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
    if (job->result < 0) {
        log_warn(s->host->log, "dataplane.failed", KV("tx", job->tx), KV("error", job->err.text));
        return;
    }
    switch (job->kind) {
    case DP_CHECK:
        dataplane_plan_free(job->draft->plan);
        job->draft->plan = job->plan;
        dataplane_plan_describe(job->plan, &job->out);
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
    s->first = job->next;
    if (!s->first)
        s->last = &s->first;
    if (job->req)
        s->jobs--;
    conclude(s, job);
    if (job->req)
        answer(job);
    dpwatch_done(s, job);
    buf_fini(&job->out);
    free(job);
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
static struct dp_job *job_new(struct dpservice *s, enum dp_job_kind kind, struct host_req *req,
                              struct orb_err *err)
{
    struct dp_job *job;

    if (!s->dataplane && !s->opening) {
        unavailable(s, err);
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

static int queue(struct dpservice *s, struct dp_job *job)
{
    *s->last = job;
    s->last = &job->next;
    if (job->req)
        s->jobs++;
    start_next(s);
    return 1; /* answered by on_done */
}

void dpservice_queue(struct dpservice *s, enum dp_job_kind kind, unsigned what)
{
    struct dp_job *job = xcalloc(1, sizeof *job);

    job->service = s;
    job->kind = kind;
    job->what = what;
    queue(s, job);
}

static int enqueue(struct dpservice *s, enum dp_job_kind kind, struct dp_draft *draft, uint64_t tx,
                   struct host_req *req, struct orb_err *err)
{
    struct dp_job *job = job_new(s, kind, req, err);

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
    struct dp_draft *draft = NULL;
    int r = 0;

    for (unsigned i = 0; i < DP_DRAFTS; i++) {
        struct dp_draft *d = &s->drafts[i];

        if (!d->tx)
            draft = d;
        else if (!d->busy && (!draft || (draft->tx && d->tx < draft->tx)))
            draft = d; /* none is free: the oldest one is forgotten */
    }
    if (!draft)
        return orb_fail(err, ORB_E_BUSY, "%d drafts are being worked on", DP_DRAFTS);
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

static int find_draft(struct dpservice *s, uint64_t tx, struct dp_draft **ret_draft,
                      struct orb_err *err)
{
    for (unsigned i = 0; i < DP_DRAFTS; i++) {
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

static int put(struct dp_draft *draft, const char *input, size_t len, struct orb_err *err)
{
    dataplane_plan_free(draft->plan);
    draft->plan = NULL;
    return policy_put(&draft->policy, input, len, err);
}

static int on_draft(struct dpservice *s, const char *method, uint64_t tx, const char *input,
                    size_t len, struct host_req *req, struct orb_err *err)
{
    struct dp_draft *draft = NULL;
    int r;

    if (!strcmp(method, "abort") && tx == s->applied_tx)
        return enqueue(s, DP_REVERT, NULL, tx, req, err);
    r = find_draft(s, tx, &draft, err);
    if (r < 0)
        return r;
    if (!strcmp(method, "put"))
        return put(draft, input, len, err);
    if (!strcmp(method, "check"))
        return enqueue(s, DP_CHECK, draft, tx, req, err);
    if (!strcmp(method, "abort")) {
        draft_drop(draft);
        return 0;
    }
    if (!draft->plan)
        return orb_fail_at(err, ORB_E_STATE, "/tx", "draft %llu was not checked since its last put",
                           (unsigned long long)tx);
    return enqueue(s, DP_APPLY, draft, tx, req, err);
}

/* A page of them: the answer must fit into a message. */
static int counters(struct dpservice *s, const char *input, size_t len, struct host_req *req,
                    struct orb_err *err)
{
    int64_t after = 0, limit = COUNTERS_PAGE;
    struct dp_job *job = job_new(s, DP_COUNTERS, req, err);
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
        return enqueue(s, DP_STATUS, NULL, 0, req, err);
    if (!strcmp(method, "enable"))
        return enqueue(s, DP_ENABLE, NULL, 0, req, err);
    if (!strcmp(method, "disable"))
        return enqueue(s, DP_DISABLE, NULL, 0, req, err);
    if (!strcmp(method, "detach"))
        return enqueue(s, DP_DETACH, NULL, 0, req, err);
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

static void on_closed(struct loop_scope *scope)
{
    struct dpservice *s = container_of(scope, struct dpservice, scope);

    for (unsigned i = 0; i < DP_DRAFTS; i++)
        draft_drop(&s->drafts[i]);
    policy_fini(&s->current);
    policy_fini(&s->previous);
    dataplane_close(s->dataplane);
    free(s->found);
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

/* Nothing has an address yet: what the last policy allows, or nothing. */
static void guard(struct dpservice *s)
{
    struct dataplane_options options = {.bpffs = s->host->options.bpffs, .found = s->found};
    struct orb_err err = {0};
    bool loaded = false;

    if (dataplane_guard(&options, &loaded, &err) < 0)
        log_error(s->host->log, "dataplane.no-base-table", KV("error", err.text));
    else if (loaded)
        log_notice(s->host->log, "dataplane.closed");
}

int dpservice_new(struct orbitald *host, struct dpservice **ret_service, struct orb_err *err)
{
    struct dpservice *s = xcalloc(1, sizeof *s);

    s->host = host;
    s->last = &s->first;
    s->found = xasprintf("%s/found-settings", host->options.state_dir);
    policy_init(&s->current);
    policy_init(&s->previous);
    loop_scope_init(&s->scope, on_closed);
    *ret_service = s;
    if (host->options.no_dataplane) {
        snprintf(s->why, sizeof s->why, "orbitald runs with --no-dataplane");
    } else {
        guard(s);
        s->opening = true;
        dpservice_queue(s, DP_OPEN, 0);
    }
    return broker_provide(host->broker, host->dataplane_contract, on_request, s, err);
}
