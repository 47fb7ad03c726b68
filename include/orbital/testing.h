/* Runs one package inside a test program, without daemon, sandbox or second process, so that it can
 * be debugged and run under sanitizers. It uses the same SDK as in production; what the host
 * refuses by schema.json is refused with the same error text. Link with liborbital-testing
 * (pkg-config orbital-testing).
 *
 *     struct orb_test *t = orb_test_load("build/greeter", &err);
 *
 *     orb_test_start(t, "{\"greeter\": {\"word\": \"Servus\"}}", &err);
 *     orb_test_call(t, "hello", "{\"name\": \"Ada\"}", &out, &err);
 *     assert(!strcmp(out, "{\"text\":\"Servus, Ada!\"}"));
 *     orb_test_stop(t, &err);
 *
 * The clock is simulated: timers, orb_now_ms() and deadlines advance only by orb_test_advance().
 * Only one test at a time may run in a process.
 *
 * Functions return 0, a negative code with err (never NULL) filled, or ORB_LATER: the package has
 * not answered yet. Returned texts are JSON without spaces, valid until the next call with the same
 * test. */
#ifndef ORBITAL_TESTING_H
#define ORBITAL_TESTING_H

#include "orbital/orbital.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct orb_test;

/* ---- from start to stop ---- */

/* Loads a package as it is installed: manifest.json, schema.json and the library. It may call, and
 * subscribe to, what the capabilities of the manifest allow. NULL, with err: it cannot be loaded.
 */
struct orb_test *orb_test_load(const char *directory, struct orb_err *err);
/* The same for a package that is linked into the test program: its descriptor (orbital_plugin) and
 * the file of its contract. */
struct orb_test *orb_test_of(const struct orb_plugin *plugin, const char *schema,
                             struct orb_err *err);
/* Before start: one more capability, as in manifest.json ("ipc.call:NAME/METHOD"). Of a package of
 * orb_test_of() the first one ends that it may call all there is. What was not granted is refused
 * as the host does: ORB_E_DENIED for a call, a log record "sdk.subscribe-refused" for a topic. */
void orb_test_grant(struct orb_test *test, const char *capability);
/* Before start: the result of orb_state_dir() (default: NULL). */
void orb_test_state_dir(struct orb_test *test, const char *directory);
/* Before start: the result of orb_socket() for name; fd stays the caller's. At most 8. */
void orb_test_socket(struct orb_test *test, const char *name, int fd);
/* init, first configuration, ready. config: all of it, such as {"greeter": {…}}; NULL: none. Fails
 * with the package's error; ORB_LATER: it is not ready yet. */
int orb_test_start(struct orb_test *test, const char *config, struct orb_err *err);
/* Calls stop and frees everything. Error: the package failed in the meantime, or an
 * orb_test_fault() was not taken. Memory still allocated then was leaked by the package. */
int orb_test_stop(struct orb_test *test, struct orb_err *err);

/* ---- requests to the package ---- */

/* Sets the caller of later calls; default: the user "tester", role operator. */
void orb_test_as(struct orb_test *test, const char *kind, const char *name, const char *role);
/* Calls a method. input: JSON, NULL: {}. *ret_output: the answer. */
int orb_test_call(struct orb_test *test, const char *method, const char *input,
                  const char **ret_output, struct orb_err *err);
/* The answer to the oldest call that returned ORB_LATER. Without one the loop runs in real time, up
 * to wait_ms (for packages with threads or descriptors; else 0). ORB_LATER: still no answer. */
int orb_test_answer(struct orb_test *test, int wait_ms, const char **ret_output,
                    struct orb_err *err);
/* Disconnects the caller: calls peer_gone, and its requests are cancelled. */
void orb_test_peer_gone(struct orb_test *test);
/* Calls the package's health callback; returns its result. */
int orb_test_health(struct orb_test *test, struct orb_err *err);

/* ---- configuration ---- */

/* Steps of the next change. pointer: JSON pointer, such as /greeter/word; value: JSON. */
int orb_test_set(struct orb_test *test, const char *pointer, const char *value,
                 struct orb_err *err);
/* As orb_test_set, for a step that deletes what is at pointer. */
int orb_test_delete(struct orb_test *test, const char *pointer, struct orb_err *err);
/* Validates the change against the schema and calls prepare; then follows apply or abort; abort
 * also after apply, until the next prepare. The next prepare, or stop, discards what can no longer
 * be undone. */
int orb_test_prepare(struct orb_test *test, struct orb_err *err);
/* Applies the change that was prepared: 0, the package's error, or ORB_LATER (orb_test_step). */
int orb_test_apply(struct orb_test *test, struct orb_err *err);
/* Aborts the change, before or after apply; results as of orb_test_apply. */
int orb_test_abort(struct orb_test *test, struct orb_err *err);
/* Result of the step that returned ORB_LATER; ORB_LATER: not complete yet. */
int orb_test_step(struct orb_test *test, struct orb_err *err);
/* prepare, then apply; a failed apply is followed by abort, as in a commit. */
int orb_test_commit(struct orb_test *test, struct orb_err *err);

/* ---- output of the package ---- */

enum orb_test_kind {
    ORB_TEST_EVENT, /* name: topic; the payload */
    ORB_TEST_LOG,   /* name: event; {"level", "event", "kv"} */
    ORB_TEST_PLAN,  /* name: kind of the step; {"kind", "text"} */
    ORB_TEST_CALL,  /* name: "interface@1/method"; the input */
};
/* Takes the oldest of a kind and name (NULL: any), NULL when there is none. */
const char *orb_test_next(struct orb_test *test, enum orb_test_kind kind, const char *name);
/* As orb_test_next, but runs the loop in real time until there is one, up to wait_ms: for packages
 * with threads or descriptors. */
const char *orb_test_wait(struct orb_test *test, enum orb_test_kind kind, const char *name,
                          int wait_ms);
/* All current problems, worst first: [{"level", "key", "what", "path", "todo"}]. */
const char *orb_test_problems(struct orb_test *test);
/* Sum of a counter, or value of a gauge; 0: none of that name. */
double orb_test_metric(struct orb_test *test, const char *name);
/* What the host would have refused (an event or an answer that the schema does not allow): a
 * sentence, taken; NULL: nothing. */
const char *orb_test_fault(struct orb_test *test);

/* ---- input to the package ---- */

/* Answers the call that orb_test_next() took last. */
void orb_test_reply(struct orb_test *test, const char *output);
/* As orb_test_reply, with an error. */
void orb_test_reply_error(struct orb_test *test, int code, const char *text);
/* An event of another interface. ORB_E_NOT_FOUND: the package did not subscribe to it. */
int orb_test_event(struct orb_test *test, const char *interface, const char *topic,
                   const char *payload, struct orb_err *err);

/* ---- time ---- */

/* Advances the simulated clock, from timer to timer. */
void orb_test_advance(struct orb_test *test, uint64_t ms);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
