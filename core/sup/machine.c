/* The table [state][event]. A row not named here keeps its state and does nothing. */
#include "core/sup/machine.h"

#include <assert.h>

/* clang-format off */
/* A worker has ended: the same in every state that has one. */
#define EXITS                                                   \
    [EVENT_EXIT_STOPPED]  = {ACT_STOPPED, MACHINE_DISABLED},    \
    [EVENT_EXIT_RESTART]  = {ACT_ARM,     MACHINE_RESTARTING},  \
    [EVENT_EXIT_BREAKER]  = {ACT_ARM,     MACHINE_FAILED},      \
    [EVENT_EXIT_FINISHED] = {ACT_GONE,    MACHINE_DISABLED},    \
    [EVENT_EXIT_FAILED]   = {ACT_GONE,    MACHINE_FAILED}

/* A cell that is not filled does nothing: the event is ignored. */
static const struct machine_step table[MACHINE_STATES][MACHINE_EVENTS] = {
    [MACHINE_DISABLED] = {
        [EVENT_START]     = {ACT_DISARM, MACHINE_WAITING},
    },
    [MACHINE_WAITING] = {
        [EVENT_SPAWN]     = {ACT_SPAWN,  MACHINE_STARTING},
        [EVENT_STOP]      = {ACT_DISARM, MACHINE_DISABLED},
    },
    [MACHINE_STARTING] = {
        [EVENT_READY]     = {ACT_OPEN,   MACHINE_RUNNING},
        [EVENT_LATE]      = {ACT_KILL,   MACHINE_KILLING},
        [EVENT_UNHEALTHY] = {ACT_KILL,   MACHINE_KILLING},
        [EVENT_FAULT]     = {ACT_KILL,   MACHINE_KILLING},
        [EVENT_STOP]      = {ACT_STOP,   MACHINE_STOPPING},
        EXITS,
    },
    [MACHINE_RUNNING] = {
        [EVENT_UNHEALTHY] = {ACT_KILL,   MACHINE_KILLING},
        [EVENT_FAULT]     = {ACT_KILL,   MACHINE_KILLING},
        [EVENT_STOP]      = {ACT_STOP,   MACHINE_STOPPING},
        EXITS,
    },
    [MACHINE_STOPPING] = {
        [EVENT_START]     = {ACT_AGAIN,  MACHINE_STOPPING},
        [EVENT_FAULT]     = {ACT_KILL,   MACHINE_STOPPING},
        EXITS,
    },
    [MACHINE_KILLING] = {
        EXITS,
    },
    [MACHINE_RESTARTING] = {
        [EVENT_START]     = {ACT_DISARM, MACHINE_WAITING},
        [EVENT_STOP]      = {ACT_DISARM, MACHINE_DISABLED},
        [EVENT_RETRY]     = {ACT_RETRY,  MACHINE_WAITING},
    },
    [MACHINE_FAILED] = {
        [EVENT_START]     = {ACT_DISARM, MACHINE_WAITING},
        [EVENT_STOP]      = {ACT_DISARM, MACHINE_DISABLED},
        [EVENT_PROBE]     = {ACT_PROBE,  MACHINE_WAITING},
    },
};
/* clang-format on */

struct machine_step machine_step(enum machine_state state, enum machine_event event)
{
    struct machine_step step = table[state][event];

    if (step.action == ACT_NONE)
        step.next = state;
    return step;
}

bool machine_has_worker(enum machine_state state)
{
    return state >= MACHINE_STARTING && state <= MACHINE_KILLING;
}

enum service_state machine_shown(enum machine_state state, enum service_state before)
{
    static const enum service_state shown[] = {
        [MACHINE_DISABLED] = SERVICE_DISABLED,     [MACHINE_WAITING] = SERVICE_STARTING,
        [MACHINE_STARTING] = SERVICE_STARTING,     [MACHINE_RUNNING] = SERVICE_RUNNING,
        [MACHINE_RESTARTING] = SERVICE_RESTARTING, [MACHINE_FAILED] = SERVICE_FAILED,
    };
    static_assert(sizeof(shown) / sizeof(shown[0]) == MACHINE_STATES, "an entry for every state");

    return state == MACHINE_STOPPING || state == MACHINE_KILLING ? before : shown[state];
}

const char *machine_state_name(enum service_state state)
{
    static const char *const names[] = {"Starting", "Running", "Failed", "Restarting", "Disabled"};
    static_assert(sizeof(names) / sizeof(names[0]) == SERVICE_STATES, "a name for every state");

    return names[state];
}
