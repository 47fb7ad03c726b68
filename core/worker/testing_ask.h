/* Requests of the test to the package, and their answers. */
#ifndef CORE_WORKER_TESTING_ASK_H
#define CORE_WORKER_TESTING_ASK_H

#include "core/worker/testing_internal.h"

/* What a function of the kit returns: a copy of text, valid until the next one. */
const char *testing_ask_show(struct orb_test *test, const char *text);
/* The package has ended: fails with its FAIL, or ORB_E_GONE. */
int testing_ask_ended(struct orb_test *test, struct orb_err *err);
/* Sends a request of this peer for the method of this number, and turns the loop. deadline_ms as in
 * the frame. NULL, with err: the package has ended. method NULL: a step of a change. The request
 * stays test's until testing_ask_answer(). */
struct testing_ask *testing_ask_send(struct orb_test *test, uint32_t peer, uint32_t number,
                                     const char *method, const char *text, uint32_t deadline_ms,
                                     struct orb_err *err);
/* Takes the answer out of the list and frees it: 0 with text (as testing_ask_show), or its error.
 */
int testing_ask_answer(struct orb_test *test, struct testing_ask *ask, const char **ret_text,
                       struct orb_err *err);

#endif
