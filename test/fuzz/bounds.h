/* What every input must keep to: processor time, so that a busy machine finds nothing, and sizes,
 * as functions of the size of the input. */
#ifndef TEST_FUZZ_BOUNDS_H
#define TEST_FUZZ_BOUNDS_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline void must(int holds, const char *words)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s\n", words);
    abort();
}

static inline double cpu_ms(void)
{
    struct timespec t;

    /* the kernel's, whatever a target makes of time */
    syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* most_ms: for an input of 4 KB, with sanitizers. */
static inline void must_end(double began_ms, double most_ms, size_t size)
{
    must(cpu_ms() - began_ms < most_ms * (1 + (double)size / 4096), "it took too long");
}

/* What was made of an input of size bytes has at most some bytes, and some more for each of it. */
static inline void must_fit(size_t made, size_t some, size_t each, size_t size)
{
    must(made <= some + each * size, "it makes too much of it");
}

#endif
