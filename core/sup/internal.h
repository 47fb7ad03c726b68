/* What the files of core/sup share: the service and its worker. */
#ifndef CORE_SUP_INTERNAL_H
#define CORE_SUP_INTERNAL_H

#include "core/loop/watch.h"
#include "core/sup/pace.h"
#include "core/sup/problem.h"
#include "core/sup/supervisor.h"

#define CRASHES_KEPT 8
#define BOOT_PHASE_MS 30000 /* a phase is given up after this long without progress */
#define BOOT_WORK_MS 600000 /* and after this long with it */
#define GIVEN_UP_AFTER 2    /* failed starts in a row: the boot goes on without it */
#define STOP_OTHERS_MS 5000 /* packages of third parties, all together, when the host stops */
#define READY_TICKS 10      /* looks at a worker that is not ready, within its deadline */
#define EOF_GRACE_MS 200    /* between end of file and kill */
#define HANG_GRACE_MS 300   /* between SIGABRT (for a stack) and SIGKILL */

/* One process. Freed by the loop after its handles closed. */
struct worker {
    struct service *service;
    struct supervisor *sup;
    struct sandbox_child child;
    struct ipc_peer *peer; /* NULL once closed */
    struct loop_scope scope;
    struct loop_watch exit_poll; /* pidfd */
    struct loop_watch stderr_poll;
    uv_timer_t timer; /* ready deadline, then stop deadline, then kill grace */
    uv_timer_t ping_timer;
    uint64_t started_ms, ready_ms;
    struct pace pace;
    uint64_t silent_ms;   /* of its own time since it last gave a sign of life */
    uint64_t progress_ms; /* when it last said that work goes on, 0: never */
    bool said_hello;
    bool stopping;
    bool killed;
    bool stderr_open;
    char reason[ORB_ERR_TEXT]; /* why it is being ended, "" if by itself */
};

struct crash {
    uint64_t number; /* of the report, over restarts; 0: of a version that had none */
    uint64_t time_us;
    char *json; /* the report */
};

/* One installed package. */
struct service {
    struct supervisor *sup;
    const struct package *package;
    struct plan plan;
    char **capabilities;  /* granted */
    char **grants;        /* of the configuration; NULL: as shipped */
    struct limits limits; /* in force */
    struct limits bounds; /* of the configuration; 0: nothing said */
    int enabled;          /* of the configuration; -1: as the manifest */
    enum service_state state;
    bool wanted;
    bool waiting; /* Starting, but for a dependency */
    bool late;    /* was not ready in time, and is not since: the boot goes on without it */
    bool again;   /* start again once stopped */
    bool asked;   /* given_up is asking its dependencies just now */
    char degraded[ORB_ERR_TEXT];   /* its own answer to the last ping, "" when fine */
    uint64_t degraded_ms;          /* since when, monotonic */
    char stopped_by[64];           /* who wants it not to run, "": nobody */
    struct problems problems;      /* what it reported and did not take back */
    char reason[ORB_ERR_TEXT];     /* of the last failure */
    char over_state[ORB_ERR_TEXT]; /* quota.c: why it may not run, "" when it may */
    struct restart restart;
    uint64_t next_ms;      /* when the timer fires */
    uint64_t since_ms;     /* of the present state */
    uint64_t revision;     /* the last one it said it follows, 0: none in this run of the host */
    uint64_t due;          /* the newest that changed what it reads, 0: not known */
    uint64_t behind_ms;    /* since when revision is not due, 0: it is */
    bool configured;       /* its own part of the configuration is not empty */
    struct worker *worker; /* NULL: no process */
    struct crash crashes[CRASHES_KEPT];
    unsigned crash_slot;  /* of the next one: the oldest */
    unsigned crash_count; /* since the daemon started */
    bool crashes_read;    /* those of earlier runs are among them */
    struct buf attested;
    struct loop_scope scope;
    uv_timer_t timer; /* backoff, breaker */
};

