/* How much of a deadline a process has used up. The clock on the wall is right for one that sleeps
 * or was stopped; one that computes, and shares its processor with others, or waits for the disk,
 * has had less time than that. */
#ifndef CORE_SUP_PACE_H
#define CORE_SUP_PACE_H

#include <stdint.h>
#include <sys/types.h>

#define PACE_SLOWEST 5 /* a deadline lasts at most this many times as long on the wall */

struct pace {
    uint64_t at_ms;  /* of the last look, monotonic */
    uint64_t cpu_ms; /* of the main thread then */
};

/* The arithmetic alone. state: the letter of proc(5); the result is at most wall_ms. */
uint64_t pace_of(char state, uint64_t wall_ms, uint64_t cpu_ms);
/* Begins at now_ms (monotonic) for the process pid, which was not waited for. */
void pace_start(struct pace *pace, pid_t pid, uint64_t now_ms);
/* Milliseconds used since the last call, or since pace_start. */
uint64_t pace_spent(struct pace *pace, pid_t pid, uint64_t now_ms);

#endif
