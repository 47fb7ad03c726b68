/* Requests and their answers. Of a request and a reply only the header is changed in passing;
 * errors of a provider are parsed and written again. */
#include "core/ipc/request.h"

#include "core/ipc/access.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/charge.h"
#include "core/ipc/held.h"
#include "core/ipc/inflight.h"
#include "core/ipc/offload.h"
#include "core/ipc/refusal.h"
#include "core/ipc/resolve.h"
#include "core/ipc/share.h"
#include "core/json/scan.h"

/* Quota check before anything is sent to the provider: its write queue must have space for the
 * request, the PEER frame of the caller, CANCEL and GONE; else the request is refused. inflight may
 * be NULL. */
static int check_limits(const struct principal *who, const struct target *target,
                        const struct inflight *inflight, uint32_t bytes, struct orb_err *err)
{
    struct ipc_peer *provider = target->provider;
    const char *to = provider->self.name;
    size_t queued = conn_queued(&provider->conn) + provider->owed;

    if (inflight && inflight->requests >= INFLIGHT_MAX_REQUESTS)
        return orb_fail(err, ORB_E_BUSY, "%s has %u requests to %s in flight; at most %d",
                        who->name, inflight->requests, to, INFLIGHT_MAX_REQUESTS);
    if (inflight && inflight->requests && inflight->bytes + bytes > INFLIGHT_MAX_BYTES)
        return orb_fail(err, ORB_E_BUSY, "%s has %u bytes of requests to %s in flight; at most %u",
                        who->name, inflight->bytes, to, INFLIGHT_MAX_BYTES);
    if (share_requests(who->owner, provider) >= SHARE_REQUESTS)
        return orb_fail(err, ORB_E_BUSY, "%s has %d requests to %s in flight over all connections",
                        who->name, SHARE_REQUESTS, to);
    if (who->owner->call_count >= who->owner->pending_max)
        return orb_fail(err, ORB_E_BUSY, "%s has %u requests in flight; at most %u",
                        who->owner->self.name, who->owner->call_count, who->owner->pending_max);
    if (queued > peer_queue(provider, target->interface->early ? QUEUE_CONFIG : QUEUE_REQUESTS))
        return orb_fail(err, ORB_E_BUSY, "%s does not keep up: %zu bytes wait for it", to, queued);
    return charge_check(provider, who, bytes, err);
}

static void forward(struct pending *p, struct inframe *in, uint32_t deadline_ms)
{
    const struct ipc_interface *interface = p->target.interface;
    struct ipc_peer *provider = p->target.provider;
    struct frame h = {
        .len = in->h.len,
        .envlen = in->h.envlen,
        .type = FRAME_REQ,
        .handle = interface->base + (uint32_t)(p->target.method - interface->contract->methods) + 1,
        .corr = pending_corr(p),
        .src = p->who->id,
        .deadline_ms = deadline_ms,
    };

    if (peer_is_host(provider)) {
        interface->deliver(p, in->payload, in->len);
        return;
    }
    if (!in->data) {
        peer_send(provider, &h, NULL, in->payload, in->len);
        return;
    }
    frame_put(in->data, &h);
    peer_pass(provider, in->data, FRAME_HEADER + h.len);
}

int request_submit(struct principal *who, const struct target *target, struct inframe *in,
                   host_done *done, void *arg, struct orb_err *err)
{
    struct broker *broker = who->owner->broker;
    const struct contract_method *method = target->method;
    uint32_t bytes = FRAME_HEADER + (uint32_t)in->len;
    uint32_t deadline_ms = in->h.deadline_ms ? in->h.deadline_ms : method->timeout_ms;
    struct pending *p;
    struct ipc_peer *provider = target->provider;
    uint64_t before = provider->conn.queued_ever;
    int r;

    r = check_limits(who, target, inflight_find(who, provider), bytes, err);
    if (r == 0)
        r = offload_check(who->owner, target->interface->contract, method->input, in, err);
    if (r)
        return r;
    if (deadline_ms > CONTRACT_TIMEOUT_MAX_MS)
        deadline_ms = CONTRACT_TIMEOUT_MAX_MS;
    p = pending_new(broker, who, target, inflight_get(who, provider), bytes, deadline_ms);
    if (!p)
        return orb_fail(err, ORB_E_BUSY, "%u requests are in flight in all; no more fit",
                        PENDING_BLOCK * PENDING_BLOCKS);
    p->corr = in->h.corr;
    broker->requests++;
    p->done = done;
    p->arg = arg;
    forward(p, in, deadline_ms);
    if (provider->conn.queued_ever != before) /* p may have ended already */
        charge_add(provider, who, (size_t)(provider->conn.queued_ever - before));
    return 0;
}