struct supervisor {
    struct supervisor_setup setup;
    struct log_sink *log;
    struct service *services[PACKAGE_MAX];
    unsigned count;
    enum boot_phase phase;
    uint64_t started_ms;
    uint64_t phase_ms[PHASE_OPERATIONAL + 1];
    bool held; /* services behind phase early wait for supervisor_release */
    bool stopping;
    bool stopped_told;
    uint64_t applying;    /* the revision a transaction brings services to just now, 0: none */
    unsigned open_scopes; /* own, services', workers'; the last to close frees the supervisor */
    struct crash_file *crash_files; /* crash.c: reports on their way to the disk, the first being */
    unsigned crash_file_count;      /* written */
    struct loop_scope scope;
    uv_timer_t phase_timer;
    uv_timer_t quota_timer;
    bool quota_runs; /* counting, or about to */
};

/* service.c */
void service_event(struct service *service, enum service_event event);
void service_set_state(struct service *service, enum service_state state);
/* Its health or its problems are others than before. */
void service_health_changed(struct service *service);
/* What is wrong with it in one sentence: its health's answer, else its worst problem; "" if fine.
 */
const char *service_degraded(const struct service *service);
/* The first dependency that is not Running, NULL when all are. */
const char *service_missing(const struct service *service);
/* → Starting; a process only when nothing is missing. */
void service_spawn(struct service *service);
struct service *supervisor_find(struct supervisor *sup, const char *name);

/* follow.c: revision, due or applying may be another one. */
void service_follow(struct service *service);

/* boot.c: something changed; start what waited for it, advance the boot, go on stopping. */
void supervisor_consider(struct supervisor *sup);
/* Must it run before the appliance is operational, and does it not? */
bool service_holds_boot(const struct service *service);
/* The interface it uses that this host does not serve, NULL: none. */
const char *service_lacks(const struct service *service);
/* As the configuration says, or the manifest. */
bool service_enabled(const struct service *service);

/* supervisor.c: keeps the ports of a service that may run, and lets go of those of one that may
 * not. What cannot be had is logged, and tried again for each worker. */
void service_hold_ports(struct service *service);
/* The plan anew, from package and grants. */
int service_replan(struct service *service, struct orb_err *err);
/* orders.c */
int supervisor_find_or_fail(struct supervisor *sup, const char *name, struct service **ret_service,
                            struct orb_err *err);
void supervisor_put(struct supervisor *sup);

/* liveness.c: the deadlines of a worker's own loop: READY, then a PONG to every PING. */
void liveness_spawned(struct worker *worker);
void liveness_ready(struct worker *worker);
void liveness_alive(struct worker *worker); /* it gave a sign of life */

/* worker.c: spawn for the service's plan; on failure the service is judged as if it had ended. */
int worker_spawn(struct service *service, struct orb_err *err);
void worker_kill(struct worker *worker, const char *reason);
void worker_stop(struct worker *worker);

/* quota.c: counts what third parties hold in /state, from wait_ms on, as long as one runs or is
 * over its limit. */
void quota_watch(struct supervisor *sup, uint64_t wait_ms);
/* Before a worker starts: ORB_E_LIMIT while it is over. Sees to it that it is counted. */
int quota_check(struct service *service, struct orb_err *err);

/* walk.c: calls visit for each entry below dir, before those below it; links are not followed, what
 * cannot be opened is empty. name is relative to dir_fd; depth: 0 for those in dir itself. */
enum walk { WALK_ON, WALK_PAST /* not below this one */, WALK_STOP };
struct stat;
typedef enum walk walk_fn(void *arg, int dir_fd, const char *name, const struct stat *st,
                          unsigned depth);
void dir_walk(const char *dir, walk_fn *visit, void *arg);
/* removed.c: bytes of the file system dev in files that were removed and that the process keeps,
 * each file once. For any thread. */
uint64_t removed_bytes(pid_t pid, dev_t dev);

/* judge.c: the process ended. */
void service_judge(struct service *service, bool clean, const char *reason);

/* crash.c */
void crash_record(struct service *service, const struct worker *worker,
                  const struct verdict *verdict);

/* Makes dir and all below it belong to uid, mode 0700/0600. Symbolic links are not followed. */
int state_dir_give(const char *dir, uint32_t uid, struct orb_err *err);

#endif
