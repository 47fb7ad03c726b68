/* The supervisor's pure half: states, events, the one table, restart delays and the circuit
 * breaker. No clock, no process: times are arguments, so that unit tests run whole lives in
 * microseconds. Breaker after M. Nygard, Release It! (2007), ch. 5. */
#ifndef CORE_SUP_MACHINE_H
#define CORE_SUP_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pkg/package.h"

enum service_state {
    SERVICE_STARTING,
    SERVICE_RUNNING,
    SERVICE_FAILED,
    SERVICE_RESTARTING,
    SERVICE_DISABLED,
    SERVICE_STATES
};

enum service_event {
    EVENT_START,     /* somebody wants it to run */
    EVENT_READY,     /* the worker's READY */
    EVENT_EXIT,      /* the process ended */
    EVENT_LATE,      /* READY did not come in time */
    EVENT_UNHEALTHY, /* no PONG in time */
    EVENT_STOP,      /* somebody wants it not to run */
    EVENT_RETRY,     /* the backoff is over */
    EVENT_PROBE,     /* the breaker's cool-down is over */
    SERVICE_EVENTS
};

enum service_action {
    ACT_IGNORE,
    ACT_SPAWN,   /* → Starting */
    ACT_RUN,     /* → Running */
    ACT_JUDGE,   /* ended: → Restarting, Failed or Disabled, by policy and breaker */
    ACT_KILL,    /* state stays; EXIT follows */
    ACT_STOP,    /* ask to stop; EXIT follows and leads to Disabled */
    ACT_DISABLE, /* → Disabled, nothing runs */
    SERVICE_ACTIONS
};

enum service_action machine_action(enum service_state state, enum service_event event);
const char *state_name(enum service_state state);

#define BREAKER_MEMORY 32

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* Restart history of one service. */
struct restart {
    uint64_t failures[BREAKER_MEMORY]; /* times of the last failures, ms, a ring */
    unsigned failure_at;
    unsigned streak; /* failures in a row, for the backoff */
    enum breaker_state breaker;
    uint32_t cooldown_ms; /* of the next opening, doubles */
    uint64_t running_since;
    unsigned restarts; /* starts after the first, for people */
};

enum judgement { JUDGE_RETRY, JUDGE_OPEN, JUDGE_GIVE_UP };

/* The service reached Running at now. */
void restart_running(struct restart *restart, uint64_t now_ms);
/* Running long enough: closes the breaker, forgets the streak. Call any time while Running. True
 * when the breaker closed by this call. */
bool restart_settle(struct restart *restart, const struct manifest *manifest, uint64_t now_ms);
/* The process ended. clean: exit 0. random: 0..UINT32_MAX, for the jitter. JUDGE_RETRY: wait
 * *ret_wait_ms (0: at once) and spawn; JUDGE_OPEN: breaker open for *ret_wait_ms, then one probe;
 * JUDGE_GIVE_UP: the policy says no restart. */
enum judgement restart_judge(struct restart *restart, const struct manifest *manifest, bool clean,
                             uint64_t now_ms, uint32_t random, uint32_t *ret_wait_ms);
/* A person starts it: the past is forgiven. */
void restart_reset(struct restart *restart);
const char *breaker_name(enum breaker_state state);

#endif
