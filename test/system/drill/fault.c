/* A shared object that spoils the start of the package it is laid into: its constructor aborts, or
 * never returns. Which one is said when it is compiled. */
#include <poll.h>
#include <stdlib.h>

static void __attribute__((constructor)) spoil(void)
{
#ifdef FAULT_HANGS
    for (;;)
        poll(NULL, 0, -1); /* pause() is no call of a worker and would spin */
#else
    abort();
#endif
}
