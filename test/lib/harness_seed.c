/* The seed of a random test: a file of its own, for programs with a main() of their own. */
#include "test/lib/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint64_t harness_seed(void)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 0;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (!seed)
        seed = ((uint64_t)now.tv_nsec << 16 ^ (uint64_t)getpid()) % 1000000000 + 1;
    printf("# random: SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout); /* it is there also when the test ends by a signal */
    return seed;
}
