/* A wall clock that a test sets. Preloaded, it adds the seconds in the file wall-clock beside it
 * (one int64_t, mapped once, so that it can be read in any sandbox) to every reading of the wall
 * clock by the process. Without that file, and for all other clocks, readings are unchanged. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static const volatile int64_t *ahead_s;

__attribute__((constructor)) static void begin(void)
{
    char path[4096];
    Dl_info self;
    void *at;
    int fd;

    if (!dladdr(&ahead_s, &self) || !strrchr(self.dli_fname, '/'))
        return;
    snprintf(path, sizeof(path), "%.*s/wall-clock",
             (int)(strrchr(self.dli_fname, '/') - self.dli_fname), self.dli_fname);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    at = mmap(NULL, sizeof(*ahead_s), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED)
        ahead_s = at;
}

SHOWN int clock_gettime(clockid_t clock, struct timespec *to)
{
    int r = (int)syscall(SYS_clock_gettime, clock, to);

    if (r == 0 && ahead_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        to->tv_sec += *ahead_s;
    return r;
}

SHOWN time_t time(time_t *to)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}

SHOWN int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    *to = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

SHOWN int timespec_get(struct timespec *to, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, to) == 0 ? base : 0;
}
