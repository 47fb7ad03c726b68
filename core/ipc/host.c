/* The host itself as provider and as caller. A host_req may outlive its caller and even the broker:
 * answering it then only frees it. */
#include "core/ipc/host.h"

#include <string.h>

#include "core/base/xalloc.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/progress.h"
#include "core/ipc/publish.h"
#include "core/ipc/request.h"
#include "core/ipc/resolve.h"

struct host_req {
    struct broker *broker;   /* NULL: it is closed */
    struct pending *pending; /* NULL: the caller does not wait any more */
    char *input;
    struct host_req *prev, *next;
};

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

static void deliver(struct pending *p, const char *input, size_t len)
{
    struct broker *broker = p->caller->broker;
    struct host_req *req = xcalloc(1, sizeof(*req));
    struct ipc_interface *interface = p->target.interface;
    struct host_caller caller = {
        .peer = p->who->id,
        .kind = p->who->kind,
        .name = p->who->name,
        .role = p->who->kind == PEER_SERVICE ? "service" : p->who->role,
    };

    req->broker = broker;
    req->pending = p;
    req->input = xstrndup(input, len);
    req->next = broker->reqs;
    if (req->next)
        req->next->prev = req;
    broker->reqs = req;
    p->holder = &req->pending;
    interface->handler(interface->arg, req, &caller, p->target.method->name, req->input, len);
}

void host_forget_requests(struct broker *broker)
{
    while (broker->reqs) {
        struct host_req *req = broker->reqs;

        broker->reqs = req->next;
        if (req->next)
            req->next->prev = NULL;
        req->broker = NULL;
        if (req->pending)
            req->pending->holder = NULL;
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

void host_progress(const struct host_req *req, const struct progress_state *state)
{
    if (req->pending)
        progress_of(req->pending, state);
}

int host_serve(struct broker *broker, const struct contract *contract, host_handler *handler,
               void *arg, struct orb_err *err)
{
    struct ipc_interface *interface;
    int r = interface_provide(broker, contract, broker->host, 0, false, &interface, err);

    if (r < 0)
        return r;
    interface->deliver = deliver;
    interface->handler = handler;
    interface->arg = arg;
    return interface_expect(broker, contract, err);
}

int host_call(struct broker *broker, const char *to, const char *method, const char *text,
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
    r = resolve_method(broker, to, method, NULL, &target, err);
    if (r == 0)
        r = resolve_available(&target, err);
    if (r == 0)
        r = request_submit(&broker->host->self, &target, &in, done, arg, err);
    return r;
}

int host_subscribe(struct broker *broker, const char *name, const char *topic, host_event *cb,
                   void *arg, struct orb_err *err)
{
    struct ipc_interface *interface = interface_get(broker, name, err);
    struct sub *sub;

    if (!interface)
        return err ? err->code : ORB_E_LIMIT;
    if (strlen(topic) >= sizeof(sub->topic))
        return orb_fail(err, ORB_E_INVALID, "topic \"%.60s\" is too long", topic);
    sub = sub_add(interface, NULL, topic);
    sub->cb = cb;
    sub->arg = arg;
    publish_replay(interface, sub);
    return 0;
}

int host_publish(struct broker *broker, const char *name, const char *topic, const char *text,
                 size_t len, struct orb_err *err)
{
    struct ipc_interface *interface = interface_find(broker, name);
    struct inframe in = {.len = len};
    struct orb_err local;
    unsigned char *copy;

    if (!err)
        err = &local;
    if (!interface || interface->provider != broker->host)
        return orb_fail(err, ORB_E_NOT_FOUND, "the host does not provide \"%s\"", name);
    if (len > FRAME_MAX)
        return orb_fail(err, ORB_E_LIMIT, "an event of %zu bytes; at most %u", len, FRAME_MAX);
    copy = turn_memory_get(&broker->conns.memory, len);
    memcpy(copy, text, len);
    in.payload = (char *)copy;
    return publish_event(broker->host, interface, topic, &in, err);
}

void host_fail_calls(struct broker *broker)
{
    struct orb_err err;

    orb_fail(&err, ORB_E_GONE, "the host is stopping");
    while (broker->host->calls)
        request_fail(broker->host->calls, &err);
}
