/* What the SDK's files share: the one orb_ctx of a worker. Memory of the plugin's objects
 * (requests, timers, watches) is listed here, so that what a plugin forgot is freed when the worker
 * ends. */
#ifndef CORE_WORKER_SDK_INTERNAL_H
#define CORE_WORKER_SDK_INTERNAL_H

#include <pthread.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/ipc/frame_stream.h"
#include "core/loop/loop_watch.h"
#include "core/worker/sdk.h"
#include "core/worker/sdk_conf.h"
#include "core/worker/sdk_plugin.h"
#include "core/worker/sdk_timer.h"

#define SDK_READ_TURN 262144u /* read per loop turn, then others get theirs */
#define SDK_DELIVER_US 10000u /* handlers have so long a turn: then timers run, answers leave */
#define SDK_FLUSH_AT 65536u   /* more than this is written at once, inside the callback */
#define SDK_QUEUE_SOFT (512u * 1024)       /* beyond: logs dropped, events refused (busy) */
#define SDK_QUEUE_CALLS (8u * 1024 * 1024) /* beyond: calls refused (busy) */
#define SDK_QUEUE_MAX (64u * 1024 * 1024)  /* beyond: the host does not read; the worker ends */
#define SDK_MAX_CALLS 4096u                /* in flight */
#define SDK_MAX_METHODS 512u               /* in WELCOME */
#define SDK_MAX_METRICS 64u                /* names; the host keeps no more of a service */
#define SDK_MAX_PATCH (64u * 1024 * 1024)  /* bytes of an attached tree or a fetched patch */
#define SDK_MAX_OPS 1000000u               /* operations in one patch */
#define SDK_BURST_MS 1000u                 /* calls closer together than this use a handle */
#define SDK_CALL_SLACK_MS 1000u /* own deadline timers are the backstop of the broker's */
#define SDK_CALL_CAP_MS 600000u /* the broker's cap */
#define SDK_FLUSH_MS 1000       /* waited for the host to take the last frames */
#define SDK_ALONE_MS 20000u     /* for a step no caller waits for; as apply in a commit */
#define SDK_PROGRESS_MS 100     /* PROGRESS is sent at most this often */
#define SDK_MAX_POSTED 1024u    /* calls of other threads that wait for the loop */
#define SDK_NAME 64u

enum sdk_state { SDK_HELLO, SDK_STARTING, SDK_RUNNING, SDK_ENDED };

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
    bool cancelled; /* the caller cancelled: the answer is dropped */
    char trace[64];
    size_t len;
    char text[];
};

struct sdk_target {
    struct sdk_target *next;
    char *to;
    char *method;
    uint32_t handle; /* 0: none */
    uint64_t ok_at;  /* when a call last succeeded */
    bool opening;
    bool watched; /* config@1 attach: sdk_conf_provider_gone() is called when the handle becomes
                     void */
};

enum sdk_call_kind { SDK_CALL_REQ, SDK_CALL_OPEN, SDK_CALL_SUB };

struct sdk_call {
    struct sdk_call *next;
    enum sdk_call_kind kind;
    uint32_t corr;
    uint64_t deadline_at;
    struct sdk_target *target; /* NULL for sessions */
    struct orb_err *failed;    /* known already, to be reported from the loop */
    orb_reply_fn *done;
    orb_text_fn *done_text;
    void *arg;
    char *what; /* for SUB: "interface/topic" */
};

#define SDK_CALL_BUCKETS 32u

struct sdk_sub {
    struct sdk_sub *next;
    char *interface; /* without @version */
    char *topic;
    orb_event_fn *cb;
    void *arg;
};

struct sdk_metric {
    struct sdk_metric *next;
    uint64_t add;
    double set;
    bool gauge;
    bool dirty;
    char name[SDK_NAME];
};

#define SDK_PROBLEM_KEY 128u
#define SDK_PROBLEM_TODO 256u
#define SDK_MAX_PROBLEMS 1024u /* kept; ORB_PROBLEMS_MAX of them are sent */

struct sdk_problem {
    struct sdk_problem *next;
    enum orb_problem_level level;
    bool gone; /* cleared in this turn */
    char key[SDK_PROBLEM_KEY];
    char what[ORB_ERR_TEXT];
    char path[ORB_ERR_PATH];
    char todo[SDK_PROBLEM_TODO];
};

struct orb_timer {
    struct orb_timer *prev;
    struct orb_timer *next;
    struct sdk_timer timer;
    orb_timer_fn *cb;
    void *arg;
};

