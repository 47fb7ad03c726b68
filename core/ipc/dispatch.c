/* The handler of each type of frame, and which peers may send it. */
#include "core/ipc/dispatch.h"

#include "core/base/xalloc.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/held.h"
#include "core/ipc/hello.h"
#include "core/ipc/offload.h"
#include "core/ipc/progress.h"
#include "core/ipc/publish.h"
#include "core/ipc/refusal.h"
#include "core/ipc/request.h"
#include "core/ipc/resolve.h"
#include "core/ipc/rest.h"
#include "core/ipc/subscribe.h"
#include "core/json/scan.h"

enum who_may { BY_SERVICE = 1, BY_CLIENT = 2 };

typedef void frame_fn(struct ipc_peer *peer, struct inframe *in);

/* The number in READY and APPLIED; false: it is none, and the peer is disconnected. */
static bool revision_of(struct ipc_peer *peer, const struct inframe *in, uint64_t *ret_revision)
{
    struct json_slice value;
    struct orb_err err;
    int64_t revision = 0;

    if (json_member(in->payload, in->len, "revision", &value) &&
        (json_int64(&value, &revision) < 0 || revision < 0)) {
        orb_fail(&err, ORB_E_PROTOCOL, "\"revision\" of %s is no revision number",
                 frame_type_name(in->h.type));
        refusal_disconnect(peer, &err);
        return false;
    }
    *ret_revision = (uint64_t)revision;
    return true;
}

static void on_ready(struct ipc_peer *peer, struct inframe *in)
{
    struct orb_err err;
    uint64_t revision = 0;

    if (peer->ready_seen) {
        orb_fail(&err, ORB_E_PROTOCOL, "a second READY");
        refusal_disconnect(peer, &err);
        return;
    }
    peer->ready_seen = true;
    if (revision_of(peer, in, &revision) && peer->events && peer->events->ready)
        peer->events->ready(peer->arg, revision);
}

static void on_applied(struct ipc_peer *peer, struct inframe *in)
{
    struct orb_err err;
    uint64_t revision = 0;

    if (!peer->ready_seen) {
        orb_fail(&err, ORB_E_PROTOCOL, "APPLIED before READY");
        refusal_disconnect(peer, &err);
        return;
    }
    if (revision_of(peer, in, &revision) && peer->events && peer->events->applied)
        peer->events->applied(peer->arg, revision);
}

static void on_pong(struct ipc_peer *peer, struct inframe *in)
{
    struct json_slice value;
    char degraded[200] = "";

    if (!peer->ping_open)
        return; /* to no PING */
    peer->ping_open = false;
    if (json_member(in->payload, in->len, "degraded", &value) &&
        json_text(&value, degraded, sizeof(degraded)) < 0)
        snprintf(degraded, sizeof(degraded), "degraded (its text is too long)");
    if (peer->events && peer->events->pong)
        peer->events->pong(peer->arg, degraded);
}

static void on_fail(struct ipc_peer *peer, struct inframe *in)
{
    AUTO_FREE char *all = NULL;
    struct orb_err why;

    if (json_read_error(in->payload, in->len, &why) < 0)
        orb_fail(&why, ORB_E_INTERNAL, "it gave no reason");
    all = buf_format("%s%s%s", why.path, *why.path ? ": " : "", why.text);
    if (peer->events && peer->events->failed)
        peer->events->failed(peer->arg, all);
}

static void on_log(struct ipc_peer *peer, struct inframe *in)
{
    if (peer->events && peer->events->log)
        peer->events->log(peer->arg, in->payload, in->len);
}

static void on_metric(struct ipc_peer *peer, struct inframe *in)
{
    if (peer->events && peer->events->metric)
        peer->events->metric(peer->arg, in->payload, in->len);
}

static void on_problems(struct ipc_peer *peer, struct inframe *in)
{
    if (peer->events && peer->events->problems)
        peer->events->problems(peer->arg, in->payload, in->len);
}

/* by 0: no peer sends this to the host. raw: the function scans itself. answered: a payload that is
 * no JSON is answered with ERR, otherwise dropped with a complaint. */
