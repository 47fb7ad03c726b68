/* One run of a service: its state directory is prepared, a process started and confined, watched,
 * and reaped. A worker does not depend on services: it reports by callbacks. */
#ifndef CORE_SUP_WORKER_H
#define CORE_SUP_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "core/ipc/broker.h"
#include "core/ipc/peer.h"
#include "core/obs/logs.h"
#include "core/obs/metrics.h"
#include "core/pkg/package.h"
#include "core/sandbox/sandbox.h"

struct worker;

/* What is run and with which rights. Owned by the caller, who may replace members at any time: they
 * are read when needed. Must be valid until exited. */
struct worker_spec {
    const char *name;
    const struct contract *contract; /* NULL: none */
    struct launch_plan plan;
    char **capabilities; /* granted; NULL ends */
    struct limits limits;
    bool shipped; /* not of a third party */
};

/* How a run ended; valid until the callback returns. */
struct worker_exit {
    bool spawned; /* false: there never was a process, and the members up to why are 0 */
    bool clean;   /* exit status 0 */
    bool stopped; /* worker_stop was called */
    bool reached_ready;
    pid_t pid;
    uint64_t uptime_ms;
    const struct exit_status *status;
    const char *ended_because; /* why it was killed, "" if it ended by itself */
    const char *why;           /* the end in one sentence */
};

/* Calls come on the loop, never from within a function of this header, and none after exited. Texts
 * and reports live until the callback returns. */
struct worker_events {
    void (*started)(void *arg, pid_t pid);
    /* At its HELLO: its sandbox as reported by the kernel (attest_sandbox; a JSON object, or "").
     */
    void (*attested)(void *arg, const struct buf *report);
    /* READY. It gets no requests before worker_open. revision: the one it follows, 0: none. */
    void (*ready)(void *arg, uint64_t revision);
    void (*applied)(void *arg, uint64_t revision); /* it follows another revision now */
    void (*progress)(void *arg);                   /* PROGRESS */
    void (*health)(void *arg, const char *degraded /* "" when fine */); /* with each PONG */
    void (*problems)(void *arg, const char *data, size_t len); /* the list of a PROBLEMS frame */
    void (*late)(void *arg);                                   /* READY did not come in time */
    void (*unhealthy)(void *arg);                              /* no PONG in time */
    void (*failed)(void *arg, const char *why); /* it broke a rule: worker_kill is due */
    /* The end. Exactly once per worker_spawn that succeeded; the worker frees itself. */
    void (*exited)(void *arg, const struct worker_exit *exit);
};

/* What all workers of a host share; must live until freed was called for each. */
struct worker_host {
    uv_loop_t *loop;
    struct broker *broker;
    struct sandbox *sandbox;
    struct logs *logs;
    struct metrics *metrics;
    struct log_sink *log;
    void (*freed)(void *arg); /* the worker's memory was freed, some time after exited */
    void *arg;
};

/* Begins an attempt; started or exited follows. The state directory is made ready on a thread. A
 * later failure is an exited without spawned. */
struct worker *worker_spawn(const struct worker_host *host, const struct worker_spec *spec,
                            const struct worker_events *events, void *arg);
/* After ready: requests reach it from now on, and it is pinged. */
void worker_open(struct worker *worker);
/* Sends STOP and kills it after limits.stop_ms. No effect when it is stopping or being killed
 * already. */
void worker_stop(struct worker *worker);
/* Ends it at once: SIGABRT for its stack, then SIGKILL. why: a sentence, copied. The first one
 * counts. */
void worker_kill(struct worker *worker, const char *why);
/* spec->limits changed: those of the connection apply from now on. */
void worker_limit(struct worker *worker);
/* For PID 1, which gets SIGCHLD of every child. pid has ended but was not waited for: when it is
 * this worker's, it is reaped, exited is called and true returned. */
bool worker_ended(struct worker *worker, pid_t pid);

#endif
