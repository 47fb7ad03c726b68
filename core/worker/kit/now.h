/* The clock of the test kit. */
#ifndef CORE_WORKER_KIT_NOW_H
#define CORE_WORKER_KIT_NOW_H

#include <stdint.h>

/* now_ms() from now on. */
void now_set(uint64_t ms);

#endif
