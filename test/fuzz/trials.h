/* The commands of orbctl that print answers of a daemon, for the targets print and orbctl. */
#ifndef TEST_FUZZ_TRIALS_H
#define TEST_FUZZ_TRIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/cli.h"

/* Runs command number n (any number) and checks what it wrote on both outputs: no byte acts on a
 * terminal; what is to be JSON is; and it is no more than size, of what the daemon reported,
 * allows. */
void trial_run(unsigned n, struct cli *cli, size_t size);

#endif
