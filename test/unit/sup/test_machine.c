/* core/sup/machine.c: every state with every event. */
#include <string.h>

#include "core/sup/machine.h"
#include "test/lib/harness.h"

/* The table written a second time, as a sentence a line: STATE EVENT ACTION NEXT. What is not named
 * here must be ignored. */
static const struct cell {
    enum machine_state state;
    enum machine_event event;
    enum machine_action action;
    enum machine_state next;
} cells[] = {
    {MACHINE_DISABLED, EVENT_START, ACT_DISARM, MACHINE_WAITING},
    {MACHINE_WAITING, EVENT_SPAWN, ACT_SPAWN, MACHINE_STARTING},
    {MACHINE_WAITING, EVENT_STOP, ACT_DISARM, MACHINE_DISABLED},
    {MACHINE_STARTING, EVENT_READY, ACT_OPEN, MACHINE_RUNNING},
    {MACHINE_STARTING, EVENT_LATE, ACT_KILL, MACHINE_KILLING},
    {MACHINE_STARTING, EVENT_UNHEALTHY, ACT_KILL, MACHINE_KILLING},
    {MACHINE_STARTING, EVENT_FAULT, ACT_KILL, MACHINE_KILLING},
    {MACHINE_STARTING, EVENT_STOP, ACT_STOP, MACHINE_STOPPING},
    {MACHINE_RUNNING, EVENT_UNHEALTHY, ACT_KILL, MACHINE_KILLING},
    {MACHINE_RUNNING, EVENT_FAULT, ACT_KILL, MACHINE_KILLING},
    {MACHINE_RUNNING, EVENT_STOP, ACT_STOP, MACHINE_STOPPING},
    {MACHINE_STOPPING, EVENT_START, ACT_AGAIN, MACHINE_STOPPING},
    {MACHINE_STOPPING, EVENT_FAULT, ACT_KILL, MACHINE_STOPPING},
    {MACHINE_RESTARTING, EVENT_START, ACT_DISARM, MACHINE_WAITING},
    {MACHINE_RESTARTING, EVENT_STOP, ACT_DISARM, MACHINE_DISABLED},
    {MACHINE_RESTARTING, EVENT_RETRY, ACT_RETRY, MACHINE_WAITING},
    {MACHINE_FAILED, EVENT_START, ACT_DISARM, MACHINE_WAITING},
    {MACHINE_FAILED, EVENT_STOP, ACT_DISARM, MACHINE_DISABLED},
    {MACHINE_FAILED, EVENT_PROBE, ACT_PROBE, MACHINE_WAITING},
};

/* The end of a worker, in each state that has one. */
static const struct cell exits[] = {
    {0, EVENT_EXIT_STOPPED, ACT_STOPPED, MACHINE_DISABLED},
    {0, EVENT_EXIT_RESTART, ACT_ARM, MACHINE_RESTARTING},
    {0, EVENT_EXIT_BREAKER, ACT_ARM, MACHINE_FAILED},
    {0, EVENT_EXIT_FINISHED, ACT_GONE, MACHINE_DISABLED},
    {0, EVENT_EXIT_FAILED, ACT_GONE, MACHINE_FAILED},
};

static struct machine_step expected(enum machine_state state, enum machine_event event)
{
    for (unsigned i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
        if (cells[i].state == state && cells[i].event == event)
            return (struct machine_step){cells[i].action, cells[i].next};
    for (unsigned i = 0; machine_has_worker(state) && i < sizeof(exits) / sizeof(exits[0]); i++)
        if (exits[i].event == event)
            return (struct machine_step){exits[i].action, exits[i].next};
    return (struct machine_step){ACT_NONE, state};
}

TEST(every_event_does_in_every_state_what_is_written_down_and_nothing_else)
{
    for (int state = 0; state < MACHINE_STATES; state++)
        for (int event = 0; event < MACHINE_EVENTS; event++) {
            struct machine_step want = expected(state, event), is = machine_step(state, event);

            ck_assert_msg(want.action == is.action && want.next == is.next,
                          "state %d, event %d: action %d, next state %d", state, event, is.action,
                          is.next);
        }
}

TEST(a_state_with_a_worker_is_left_only_by_its_end)
{
    for (int state = 0; state < MACHINE_STATES; state++)
        for (int event = 0; event < MACHINE_EVENTS; event++) {
            struct machine_step step = machine_step(state, event);

            if (machine_has_worker(state))
                ck_assert_int_eq(machine_has_worker(step.next), event < EVENT_EXIT_STOPPED);
            else
                ck_assert_int_eq(machine_has_worker(step.next), step.action == ACT_SPAWN);
        }
}

TEST(a_worker_about_to_end_is_shown_as_before)
{
    ck_assert_int_eq(machine_shown(MACHINE_STOPPING, SERVICE_RUNNING), SERVICE_RUNNING);
    ck_assert_int_eq(machine_shown(MACHINE_KILLING, SERVICE_STARTING), SERVICE_STARTING);
    ck_assert_int_eq(machine_shown(MACHINE_WAITING, SERVICE_FAILED), SERVICE_STARTING);
    ck_assert_str_eq(machine_state_name(machine_shown(MACHINE_FAILED, SERVICE_RUNNING)), "Failed");
}