static int target_of_handle(struct ipc_peer *peer, const struct principal *who, uint32_t handle,
                            struct target *ret_target, struct orb_err *err)
{
    struct method_handle *method = resolve_handle(peer, handle);

    if (!method)
        return orb_fail(err, ORB_E_INVALID, "handle %u was never opened", handle);
    if (!method->target.provider || method->target.provider->conn.dead)
        return orb_fail(err, ORB_E_GONE, "the service behind %s/%s went away; open it again",
                        method->to, method->method_name);
    *ret_target = method->target;
    if (who == &peer->self && method->allowed)
        return 0;
    return access_method(who, ret_target, err);
}

static int target_of_envelope(struct ipc_peer *peer, const struct principal *who,
                              struct inframe *in, struct target *ret_target, struct orb_err *err)
{
    char to[96], method[64];
    int r;

    r = inframe_string(in, "to", to, sizeof(to), err);
    if (r == 0)
        r = inframe_string(in, "method", method, sizeof(method), err);
    if (r == 0)
        r = access_names(who, GRANT_CALL, to, method, err);
    if (r == 0)
        r = resolve_method(peer->broker, to, method, who, ret_target, err);
    if (r == 0)
        r = access_method(who, ret_target, err);
    return r;
}

static void take(struct ipc_peer *peer, struct principal *who, struct inframe *in)
{
    struct orb_err err;
    struct target target;
    int r = 0;

    if (in->h.envlen)
        r = scan_json(in->env, in->h.envlen, NULL, &err);
    if (r == 0)
        r = in->h.handle ? target_of_handle(peer, who, in->h.handle, &target, &err)
                         : target_of_envelope(peer, who, in, &target, &err);
    if (r == 0)
        r = resolve_available(&target, &err);
    if (r == 0)
        r = request_submit(who, &target, in, NULL, NULL, &err);
    if (r < 0) {
        refusal_answer(peer, in->h.corr, &err);
    }
}

void request_of_session(struct ipc_peer *peer, struct principal *who, struct inframe *in)
{
    uint64_t before = uv_hrtime();

    take(peer, who, in);
    held_charge(who, uv_hrtime() - before);
}

void request_on_req(struct ipc_peer *peer, struct inframe *in)
{
    struct orb_err err;
    struct principal *who = principal_of(peer, in->h.src, &err);

    if (!who && err.code == ORB_E_PROTOCOL) {
        refusal_disconnect(peer, &err);
    } else if (!who) {
        refusal_answer(peer, in->h.corr, &err);
    } else if (who == &peer->self) {
        take(peer, who, in);
    } else if (!held_takes(peer, who, in)) {
        request_of_session(peer, who, in);
    }
}

void request_fail(struct pending *p, const struct orb_err *err)
{
    struct ipc_peer *caller = p->caller;
    host_done *done = p->done;
    void *arg = p->arg;
    uint32_t corr = p->corr;

    pending_end(p);
    if (!peer_is_host(caller))
        refusal_send(caller, corr, err);
    else if (done)
        done(arg, NULL, 0, err);
}

void request_answer(struct pending *p, const char *text, size_t len)
{
    struct ipc_peer *caller = p->caller;
    host_done *done = p->done;
    void *arg = p->arg;
    uint32_t corr = p->corr;

    pending_end(p);
    if (!peer_is_host(caller))
        peer_send(caller, &(struct frame){.type = FRAME_REP, .corr = corr}, NULL, text, len);
    else if (done)
        done(arg, text, len, NULL);
}

void request_postponed(const struct pending *p, uint32_t left_ms)
{
    if (!peer_is_host(p->caller))
        peer_send(p->caller,
                  &(struct frame){.type = FRAME_PROGRESS, .corr = p->corr, .deadline_ms = left_ms},
                  NULL, NULL, 0);
}

void request_cancel(struct pending *p)
{
    peer_send(p->target.provider, &(struct frame){.type = FRAME_CANCEL, .corr = pending_corr(p)},
              NULL, NULL, 0);
}

