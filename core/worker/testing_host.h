/* Frames between the kit and the package. */
#ifndef CORE_WORKER_TESTING_HOST_H
#define CORE_WORKER_TESTING_HOST_H

#include "core/worker/testing_internal.h"

/* Turns the loop until the package rests. */
void testing_host_turn(struct orb_test *test);
/* Sends a frame; len and envlen of head are set here. env, payload: text, NULL for none. */
void testing_host_send(struct orb_test *test, const struct frame *head, const char *env,
                       const char *payload);
/* Answers the package's frame of number corr with an error. */
void testing_host_refuse(struct orb_test *test, uint32_t corr, const struct orb_err *err);
/* Records a violation by the package for orb_test_fault(), the first of several. */
void testing_host_fault(struct orb_test *test, const char *what, const struct orb_err *why);
/* Frees what was kept of the package's frames. */
void testing_host_fini(struct orb_test *test);

#endif
