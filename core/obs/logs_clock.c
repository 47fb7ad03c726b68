/* The wall clock may be set at any time, by years. Records keep the time that the clock showed; how
 * far it was set is noted beside, so that "the last ten minutes" are that. Numbers give the order.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/obs/logs_internal.h"

#define SET_US 1000000         /* what moves it by less is no setting: a clock that is kept right */
#define TIME_MOST (1ull << 52) /* the year 2112; numbers of lines are below 2^53 */

uint64_t logs_clock_now(void)
{
    uint64_t now = now_wall_us();

    return now < TIME_MOST ? now : TIME_MOST;
}

/* CLOCK_BOOTTIME: a machine that slept has not set its clock. */
static int64_t apart(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)logs_clock_now() - ((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

void logs_clock_init(struct logs_clock *clock)
{
    *clock = (struct logs_clock){.apart_us = apart()};
}

bool logs_clock_look(struct logs_clock *clock, uint64_t next, int64_t *ret_by_us)
{
    int64_t now = apart(), by = now - clock->apart_us;

    clock->apart_us = now;
    if (llabs(by) < SET_US)
        return false;
    if (clock->count == LOGREAD_SHIFTS)
        memmove(clock->shifts, clock->shifts + 1, --clock->count * sizeof(clock->shifts[0]));
    clock->shifts[clock->count++] = (struct logread_shift){.seq = next, .by_us = by};
    *ret_by_us = by;
    return true;
}
