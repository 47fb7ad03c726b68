/* What the SDK's files share: the one orb_ctx of a worker, and what sdk.c offers them. Memory of
 * the plugin's objects (requests, timers, watches) is listed here, so that what a plugin forgot is
 * freed when the worker ends. */
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
#include "core/worker/sdk_queue.h"
#include "core/worker/sdk_timer.h"

#define SDK_READ_TURN 262144u /* read per loop turn, then others get theirs */
#define SDK_DELIVER_US 10000u /* handlers have so long a turn: then timers run, answers leave */
#define SDK_WAITING_MAX (4u << 20)   /* bytes of requests that wait; the others stay at the host */
#define SDK_FLUSH_AT 65536u          /* more than this is written at once, inside the callback */
#define SDK_QUEUE_SOFT (512u * 1024) /* beyond: logs dropped, events refused (busy) */
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

struct orb_req;
struct orb_timer;
struct orb_watch;
struct sdk_call;
struct sdk_method;
struct sdk_metric;
struct sdk_peer;
struct sdk_problem;
struct sdk_target;
struct sdk_sub;

enum sdk_state { SDK_HELLO, SDK_STARTING, SDK_RUNNING, SDK_ENDED };

#define SDK_CALL_BUCKETS 32u

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
    uv_idle_t more; /* runs while frames or requests are left over for the next turn */
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
    orb_progress_fn *on_progress;

    struct frame_stream wire; /* to the host */
    bool polling_write;
    bool frames_left; /* in wire's input, for the next turn */
    uint64_t dropped; /* log frames */

    cJSON *welcome;
    char service[SDK_NAME];
    struct sdk_method *methods;
    unsigned method_count;
    struct sdk_peer *peers;
    struct orb_req *reqs;
    struct sdk_queue queue; /* of those the package has not seen yet */
    bool stopping;          /* STOP came: ends when none waits */
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

#endif
