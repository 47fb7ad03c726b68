/* The configuration as the package gets it. */
#ifndef CORE_WORKER_TESTING_ATTACH_H
#define CORE_WORKER_TESTING_ATTACH_H

#include "core/worker/testing_internal.h"

/* Writes the answer to config@1 attach or fetch: the slice that input requests, of test->tree or
 * (what "tx") of test->patch_text. */
void testing_attach_answer(const struct orb_test *test, const char *input, struct buf *ret_text);

#endif
