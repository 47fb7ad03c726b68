/* One worker's memory: worker.c has its process and its deadlines, worker_peer.c its connection. */
#ifndef CORE_SUP_WORKER_INTERNAL_H
#define CORE_SUP_WORKER_INTERNAL_H

#include "core/loop/loop_watch.h"
#include "core/sup/liveness.h"
#include "core/sup/pace.h"
#include "core/sup/worker.h"

struct worker {
    const struct worker_host *host;
    const struct worker_spec *spec;     /* not to be used after exited */
    const struct worker_events *events; /* likewise */
    void *arg;
    struct sandbox_child child; /* pid 0: there is no process yet */
    struct ipc_peer *peer;      /* NULL once closed */
    struct loop_scope scope;
    struct loop_watch exit_poll; /* pidfd */
    struct loop_watch stderr_poll;
    uv_timer_t timer; /* ready deadline, then stop deadline, then kill grace */
    uv_timer_t ping_timer;
    uint64_t started_ms, ready_ms;
    struct pace pace;
    struct liveness liveness;
    bool sent_hello;
    bool stopping;
    bool killed;
    bool ended;
    bool stderr_open;
    char reason[ORB_ERR_TEXT]; /* why it is being killed, "" if by itself */
    /* The thread that makes the state directory ready. */
    uv_work_t work;
    char *state_dir; /* NULL: it has none */
    uint32_t uid;
    struct orb_err no_dir; /* there is no directory: code 0: there is */
    struct orb_err not_given;
};

/* Makes the worker a peer of the broker, which gets child.ipc_fd. Its frames restart the liveness
 * deadline or are passed to events. Errors: the broker's; there is no peer then. */
int worker_peer_add(struct worker *worker, struct orb_err *err);

#endif