struct orb_watch {
    struct orb_ctx *ctx;
    struct orb_watch *prev;
    struct orb_watch *next;
    struct loop_scope scope;
    struct loop_watch poll;
    orb_watch_fn *cb;
    void *arg;
};

/* Calls posted by other threads, oldest at ring[first]; all but wake is protected by the lock. */
struct sdk_post {
    pthread_mutex_t lock;
    uv_async_t wake;
    struct sdk_posted *ring; /* SDK_MAX_POSTED; NULL: not open */
    unsigned first, count;
    bool closed;
};

struct orb_ctx {
    uv_loop_t loop;
    struct loop_scope scope;
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_idle_t more; /* runs while in holds frames left over for the next turn */
    struct sdk_timer call_timer;
    struct sdk_timer metric_timer;
    struct sdk_timer attach_timer;
    struct sdk_timer problem_timer;
    struct sdk_timer alone_timer; /* sdk_alone.c */
    uint32_t alone_ms;
    uint64_t call_timer_at; /* 0: not armed */

    const struct sdk_setup *setup;
    struct sdk_plugin descriptor;
    const struct orb_plugin *plugin; /* in descriptor; all NULL when it cannot be used */
    struct orb_err unusable;         /* why; code 0: it can be used */
    void *user;
    enum sdk_state state;
    int exit_code;
    bool loaded; /* init succeeded: stop is owed */
    bool ready_called;
    bool ready_later;
    uint64_t progress_at; /* when PROGRESS was sent last */

    struct frame_stream wire; /* to the host */
    bool polling_write;
    uint64_t dropped; /* log frames */

    cJSON *welcome;
    char service[SDK_NAME];
    struct sdk_method *methods;
    unsigned method_count;
    struct sdk_peer *peers;
    struct orb_req *reqs;
    struct sdk_target *targets;
    struct sdk_call *calls[SDK_CALL_BUCKETS];
    unsigned call_count;
    uint32_t last_corr;
    struct sdk_sub *subs;
    struct sdk_metric *metrics;
    unsigned metric_count;
    struct sdk_problem *problems; /* oldest first */
    unsigned problem_count;
    struct buf problems_sent; /* the list the host has */
    struct sdk_conf conf;
    struct orb_timer *timers;
    struct orb_watch *watches;
    struct sdk_post post;
};

/* ---- sdk.c ---- */
/* What sdk_run does before its loop and after it; ctx is all zero, and fails only with nothing to
 * close. */
int sdk_open(struct orb_ctx *ctx, const struct sdk_setup *setup, const struct orb_plugin *plugin,
             struct orb_err *err);
/* The exit code. */
int sdk_close(struct orb_ctx *ctx);
/* FAIL frame, then the loop ends with exit code 1. */
void sdk_fail(struct orb_ctx *ctx, const struct orb_err *err);
/* Ends the loop. */
void sdk_end(struct orb_ctx *ctx, int exit_code);
/* A complete frame was received; a NUL follows its payload. */
void sdk_frame(struct orb_ctx *ctx, const struct inframe *frame);
/* The first configuration is applied (or there is none): ready, then READY. */
void sdk_started(struct orb_ctx *ctx);
/* conf.revision may have changed: sends it to the host once READY was sent. */
void sdk_applied(struct orb_ctx *ctx);
/* Tree of a JSON text of the host; NULL when it is none. */
cJSON *sdk_parse(const char *text, size_t len);
/* Member as string or "". */
const char *sdk_text_of(const cJSON *object, const char *key);
/* As sdk_fail for protocol violations of the host: sends nothing, writes a line to stderr. */
void sdk_garbage(struct orb_ctx *ctx, const char *what);

/* ---- sdk_wire.c ---- */
/* Waits for the host on ctx->wire, by handles of ctx->scope. Errors: of libuv. */
int sdk_wire_open(struct orb_ctx *ctx, struct orb_err *err);
/* Queues a frame. ORB_E_LIMIT when it is too big (nothing is queued). */
int sdk_wire_send(struct orb_ctx *ctx, const struct frame *head, const char *env, size_t env_len,
                  const char *payload, size_t len, struct orb_err *err);
/* More is queued than logs and events may add to. */
bool sdk_wire_full(const struct orb_ctx *ctx);
size_t sdk_wire_waiting(const struct orb_ctx *ctx); /* bytes that the host has not taken */
/* Writes what is queued, waiting up to wait_ms in all. */
void sdk_wire_drain(struct orb_ctx *ctx, int wait_ms);

