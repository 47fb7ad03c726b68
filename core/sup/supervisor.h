/* Starts, watches, restarts and gives up services: one instance of struct service for each
 * installed package. No loop, no process, no clock: those are callbacks (struct supervisor_host),
 * which runtime.c binds to libuv and the sandbox, and tests to a clock that they move.
 *
 * Events set the state of the one service they are about, at once. What follows from that for
 * others (dependencies, boot phases, the order of stopping) is worked out in supervisor_settle,
 * once per turn of the loop. All on one thread. */
#ifndef CORE_SUP_SUPERVISOR_H
#define CORE_SUP_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"
#include "core/pkg/package.h"
#include "core/sup/machine.h"

struct service;
struct supervisor;
struct worker;
struct worker_exit;

/* What the supervisor needs of its surroundings. No callback may call back into the supervisor
 * before it returns. */
struct supervisor_host {
    void *arg;
    struct log_sink *log;          /* may be NULL */
    uint64_t (*now_ms)(void *arg); /* monotonic, never 0 */
    uint32_t (*random)(void *arg);
    /* Requests supervisor_settle() before the loop polls again. */
    void (*changed)(void *arg);
    /* Requests supervisor_tick() at at_ms, which may be now, but never from within this call; 0:
     * none. Replaces an earlier request. */
    void (*wake)(void *arg, uint64_t at_ms);
    /* Starts a worker for service->spec, which reports to service_worker_events with the service as
     * arg. Below 0: none was started, err has the reason. */
    int (*spawn)(void *arg, struct service *service, struct worker **ret_worker,
                 struct orb_err *err);
    /* As worker_open, worker_stop, worker_kill. */
    void (*open)(void *arg, struct worker *worker);
    void (*stop)(void *arg, struct worker *worker);
    void (*kill)(void *arg, struct worker *worker, const char *why);
    /* A worker ended unexpectedly: store a report. */
    void (*crashed)(void *arg, struct service *service, const struct worker_exit *exit);
    /* service->spec.limits are others than before. */
    void (*limited)(void *arg, const struct service *service);
    /* Keep the listening sockets of the service (it may run), or close them. */
    void (*ports)(void *arg, const struct service *service, bool keep);
};

struct supervisor_setup {
    const char *instance;
    const char *state_dir; /* services' state and crash reports below it */
    const struct package_list *packages;
    const char *absent; /* interface of the host that is not served; its users are not started */
    bool shipped_only;  /* safe mode: a package of a third party is not started */
    const struct contract *const *builtin; /* interfaces of the host itself, NULL ends */
    /* Called within an event or settling; may call control.h, supervisor_release and
     * supervisor_stop. A boot phase was reached, or the displayed state of a service changed. */
    void (*on_phase)(void *arg, enum boot_phase phase);
    void (*on_state)(void *arg, const char *service, enum service_state state);
    /* The health or the problems of a service changed. May be NULL. */
    void (*on_health)(void *arg, const char *service);
    /* supervisor_stop is complete: no service runs. The last callback of settling. */
    void (*on_stopped)(void *arg);
    void *arg;
};

/* setup and host are copied, what they point to must live as long. Errors: of a plan. */
int supervisor_new(const struct supervisor_setup *setup, const struct supervisor_host *host,
                   struct supervisor **ret_supervisor, struct orb_err *err);
/* Only when no worker is left. NULL is fine. */
void supervisor_free(struct supervisor *supervisor);
/* Starts every enabled service as its dependencies become ready. */
void supervisor_start(struct supervisor *supervisor);
/* Allows services after phase early to start: /services is known now. */
void supervisor_release(struct supervisor *supervisor);
/* A required package is not installed: boot does not complete without it. what: a text that
 * outlives the supervisor; NULL: nothing is missing. */
void supervisor_lacks(struct supervisor *supervisor, const char *what);
/* Stops all in reverse order of dependency; on_stopped follows. */
void supervisor_stop(struct supervisor *supervisor);
/* Works out what follows from all that happened since the last call. Never from a callback. */
void supervisor_settle(struct supervisor *supervisor);

/* The requested time has come: raises the events of the timers that are due. A restart without
 * delay is one of them, so that the state Restarting is observable. */
void supervisor_tick(struct supervisor *supervisor);

/* The phase the boot has reached. */
enum boot_phase supervisor_phase(const struct supervisor *supervisor);

/* The service of that name, NULL: there is none. */
struct service *supervisor_find(struct supervisor *supervisor, const char *name);
/* 0, or ORB_E_NOT_FOUND naming the services there are. ret_service may be NULL. */
int supervisor_lookup(struct supervisor *supervisor, const char *name, struct service **ret_service,
                      struct orb_err *err);

#endif
