/* dataplane@1: drafts of a policy on their way into the kernel. Each request that touches the data
 * plane is a job (dpjobs.c). Only the closed base table is loaded before anything else runs. */
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/strings.h"
#include "core/base/xalloc.h"
#include "core/host/dpjobs.h"
#include "core/host/dpservice.h"
#include "core/host/dpservice_internal.h"
#include "core/host/dpwatch.h"
#include "core/json/scan.h"

#define COUNTERS_PAGE 500

/* ---- methods ---- */

static int begin(struct dpservice *s, const char *input, size_t len, struct buf *out,
                 struct orb_err *err)
{
    struct json_slice value;
    struct json_write w = json_write_to(out);
    struct dp_draft *draft = NULL;
    int r = 0;

    for (unsigned i = 0; i < DP_DRAFTS; i++) {
        struct dp_draft *d = &s->drafts[i];

        if (!d->tx)
            draft = d;
        else if (!d->busy && (!draft || (draft->tx && d->tx < draft->tx)))
            draft = d; /* none is free: the oldest one is dropped */
    }
    if (!draft)
        return orb_fail(err, ORB_E_BUSY, "%d drafts are being worked on", DP_DRAFTS);
    dpjobs_drop(draft);
    policy_init(&draft->policy);
    if (!(json_member(input, len, "reset", &value) && value.type == 't'))
        r = policy_copy(&s->current, &draft->policy);
    if (r < 0)
        return orb_fail(err, r, "the running policy cannot be copied");
    draft->tx = ++s->next_tx;
    json_write_object(&w, NULL);
    json_write_integer(&w, "tx", (int64_t)draft->tx);
    json_write_end(&w);
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
    dataplane_compile_free(draft->compiled);
    draft->compiled = NULL;
    return policy_put(&draft->policy, input, len, err);
}

static int on_draft(struct dpservice *s, const char *method, uint64_t tx, const char *input,
                    size_t len, struct host_req *req, struct orb_err *err)
{
    struct dp_draft *draft = NULL;
    int r;

    if (!strcmp(method, "abort") && tx == s->applied_tx)
        return dpjobs_request(s, DP_REVERT, NULL, tx, req, err);
    r = find_draft(s, tx, &draft, err);
    if (r < 0)
        return r;
    if (!strcmp(method, "put"))
        return put(draft, input, len, err);
    if (!strcmp(method, "check"))
        return dpjobs_request(s, DP_CHECK, draft, tx, req, err);
    if (!strcmp(method, "abort")) {
        dpjobs_drop(draft);
        return 0;
    }
    if (!draft->compiled)
        return orb_fail_at(err, ORB_E_STATE, "/tx", "draft %llu was not checked since its last put",
                           (unsigned long long)tx);
    return dpjobs_request(s, DP_APPLY, draft, tx, req, err);
}

/* A page of them: the answer must fit into a message. */
static int counters(struct dpservice *s, const char *input, size_t len, struct host_req *req,
                    struct orb_err *err)
{
    int64_t after = 0, limit = COUNTERS_PAGE;
    struct dp_job *job = dpjobs_new(s, DP_COUNTERS, req, err);
    struct json_slice value;

    if (!job)
        return err->code;
    if (json_member(input, len, "after", &value))
        json_int64(&value, &after);
    if (json_member(input, len, "limit", &value))
        json_int64(&value, &limit);
    job->after = (uint32_t)after;
    job->limit = (unsigned)limit;
    return dpjobs_queue(s, job);
}

/* Of the policy in force, or of a draft that was checked. */
static int test(struct dpservice *s, uint64_t tx, const char *input, size_t len,
                struct host_req *req, struct orb_err *err)
{
    struct dp_draft *draft = NULL;
    struct packet_test packet;
    struct dp_job *job;
    int r = packet_test_read(input, len, &packet, err);

    if (r == 0 && tx)
        r = find_draft(s, tx, &draft, err);
    if (r < 0)
        return r;
    if (draft && !draft->compiled)
        return orb_fail_at(err, ORB_E_STATE, "/tx", "draft %llu was not checked since its last put",
                           (unsigned long long)tx);
    job = dpjobs_new(s, DP_TEST, req, err);
    if (!job)
        return err->code;
    job->packet = packet;
    job->draft = draft;
    if (draft)
        draft->busy = true;
    return dpjobs_queue(s, job);
}

