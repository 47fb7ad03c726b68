/* Starts, watches, restarts and gives up services: one instance of struct service per installed
 * package, one struct worker per process of it. Everything runs on the host's loop. */
#ifndef CORE_SUP_SUPERVISOR_H
#define CORE_SUP_SUPERVISOR_H

#include <uv.h>

#include "core/ipc/broker.h"
#include "core/obs/logs.h"
#include "core/obs/metrics.h"
#include "core/pkg/package.h"
#include "core/sandbox/sandbox.h"
#include "core/sup/machine.h"
#include "core/sup/problem.h"

struct supervisor;

struct supervisor_setup {
    uv_loop_t *loop;
    struct broker *broker;
    struct sandbox *sandbox;
    struct logs *logs;
    struct metrics *metrics;
    const char *instance;
    const char *state_dir; /* services' state and crash reports below it */
    const struct package_list *packages;
    const char *absent; /* interface of the host that is not served; who uses it is not started */
    bool shipped_only; /* safe mode: a package of somebody else runs only when a person starts it */
    const struct contract *const *builtin; /* interfaces of the host itself, NULL ends */
    /* A boot phase was reached, or a service changed its state. */
    void (*on_phase)(void *arg, enum boot_phase phase);
    void (*on_state)(void *arg, const char *service, enum service_state state);
    /* What a service says of its health, or its list of problems, changed. May be NULL. */
    void (*on_health)(void *arg, const char *service);
    /* supervisor_stop is done: nothing runs any more. */
    void (*on_stopped)(void *arg);
    void *arg;
};

int supervisor_new(const struct supervisor_setup *setup, struct supervisor **ret_supervisor,
                   struct orb_err *err);
/* Starts every enabled service as its dependencies become ready. */
void supervisor_start(struct supervisor *supervisor);
/* Services behind phase early start only from here on: what /services says is known now. */
void supervisor_release(struct supervisor *supervisor);
/* Stops all in reverse dependency order; on_stopped follows. */
void supervisor_stop(struct supervisor *supervisor);
/* For a first process, which is told of every child: pid has ended but was not waited for. True
 * when it was a worker's: it is reaped and judged now. */
bool supervisor_worker_ended(struct supervisor *supervisor, pid_t pid);
/* After on_stopped: closes handles; memory goes with the last close callback. */
void supervisor_close(struct supervisor *supervisor);

enum boot_phase supervisor_phase(const struct supervisor *supervisor);

/* Orders of people. ORB_E_NOT_FOUND names the services there are. */
int supervisor_service_start(struct supervisor *s, const char *name, struct orb_err *err);
/* by: who wants it, for `show services`. */
int supervisor_service_stop(struct supervisor *s, const char *name, const char *by,
                            struct orb_err *err);
int supervisor_service_restart(struct supervisor *s, const char *name, struct orb_err *err);
/* Of the config service: name missed a deadline, so it is not known what it does. Its worker is
 * ended at once, without being asked, and restarted as after any death; why: for people. */
int supervisor_service_late(struct supervisor *s, const char *name, const char *why,
                            struct orb_err *err);
/* Of the config service: what name did was undone while it did not run, so it must run again to
 * take it back. Nothing for one that will run anyway, or that the configuration disables. */
int supervisor_service_needed(struct supervisor *s, const char *name, const char *why,
                              struct orb_err *err);
/* What /services/NAME of the configuration says: enabled (-1: as the manifest), grants (NULL: as
 * shipped) and limits (0: nothing said). A difference takes effect by a controlled restart. */
int supervisor_configure(struct supervisor *s, const char *name, int enabled,
                         const char *const *grants, const struct limits *limits,
                         struct orb_err *err);

/* What the config service says of the revisions (follow.c). applying: the revision a transaction is
 * bringing services to just now, 0: none. Afterwards, for each service the configuration has
 * something for: due, the newest revision that changed what it reads (0: not known, what was known
 * stays), and whether its own part is not empty. Names that are not installed are ignored. */
void supervisor_applying(struct supervisor *s, uint64_t applying);
void supervisor_due(struct supervisor *s, const char *name, uint64_t due, bool configured);

/* 0, or ORB_E_NOT_FOUND naming the services there are. */
int supervisor_known(struct supervisor *s, const char *name, struct orb_err *err);

/* One service as others see it; texts live until the callback returns. */
struct service_view {
    const char *name;
    enum service_state state;
    enum boot_phase phase;
    enum breaker_state breaker;
    bool shipped, critical;
    bool wanted;     /* by configuration or manifest, and nobody stopped it */
    bool holds_boot; /* the boot cannot reach its end while this one does not run */
    unsigned failures_in_a_row;
    const char *reason; /* of the last failure, or what it waits for; "" */
    const char *health; /* its own answer to the last ping; "" when fine */
    uint64_t health_since_ms;
    const char *lacks;      /* an interface it uses that this host does not serve, NULL: none */
    const char *stopped_by; /* a person, or "the configuration"; "" */
    const struct problems *problems;
    uint64_t since_ms;  /* of the state; monotonic */
    uint64_t revision;  /* what it does follows this one; 0: none yet */
    uint64_t due;       /* and should follow this one; 0: not known */
    uint64_t behind_ms; /* monotonic: since when they differ, 0: they do not, or may just now */
    bool configured;    /* its own part of the configuration is not empty */
};
void supervisor_each(const struct supervisor *s,
                     void (*see)(void *arg, const struct service_view *service), void *arg);

/* JSON for host@1: an array of summaries; whole objects; members of the open object. */
void supervisor_list(struct supervisor *s, struct json_write *w, const char *key);
int supervisor_show(struct supervisor *s, const char *name, struct buf *ret_json,
                    struct orb_err *err);
int supervisor_sandbox(struct supervisor *s, const char *name, struct buf *ret_json,
                       struct orb_err *err);
int supervisor_crashes(struct supervisor *s, const char *name, struct buf *ret_json,
                       struct orb_err *err);
void supervisor_boot(struct supervisor *s, struct json_write *w);
void supervisor_metrics(struct supervisor *s, struct buf *ret_text);

#endif
