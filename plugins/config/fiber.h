/* Functions that can be suspended and resumed, each on a stack of its own. All run on the thread of
 * the loop, one at a time, and are suspended only at explicit calls: state does not change between
 * two of these. */
#ifndef CONFIG_FIBER_H
#define CONFIG_FIBER_H

#include <stdbool.h>

#define FIBER_MAX 64u /* at a time */

struct fiber;

/* Stacks that are not used just now are kept for the next. */
struct fibers {
    struct fiber *idle;
    unsigned idle_count, count;
};

typedef void fiber_fn(void *arg);

/* One that fiber_run() begins. NULL: there are FIBER_MAX already, or there is no memory. */
struct fiber *fiber_new(struct fibers *fibers, fiber_fn *fn, void *arg);
/* Runs it until it stops (true: it is to be run again) or has ended. It may run others. */
bool fiber_run(struct fiber *fiber);
/* Inside of it: stops here until it is run again. */
void fiber_pause(struct fiber *fiber);
/* Of one that has ended, or was never run. NULL: nothing happens. */
void fiber_free(struct fibers *fibers, struct fiber *fiber);
/* Frees the stacks that are kept; every fiber was freed before. */
void fiber_free_idle(struct fibers *fibers);

#endif
