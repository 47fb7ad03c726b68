/* State machine of a service: states, events and the table [state][event] → action, next state.
 * Pure: no clock, no process, no memory; service.c carries out the actions. */
#ifndef CORE_SUP_MACHINE_H
#define CORE_SUP_MACHINE_H

#include <stdbool.h>

/* What users and other services see of a service. */
enum service_state {
    SERVICE_STARTING,
    SERVICE_RUNNING,
    SERVICE_FAILED,
    SERVICE_RESTARTING,
    SERVICE_DISABLED,
    SERVICE_STATES
};

enum machine_state {
    MACHINE_DISABLED,   /* not running, and not started automatically */
    MACHINE_WAITING,    /* to be started once its dependencies run */
    MACHINE_STARTING,   /* a worker that is not ready */
    MACHINE_RUNNING,    /* a worker that is ready */
    MACHINE_STOPPING,   /* stop was requested; the worker is killed when it takes too long */
    MACHINE_KILLING,    /* a worker that failed and is being killed */
    MACHINE_RESTARTING, /* no worker; a timer runs for the next start */
    MACHINE_FAILED,     /* no worker; with an open breaker a timer runs for the next attempt */
    MACHINE_STATES
};

enum machine_event {
    EVENT_START,     /* it is wanted: by the boot, the configuration or a user */
    EVENT_SPAWN,     /* all its dependencies run */
    EVENT_READY,     /* the worker's READY */
    EVENT_LATE,      /* READY did not come in time */
    EVENT_UNHEALTHY, /* no PONG in time */
    EVENT_FAULT,     /* the worker is to be killed: protocol, sandbox, quota, a missed deadline */
    EVENT_STOP,      /* it is not wanted, or is to be restarted */
    EVENT_RETRY,     /* the backoff is over */
    EVENT_PROBE,     /* the breaker's cool-down is over */
    /* The worker ended: one event per consequence (restart.h decides). */
    EVENT_EXIT_STOPPED,  /* as requested */
    EVENT_EXIT_RESTART,  /* restart after a backoff */
    EVENT_EXIT_BREAKER,  /* too many failures: the breaker is open */
    EVENT_EXIT_FINISHED, /* with success, no restart by policy */
    EVENT_EXIT_FAILED,   /* with a failure, no restart by policy */
    MACHINE_EVENTS
};

enum machine_action {
    ACT_NONE,
    ACT_DISARM,  /* stop the timer */
    ACT_RETRY,   /* count a restart */
    ACT_PROBE,   /* count a restart, breaker half-open */
    ACT_SPAWN,   /* start a worker */
    ACT_OPEN,    /* let requests through to the worker */
    ACT_KILL,    /* end the worker at once; an EXIT event follows */
    ACT_STOP,    /* stop the worker; an EXIT event follows */
    ACT_AGAIN,   /* start again once the worker has ended */
    ACT_STOPPED, /* the worker ended; clear the last failure */
    ACT_ARM,     /* the worker ended; start the timer */
    ACT_GONE,    /* the worker ended */
    MACHINE_ACTIONS
};

struct machine_step {
    enum machine_action action;
    enum machine_state next;
};

/* One cell of the table. An event that means nothing in a state is ACT_NONE and that state. */
struct machine_step machine_step(enum machine_state state, enum machine_event event);
/* Does a service in this state have a worker? */
bool machine_has_worker(enum machine_state state);
/* What is shown of state; before: what was shown until now. A service whose worker is
 * about to end is shown as before. */
enum service_state machine_shown(enum machine_state state, enum service_state before);
/* "Starting", "Running", …: as in JSON and logs. */
const char *machine_state_name(enum service_state state);

#endif
