/* clock_gettime() of the whole program: libuv takes it from here as well. */
#include "test/unit/ipc/clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static struct {
    bool on;
    uint64_t ns;
} simulated;

void clock_simulate(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    simulated.ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    simulated.on = true;
}

bool clock_simulated(void)
{
    return simulated.on;
}

void clock_pass(uint64_t ms)
{
    simulated.ns += ms * 1000000u;
}

SHOWN int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    if (!simulated.on || (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE))
        return (int)syscall(SYS_clock_gettime, clock, ret_time);
    ret_time->tv_sec = (time_t)(simulated.ns / 1000000000u);
    ret_time->tv_nsec = (long)(simulated.ns % 1000000000u);
    return 0;
}
