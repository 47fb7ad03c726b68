/* A clock that was never set: preloaded into orbitald, the wall clock shows 2020 as long as the
 * file $OLD_CLOCK exists. All other clocks are right. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *to)
{
    const char *path = getenv("OLD_CLOCK");
    int r = (int)syscall(SYS_clock_gettime, clock, to);

    if (r == 0 && clock == CLOCK_REALTIME && path && access(path, F_OK) == 0)
        to->tv_sec = 1577880000;
    return r;
}
