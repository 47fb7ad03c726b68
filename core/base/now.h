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
/* Converts a time of now_ms() to the current wall clock, in microseconds since the epoch. Times
 * kept as now_ms() are so shown correctly after the clock was set. */
uint64_t now_wall_of(uint64_t at_ms);

#endif
