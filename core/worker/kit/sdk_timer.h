/* Timers of the test kit. */
#ifndef CORE_WORKER_KIT_SDK_TIMER_H
#define CORE_WORKER_KIT_SDK_TIMER_H

#include <stdbool.h>

struct orb_test;

/* Fires the first timer that is due and was started before this round; false: there is none. */
bool sdk_timer_fire(struct orb_test *test);

#endif
