/* Requests to the package, and the peers they come from. */
#ifndef CORE_WORKER_SDK_REQ_H
#define CORE_WORKER_SDK_REQ_H

#include "core/worker/sdk_internal.h"

struct inframe;
struct sdk_method;

struct sdk_peer {
    struct sdk_peer *next;
    unsigned refs; /* requests, and one for being announced */
    struct orb_peer pub;
    char kind[16];
    char name[SDK_NAME];
    char role[16];
    char **grants; /* NULL ends */
};

/* What a method number of WELCOME means. */
struct sdk_method {
    const struct orb_method *plugin; /* NULL: own, or declared and not handled */
    enum sdk_own_method own;
    char *name; /* "interface/method" */
};

struct orb_req {
    struct orb_ctx *ctx;
    struct orb_req *prev;
    struct orb_req *next;
    struct sdk_peer *peer;
    cJSON *in;
    uint64_t deadline_at;
    uint32_t deadline_ms;
    uint32_t corr;
    uint64_t progress_at; /* when PROGRESS about it was sent last */
    bool cancelled;       /* the caller cancelled: the answer is dropped */
    bool waits;           /* in ctx->queue, by queue_next */
    struct orb_req *queue_next;
    const struct sdk_method *method;
    char trace[64];
    size_t len;
    char text[];
};

/* Finds the handler of each method of WELCOME's list, the context's from then on. ORB_E_LIMIT. */
int sdk_req_methods(struct orb_ctx *ctx, const cJSON *list, struct orb_err *err);
/* REQ: a request to the package, or a step of a change; it is queued. */
void sdk_req_frame(struct orb_ctx *ctx, const struct inframe *frame);
/* Passes the request whose turn it is to its handler; there is one. */
void sdk_req_next(struct orb_ctx *ctx);
/* CANCEL: the caller waits no longer. The package does not see a request that still waits. */
void sdk_req_cancel(struct orb_ctx *ctx, const struct inframe *frame);
/* PEER: identity of a peer id. */
void sdk_req_peer(struct orb_ctx *ctx, const struct inframe *frame);
/* GONE: a peer, or the provider of a target, is gone. */
void sdk_req_gone(struct orb_ctx *ctx, const struct inframe *frame);
void sdk_req_fini(struct orb_ctx *ctx);

#endif