/* Connections that a filter selects: listed, or deleted. To delete all, a filter must select all.
 */
static int flows(struct dpservice *s, bool deletes, const char *input, size_t len,
                 struct host_req *req, struct orb_err *err)
{
    struct flow_list_filter filter;
    struct dp_job *job;
    int r = flow_list_read(input, len, &filter, err);

    if (r < 0)
        return r;
    if (deletes && filter.any)
        return orb_fail(err, ORB_E_INVALID,
                        "expected source, destination, protocol, port or rule of the connections "
                        "to delete; 0.0.0.0/0 as source selects all of IPv4");
    job = dpjobs_new(s, deletes ? DP_FLOWS_DELETE : DP_FLOWS, req, err);
    if (!job)
        return err->code;
    job->filter = filter;
    return dpjobs_queue(s, job);
}

static int dispatch(struct dpservice *s, const char *method, const char *input, size_t len,
                    struct host_req *req, struct buf *out, struct orb_err *err)
{
    struct json_slice value;
    int64_t tx = 0;

    if (!strcmp(method, "counters"))
        return counters(s, input, len, req, err);
    if (!strcmp(method, "flows") || !strcmp(method, "flows-delete"))
        return flows(s, !strcmp(method, "flows-delete"), input, len, req, err);
    if (!strcmp(method, "status"))
        return dpjobs_request(s, DP_STATUS, NULL, 0, req, err);
    if (!strcmp(method, "enable"))
        return dpjobs_request(s, DP_ENABLE, NULL, 0, req, err);
    if (!strcmp(method, "disable"))
        return dpjobs_request(s, DP_DISABLE, NULL, 0, req, err);
    if (!strcmp(method, "detach"))
        return dpjobs_request(s, DP_DETACH, NULL, 0, req, err);
    if (!strcmp(method, "begin"))
        return begin(s, input, len, out, err);
    if (json_member(input, len, "tx", &value))
        json_int64(&value, &tx);
    if (!strcmp(method, "test"))
        return test(s, (uint64_t)tx, input, len, req, err);
    return on_draft(s, method, (uint64_t)tx, input, len, req, err);
}

static void on_request(void *arg, struct host_req *req, const struct host_caller *caller,
                       const char *method, const char *input, size_t len)
{
    struct dpservice *s = arg;
    AUTO(buf) struct buf out = {0};
    struct orb_err err = {0};
    int r;

    s->caller = caller;
    r = dispatch(s, method, input, len, req, &out, &err);
    s->caller = NULL;
    if (r < 0)
        host_reply_error(req, &err);
    else if (r == 0)
        host_reply(req, out.len ? out.data : "{}", out.len ? out.len : 2);
}

/* ---- start and end ---- */

static void on_closed(struct loop_scope *scope)
{
    struct dpservice *s = container_of(scope, struct dpservice, scope);

    for (unsigned i = 0; i < DP_DRAFTS; i++)
        dpjobs_drop(&s->drafts[i]);
    policy_fini(&s->current);
    policy_fini(&s->previous);
    dataplane_close(s->dataplane);
    buf_fini(&s->metrics);
    free(s->found);
    strings_free(s->given_up);
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

void dpservice_metrics(const struct dpservice *s, struct buf *b)
{
    if (s)
        buf_add(b, s->metrics.data, s->metrics.len);
}

int dpservice_new(struct orbitald *host, struct dpservice **ret_service, struct orb_err *err)
{
    struct dpservice *s = xcalloc(1, sizeof(*s));

    s->host = host;
    s->found = buf_format("%s/found-settings", host->options.state_dir);
    policy_init(&s->current);
    policy_init(&s->previous);
    loop_scope_init(&s->scope, on_closed);
    uv_timer_init(host->loop, &s->beat);
    loop_scope_adopt(&s->scope, (uv_handle_t *)&s->beat);
    uv_unref((uv_handle_t *)&s->beat);
    dpwatch_init(s);
    *ret_service = s;
    if (host->options.no_dataplane) {
        snprintf(s->why, sizeof(s->why), "orbitald runs with --no-dataplane");
    } else {
        guard(s);
        s->opening = true;
        dpjobs_own(s, DP_OPEN, 0);
    }
    return host_serve(host->broker, host->dataplane_contract, on_request, s, err);
}
