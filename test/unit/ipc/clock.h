/* A clock for tests of deadlines: it does not advance while something can be done and continues to
 * the loop's next timer when nothing can, so that no result rests on how busy the machine is. For
 * tests without threads. */
#ifndef TEST_UNIT_IPC_CLOCK_H
#define TEST_UNIT_IPC_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* From now on CLOCK_MONOTONIC is this clock, for libuv, too; until the process ends. */
void clock_simulate(void);
bool clock_simulated(void);
/* Only a simulated clock. */
void clock_pass(uint64_t ms);

#endif
