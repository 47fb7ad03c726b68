/* A shared object that spoils the start of the package it is laid into: its constructor aborts, or
 * never returns. Which one is said when it is compiled. */
#include <stdlib.h>
#include <unistd.h>

static void __attribute__((constructor)) spoil(void)
{
#ifdef FAULT_HANGS
    for (;;)
        pause();
#else
    abort();
#endif
}