static const struct rule {
    frame_fn *fn;
    unsigned char by;
    bool raw;
    bool answered;
} rules[FRAME_TYPES] = {
    [FRAME_HELLO] = {hello_on_frame, BY_SERVICE | BY_CLIENT, false, true},
    [FRAME_OPEN] = {resolve_on_open, BY_SERVICE | BY_CLIENT, false, true},
    [FRAME_REQ] = {request_on_req, BY_SERVICE | BY_CLIENT, true, true},
    [FRAME_REP] = {request_on_rep, BY_SERVICE, true, false},
    [FRAME_ERR] = {request_on_err, BY_SERVICE, true, false},
    [FRAME_SUB] = {subscribe_on_sub, BY_SERVICE | BY_CLIENT, false, true},
    [FRAME_UNSUB] = {subscribe_on_unsub, BY_SERVICE | BY_CLIENT, false, true},
    [FRAME_PUB] = {publish_on_pub, BY_SERVICE, true, false},
    [FRAME_PONG] = {on_pong, BY_SERVICE, false, false},
    [FRAME_READY] = {on_ready, BY_SERVICE, false, false},
    [FRAME_LOG] = {on_log, BY_SERVICE, false, false},
    [FRAME_METRIC] = {on_metric, BY_SERVICE, false, false},
    [FRAME_FAIL] = {on_fail, BY_SERVICE, false, false},
    [FRAME_PROBLEMS] = {on_problems, BY_SERVICE, false, false},
    [FRAME_PROGRESS] = {progress_on_frame, BY_SERVICE, true, false},
    [FRAME_APPLIED] = {on_applied, BY_SERVICE, false, false},
};

/* 0, or ORB_E_PROTOCOL: the peer is disconnected. */
static int admit(const struct ipc_peer *peer, const struct frame *h, struct orb_err *err)
{
    const struct rule *rule = &rules[h->type];

    if (!(rule->by & (peer->client ? BY_CLIENT : BY_SERVICE)))
        return orb_fail(err, ORB_E_PROTOCOL, "a %s does not send %s frames",
                        peer->client ? "client" : "service", frame_type_name(h->type));
    if (h->type == FRAME_HELLO && peer->greeted)
        return orb_fail(err, ORB_E_PROTOCOL, "a second HELLO");
    if (h->type != FRAME_HELLO && h->type != FRAME_FAIL && !peer->greeted)
        return orb_fail(err, ORB_E_PROTOCOL, "%s before HELLO", frame_type_name(h->type));
    if (h->src && h->type != FRAME_REQ && h->type != FRAME_OPEN)
        return orb_fail(err, ORB_E_PROTOCOL, "a %s frame names a sender (src %u)",
                        frame_type_name(h->type), h->src);
    return 0;
}

void dispatch_frame(struct ipc_peer *peer, struct inframe *in)
{
    const struct rule *rule = &rules[in->h.type];
    struct orb_err err;
    int r;

    peer->frames_in++;
    peer->broker->frames_in++;
    r = admit(peer, &in->h, &err);
    if (r < 0) {
        refusal_disconnect(peer, &err);
        return;
    }
    r = rule->raw ? 0 : inframe_scan(in, &err);
    if (r < 0) {
        if (rule->answered) {
            refusal_answer(peer, in->h.corr, &err);
        } else {
            refusal_count(peer, &err);
            refusal_log(peer, "ipc.bad-json", &err);
        }
        return;
    }
    rule->fn(peer, in);
}

/* Who asked for an answer of a shipped service pays for its check: were it the service, one client
 * that asks for large values would delay all others. NULL: the sender pays. */
static struct principal *payer_of(const struct ipc_peer *peer, const struct inframe *in)
{
    const struct pending *p =
        in->h.type == FRAME_REP && peer->shipped
            ? pending_find(peer->broker, (struct ipc_peer *)(uintptr_t)peer, in->h.corr)
            : NULL;

    return p ? p->who : NULL;
}

static void charge_caller(struct principal *who, uint64_t cpu_ns)
{
    if (who != &who->owner->self)
        held_charge_thread(who, cpu_ns);
    else
        rest_for_answer(who->owner, cpu_ns);
}

void dispatch_checked(struct ipc_peer *peer, struct principal *who, struct inframe *in,
                      uint64_t cpu_ns)
{
    struct principal *caller;

    if (who != &peer->self) {
        who->checking = false;
        request_of_session(peer, who, in);
        held_charge_thread(who, cpu_ns);
        held_go_on(peer);
        return;
    }
    caller = payer_of(peer, in);
    if (caller)
        charge_caller(caller, cpu_ns);
    else if (!in->checked->blocks)
        rest_for_answer(peer, cpu_ns);
    if (in->checked->blocks)
        conn_unblock(&peer->conn);
    rules[in->h.type].fn(peer, in);
    if (in->checked->blocks && !peer->conn.blocked)
        rest_after_thread(peer, caller ? 0 : cpu_ns);
}
