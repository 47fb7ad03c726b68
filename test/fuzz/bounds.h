/* What every input must keep to: processor time, so that a busy machine finds nothing, and sizes.
 */
#ifndef TEST_FUZZ_BOUNDS_H
#define TEST_FUZZ_BOUNDS_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

#endif
