/* A shared object that breaks the start of the package it is put into: its constructor aborts, or
 * never returns. A macro selects which. */
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
