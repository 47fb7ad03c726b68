/* The clocks.
 */
#ifndef CORE_BASE_NOW_H
#define CORE_BASE_NOW_H

#include <stdint.h>

/* CLOCK_MONOTONIC. */
uint64_t now_ms(void);
/* As now_ms(), in microseconds. */
uint64_t now_us(void);
/* As now_ms(), in nanoseconds. */
uint64_t now_ns(void);
/* CLOCK_REALTIME, microseconds since the epoch. */
uint64_t now_wall_us(void);
/* When a moment of now_ms() was, by the wall clock as it stands now, microseconds since the epoch.
 * What is kept as a moment of now_ms() is shown right after the clock was set, too. */
uint64_t now_wall_of(uint64_t at_ms);

#endif
