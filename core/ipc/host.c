/* The host itself as provider and as caller. A host_req may outlive its caller and even the broker:
 * answering it then only frees it. */
#include <string.h>

#include "core/ipc/room.h"

static void req_free(struct host_req *req)
{
    if (req->broker) {
        if (req->prev)
            req->prev->next = req->next;
        else
            req->broker->reqs = req->next;
        if (req->next)
            req->next->prev = req->prev;
    }
    free(req->input);
    free(req);
}

void host_deliver(struct pending *p, const char *input, size_t len)
{
    struct broker *broker = p->caller->broker;
    struct host_req *req = xcalloc(1, sizeof(*req));
    struct iface *iface = p->target.iface;
    struct host_caller caller = {
        .peer = p->who->id,
        .kind = p->who->kind,
        .name = p->who->name,
        .role = p->who->role,
    };

    req->broker = broker;
    req->pending = p;
    req->input = xstrndup(input, len);
    req->next = broker->reqs;
    if (req->next)
        req->next->prev = req;
    broker->reqs = req;
    p->req = req;
    iface->handler(iface->arg, req, &caller, p->target.method->name, req->input, len);
}

void host_forget(struct pending *p)
{
    if (p->req)
        p->req->pending = NULL;
    p->req = NULL;
}

void host_forget_all(struct broker *broker)
{
    while (broker->reqs) {
        struct host_req *req = broker->reqs;

        broker->reqs = req->next;
        if (req->next)
            req->next->prev = NULL;
        req->broker = NULL;
        req->pending = NULL;
        req->next = NULL;
    }
}

void host_reply(struct host_req *req, const char *text, size_t len)
{
    struct pending *p = req->pending;
    const struct inframe in = {.payload = text, .len = len};
    struct orb_err err;

    if (!p) {
        req_free(req);
        return;
    }
    if (len > FRAME_MAX) {
        orb_fail(&err, ORB_E_LIMIT, "the answer has %zu bytes; at most %u fit a frame", len,
                 FRAME_MAX);
        request_fail(p, &err);
    } else if (request_check_output(p, &in, &err) < 0) {
        request_fail(p, &err);
    } else {
        request_answer(p, text, len);
    }
    req_free(req);
}

void host_reply_error(struct host_req *req, const struct orb_err *err)
{
    if (req->pending)
        request_fail(req->pending, err);
    req_free(req);
}

int broker_provide(struct broker *broker, const struct contract *contract, host_handler *handler,
                   void *arg, struct orb_err *err)
{
    struct iface *iface;
    int r = iface_provide(broker, contract, broker->host, 0, false, &iface, err);

    if (r < 0)
        return r;
    iface->handler = handler;
    iface->arg = arg;
    return broker_expect(broker, contract, err);
}

int broker_call(struct broker *broker, const char *to, const char *method, const char *text,
                size_t len, uint32_t deadline_ms, host_done *done, void *arg, struct orb_err *err)
{
    struct inframe in = {.h.deadline_ms = deadline_ms, .payload = text, .len = len};
    struct orb_err local;
    struct target target;
    int r;

    if (!err)
        err = &local;
    if (len > FRAME_MAX)
        return orb_fail(err, ORB_E_LIMIT, "a request of %zu bytes; at most %u", len, FRAME_MAX);
    if (len == 0) {
        in.payload = "{}";
        in.len = 2;
    }
    r = route_resolve(broker, to, method, &target, err);
    if (r == 0)
        r = route_available(&target, err);
    if (r == 0)
        r = request_submit(&broker->host->self, &target, &in, done, arg, err);
    return r;
}
