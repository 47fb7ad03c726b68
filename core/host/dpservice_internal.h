/* The inside of dataplane@1, shared by dpservice.c (requests), dpjobs.c (the thread that does them)
 * and dpwatch.c (looking after what is in force). */
#ifndef CORE_HOST_DPSERVICE_INTERNAL_H
#define CORE_HOST_DPSERVICE_INTERNAL_H

#include "core/host/host_internal.h"
#include "core/loop/loop_watch.h"
#include "dataplane/dataplane.h"
#include "dataplane/flow_list.h"
#include "dataplane/packet_test.h"

#define DP_DRAFTS 4

struct dp_draft {
    uint64_t tx; /* 0: free */
    struct policy policy;
    struct dataplane_compiled *compiled; /* after check */
    bool busy;                           /* a job works on it */
};

enum dp_job_kind {
    DP_OPEN, /* the first one; the others wait for it */
    DP_CHECK,
    DP_APPLY,
    DP_REVERT,
    DP_COUNTERS,
    DP_STATUS,
    DP_TEST,
    DP_FLOWS,
    DP_FLOWS_DELETE,
    DP_ENABLE,
    DP_DISABLE,
    DP_DETACH,
    DP_TEND
};

struct dp_job {
    struct dp_job *next;
    struct dpservice *service;
    enum dp_job_kind kind;
    struct dp_draft *draft;
    uint64_t tx;
    struct host_req *req; /* NULL: the daemon's own job */
    enum peer_kind of;    /* its caller */
    char name[64];
    uint64_t round; /* 0: before all that only read */
    int result;
    struct orb_err err;
    struct buf out;
    struct dataplane_compiled *compiled;
    uint32_t after; /* counters: a page */
    unsigned limit;
    struct packet_test packet;      /* test */
    struct flow_list_filter filter; /* flows */
    unsigned what;                  /* tend */
    struct dataplane_tended tended;
    uint64_t took_ms;
};

struct dpservice;

/* Callbacks of jobs to dpwatch.c. */
struct dp_events {
    void (*opened)(struct dpservice *service);     /* opened: start watching */
    void (*not_opened)(struct dpservice *service); /* once more, later */
    /* A job is done: its result, and the present problems. */
    void (*done)(struct dpservice *service, const struct dp_job *job);
};

struct dpservice {
    struct orbitald *host;
    const struct dp_events *events;
    struct dataplane *dataplane; /* NULL: not usable, or being opened */
    struct dataplane *opened;    /* by the thread */
    char *found;                 /* file of the settings as they were found */
    bool opening;
    char why[ORB_ERR_TEXT];
    struct dataplane_ended ended; /* as logged */
    struct policy current;
    struct policy previous;
    uint64_t applied_tx; /* the one abort would revert; 0: none */
    uint64_t next_tx;
    struct dp_draft drafts[DP_DRAFTS];
    struct dp_job *first;             /* the one that is done, if running; by rounds */
    uint64_t round;                   /* of the last read that was begun */
    const struct host_caller *caller; /* of the request that is dispatched */
    bool running, closing;
    char **given_up; /* pairs of a feature and why it is not there, NULL ends */
    uv_work_t work;
    uv_timer_t beat;        /* runs while a job does: progress */
    clockid_t thread_clock; /* processor time of the thread that works, when at_work */
    bool at_work;           /* atomic */
    uint64_t worked_ns;     /* at the last beat */
    unsigned was_percent;
    struct loop_scope scope;
    /* dpwatch.c */
    bool watching, tending;
    bool unsettled;      /* a problem is set: other programs change the table */
    char disturbed[240]; /* the sentence about it */
    struct loop_watch watch;
    uv_timer_t poll, later;
    unsigned what;             /* to be looked at, by the next job */
    uint64_t not_before;       /* ms; then the next job may begin */
    uint64_t put_back;         /* ms; when a foreign change was last put back */
    uint64_t pause;            /* ms; between two of those */
    uint64_t failing_ms;       /* the pause after the last failure; 0: it succeeded */
    char failed[ORB_ERR_TEXT]; /* what was logged about it */
    struct buf metrics;        /* as of the last job */
};

#endif
