/* One installed package as the supervisor keeps it. Everything that happens to it is an event:
 * service_event() is the only way in, and the only place that sets its state. */
#ifndef CORE_SUP_SERVICE_H
#define CORE_SUP_SERVICE_H

#include "core/sup/crash.h"
#include "core/sup/machine.h"
#include "core/sup/problems.h"
#include "core/sup/restart.h"
#include "core/sup/worker.h"

struct supervisor;

struct service {
    struct supervisor *sup;
    const struct package *package;
    struct service **requires; /* of the manifest; NULL ends */
    const char *absent;        /* of those the first that is not installed, NULL: all are */
    char misfit[ORB_ERR_TEXT]; /* an interface it uses has no fitting version, "": all have */

    /* From manifest and configuration. */
    struct worker_spec spec;
    char **grants;        /* of the configuration; NULL: as shipped */
    struct limits bounds; /* configured; 0: not */
    int enabled;          /* of the configuration; -1: as the manifest */

    /* The machine. Times: monotonic ms, 0: none. */
    enum machine_state state;
    enum service_state shown;
    uint64_t since_ms; /* of what is shown */
    bool wanted;
    bool late;     /* not ready in time: boot continues without it */
    bool again;    /* start again once the worker has ended */
    bool gone;     /* it failed since the last settling: its dependants are logged */
    bool visiting; /* boot.c: its dependencies are being looked at */
    struct restart restart;
    uint32_t wait_ms;      /* of the last decision */
    uint64_t next_ms;      /* when RETRY or PROBE is due */
    struct worker *worker; /* NULL: no process, and none about to be */
    pid_t pid;             /* 0: none */
    uint64_t ready_ms;     /* of the present worker */
    uint64_t progress_ms;  /* time of its last PROGRESS */

    /* Reported by the worker or about it. */
    char degraded[ORB_ERR_TEXT];   /* its own answer to the last ping, "" when fine */
    uint64_t degraded_ms;          /* since when */
    char stopped_by[64];           /* who stopped it, "" when not stopped */
    struct problems problems;      /* its current problems */
    char reason[ORB_ERR_TEXT];     /* of the last failure, or what it waits for */
    char over_state[ORB_ERR_TEXT]; /* quota.c: why it may not run, "" when it may */
    uint64_t revision;             /* last reported, 0: none in this run of the host */
    uint64_t due;                  /* the newest that changed what it reads, 0: not known */
    uint64_t behind_ms;            /* since when revision is not due, 0: it is */
    bool configured;               /* its own part of the configuration is not empty */
    struct buf attested;
    struct crash_log crashes;
};

/* A service for package, Disabled; it belongs to the caller. package must live as long. */
struct service *service_new(struct supervisor *sup, const struct package *package);
/* Only without a worker. NULL is fine. */
void service_free(struct service *service);
/* Its package's name; valid as long as the service. */
const char *service_name(const struct service *service);

/* Makes the plan and limits again, from package, grants and bounds. Errors: package_plan's; then
 * all is unchanged. */
int service_plan(struct service *service, struct orb_err *err);
/* Holds its ports while it may run, releases them otherwise. */
void service_hold_ports(const struct service *service);

/* Handles an event by the table and sets the state. why: for EVENT_FAULT, a sentence; NULL
 * otherwise. Consequences for other services are settled later. */
void service_event(struct service *service, enum machine_event event, const char *why);
/* There is no process, or no longer: decides which EVENT_EXIT_… it is. */
void service_exited(struct service *service, const struct worker_exit *exit);
/* service_worker.c: what a worker started for a service reports to; arg is the service. */
extern const struct worker_events service_worker_events;

/* As configured, or else as the manifest specifies. */
bool service_enabled(const struct service *service);
/* The interface it uses that this host does not serve, NULL: none. */
const char *service_lacks(const struct service *service);
/* What keeps it from being started: the first dependency that does not run, or "the configuration";
 * NULL: nothing. */
const char *service_missing(const struct service *service);
/* What is wrong with it in one sentence: its health's answer, else its worst problem; "" if fine.
 */
const char *service_degraded(const struct service *service);
/* Its health, problems or revision changed: calls on_health. */
void service_health_changed(struct service *service);

#endif