/* ---- sdk_req.c ---- */
/* Finds the handler of each method of WELCOME's list, the context's from then on. ORB_E_LIMIT. */
int sdk_req_methods(struct orb_ctx *ctx, const cJSON *list, struct orb_err *err);
/* The stub maps both filter files at these addresses before it loads A. Filter A then allows
 * seccomp(2) only with the pointer of B and refuses every call that could change the mapping. So
 * while package code runs in constructors, filter B is the only one that can be loaded, and a
 * filter count of 2 proves to the host that B is in force. PIE binaries, heaps and libraries are
 * never mapped this low. */
void sdk_req_frame(struct orb_ctx *ctx, const struct inframe *frame);
/* CANCEL: the caller waits no longer. */
void sdk_req_cancel(struct orb_ctx *ctx, const struct inframe *frame);
/* PEER: identity of a peer id. */
void sdk_req_peer(struct orb_ctx *ctx, const struct inframe *frame);
/* GONE: a peer, or the provider of a target, is gone. */
void sdk_req_gone(struct orb_ctx *ctx, const struct inframe *frame);
void sdk_req_fini(struct orb_ctx *ctx);

/* ---- sdk_call.c ---- */
/* OPENED, REP and ERR. */
void sdk_call_goes_on(struct orb_ctx *ctx, const struct inframe *frame);
/* REP, ERR or OPENED: ends the call it belongs to. */
void sdk_call_answer(struct orb_ctx *ctx, const struct inframe *frame);
/* Sends a SUB whose refusal is logged. */
int sdk_call_subscribe(struct orb_ctx *ctx, const char *to, const char *topic, struct orb_err *err);
/* Ends calls whose deadline is over; sdk_open() gives it to the timer. */
void sdk_call_on_timer(struct sdk_timer *timer);
void sdk_call_fini(struct orb_ctx *ctx);

/* A new call in the list; deadline_ms as in orb_call. */
struct sdk_call *sdk_call_new(struct orb_ctx *ctx, enum sdk_call_kind kind, uint32_t deadline_ms);
/* The timer of deadlines fires at this moment of now_ms(), or before. */
void sdk_call_arm(struct orb_ctx *ctx, uint64_t at);

/* ---- sdk_target.c ---- */
/* The target to/method, created if needed. */
struct sdk_target *sdk_target_of(struct orb_ctx *ctx, const char *to, const char *method);
/* Sets target->handle to one that may be used now, or to 0. */
void sdk_target_choose(struct orb_ctx *ctx, struct sdk_target *target);
/* Writes {"to": to, key: value}. */
void sdk_target_write(struct buf *env, const char *to, const char *key, const char *value);
/* The host's answer to OPEN; err NULL: the handle is in the frame. */
void sdk_target_opened(struct orb_ctx *ctx, struct sdk_target *target, const struct inframe *frame,
                       const struct orb_err *err);
/* Opens a handle for to/method and watches its provider. */
void sdk_target_watch(struct orb_ctx *ctx, const char *to, const char *method);
/* The next call of to/method travels by name; nothing is watched any more. */
void sdk_target_forget(struct orb_ctx *ctx, const char *to, const char *method);
/* The provider of a handle is gone. */
void sdk_target_gone(struct orb_ctx *ctx, uint32_t handle);
void sdk_target_fini(struct orb_ctx *ctx);

/* ---- sdk_event.c ---- */
/* EVENT: one the package subscribed to. */
void sdk_event_frame(struct orb_ctx *ctx, const struct inframe *frame);
/* GAP: events were dropped. */
void sdk_event_gap(struct orb_ctx *ctx, const struct inframe *frame);
void sdk_event_fini(struct orb_ctx *ctx);

/* ---- sdk_obs.c ---- */
/* Sends the counters that changed; sdk_open() gives it to the timer. */
void sdk_obs_on_timer(struct sdk_timer *timer);
/* Sends the counters now. */
void sdk_obs_flush(struct orb_ctx *ctx);
void sdk_obs_fini(struct orb_ctx *ctx);

/* ---- sdk_problem.c ---- */
/* Sends the list of problems if it changed; sdk_open() gives it to the timer. */
void sdk_problem_on_timer(struct sdk_timer *timer);
void sdk_problem_fini(struct orb_ctx *ctx);

/* ---- sdk_post.c ---- */
/* Takes calls from now on. */
int sdk_post_open(struct orb_ctx *ctx, struct orb_err *err);
/* Refuses further ones, and makes those that wait unless init failed. */
void sdk_post_close(struct orb_ctx *ctx);
void sdk_post_fini(struct orb_ctx *ctx);

/* ---- sdk_loop.c ---- */
void sdk_loop_fini(struct orb_ctx *ctx);

#endif
