#include "core/base/now.h"

#include <time.h>

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t now_us(void)
{
    return now_ns() / 1000;
}

uint64_t now_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000u;
}

uint64_t now_wall_us(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000u;
}

uint64_t now_wall_of(uint64_t at_ms)
{
    uint64_t now = now_ns() / 1000u, at = at_ms * 1000u, ago = now > at ? now - at : 0;
    uint64_t wall = now_wall_us();

    return wall > ago ? wall - ago : 0;
}