void request_late(struct pending *p)
{
    const struct ipc_peer *provider = p->target.provider;
    uint64_t took = uv_now(provider->broker->loop) - p->since;
    const char *interface = p->target.interface->name, *method = p->target.method->name;
    struct orb_err err;

    if (p->target.method->progress && provider->progress_ms && took >= provider->progress_ms &&
        took > p->deadline_ms)
        orb_fail(&err, ORB_E_DEADLINE,
                 "%s was still at %s after %.3g s, the longest it may take (deadlines.progress-ms)",
                 interface, method, (double)took / 1000);
    else
        orb_fail(&err, ORB_E_DEADLINE, "%s did not answer %s within %.3g s%s", interface, method,
                 (double)p->deadline_ms / 1000,
                 took > p->deadline_ms ? " of reported progress" : "");
    provider->broker->deadlines++;
    request_cancel(p);
    request_fail(p, &err);
}

int request_check_output(struct pending *p, const struct inframe *in, struct orb_err *err)
{
    const struct target *target = &p->target;
    struct orb_err why;
    int r = offload_check(target->provider, target->interface->contract, target->method->output, in,
                          &why);

    if (r >= 0)
        return r;
    p->caller->broker->outputs_refused++;
    refusal_log(p->target.provider, "ipc.bad-output", &why);
    return orb_fail(err, ORB_E_INTERNAL,
                    "service %s answered %s/%s with what its contract does not allow: %s%s%s",
                    p->target.provider->self.name, p->target.interface->name,
                    p->target.method->name, why.path, why.path[0] ? ": " : "", why.text);
}

/* What others say is no reason to end it. */
static int check_room(struct ipc_peer *caller, size_t len, struct orb_err *err)
{
    if (conn_queued(&caller->conn) > peer_queue(caller, QUEUE_REPLIES))
        return orb_fail(err, ORB_E_LIMIT,
                        "%s does not read: %zu bytes wait for it, so the answer is lost",
                        caller->self.name, conn_queued(&caller->conn));
    if (!share_has_room(caller, len, SHARE_LOSES))
        return orb_fail(err, ORB_E_LIMIT,
                        "%s does not read: over %d bytes wait for its connections, so the answer "
                        "is lost",
                        caller->self.name, SHARE_LOSES);
    return 0;
}

static void tell_answered(const struct ipc_peer *provider)
{
    if (provider->events && provider->events->answered)
        provider->events->answered(provider->arg);
}

void request_on_rep(struct ipc_peer *peer, struct inframe *in)
{
    struct pending *p = pending_find(peer->broker, peer, in->h.corr);
    struct ipc_peer *caller;
    struct orb_err err;
    struct frame h = {.len = in->h.len, .type = FRAME_REP};
    int r;

    if (!p) {
        peer->broker->replies_dropped++;
        return;
    }
    tell_answered(peer);
    if (in->h.envlen) {
        orb_fail(&err, ORB_E_INTERNAL, "service %s sent a reply with an envelope", peer->self.name);
        request_fail(p, &err);
        return;
    }
    r = request_check_output(p, in, &err);
    if (r == CHECK_LATER)
        return;
    if (r < 0) {
        request_fail(p, &err);
        return;
    }
    caller = p->caller;
    if (peer_is_host(caller)) {
        request_answer(p, in->payload, in->len);
        return;
    }
    if (check_room(caller, FRAME_HEADER + in->len, &err) < 0) {
        request_fail(p, &err);
        return;
    }
    h.corr = p->corr;
    pending_end(p);
    frame_put(in->data, &h);
    peer_pass(caller, in->data, FRAME_HEADER + h.len);
}

/* The error inside a provider's envelope; what cannot be read becomes a sentence about that. */
static void read_error(struct ipc_peer *peer, const struct inframe *in, struct orb_err *ret_err)
{
    struct json_slice error;

    if (!in->h.envlen || scan_json(in->env, in->h.envlen, NULL, NULL) < 0 ||
        !json_member(in->env, in->h.envlen, "err", &error) ||
        json_read_error(error.p, error.len, ret_err) < 0)
        orb_fail(ret_err, ORB_E_INTERNAL, "service \"%s\" failed and gave no reason",
                 peer->self.name);
}

void request_on_err(struct ipc_peer *peer, struct inframe *in)
{
    struct pending *p = pending_find(peer->broker, peer, in->h.corr);
    struct orb_err err;

    if (!p) {
        peer->broker->replies_dropped++;
        return;
    }
    tell_answered(peer);
    read_error(peer, in, &err);
    request_fail(p, &err);
}

void request_leave(struct ipc_peer *peer)
{
    struct orb_err err;

    while (peer->serves) {
        struct pending *p = peer->serves;

        orb_fail(&err, ORB_E_GONE, "service %s went away before it answered %s", peer->self.name,
                 p->target.method->name);
        request_fail(p, &err);
    }
    while (peer->calls) {
        request_cancel(peer->calls);
        pending_end(peer->calls);
    }
}
