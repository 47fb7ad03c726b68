/* The test kit (orbital/testing.h): the host's part, played in the process of the test. One struct
 * in several files: testing.c (start to stop, calls), testing_config.c (changes), testing_host.c
 * (frames of the package), testing_look.c (what it said, what others say), and kit/ (time). */
#ifndef CORE_WORKER_TESTING_INTERNAL_H
#define CORE_WORKER_TESTING_INTERNAL_H

#include "core/worker/sdk_internal.h"
#include "orbital/testing.h"

#define TESTING_CONFIG_PEER 7u
#define TESTING_BEGIN_MS 1000000u /* not 0: "never" often is */
#define TESTING_ROUNDS 1000 /* turns of the loop after which a package that never rests is left */

/* Something the package said and the test did not take yet. */
struct testing_record {
    struct testing_record *next;
    enum orb_test_kind kind;
    uint32_t corr; /* of a call */
    char *name;
    char *text;
};

/* A request to the package: of the test, or a step of a change. */
struct testing_ask {
    struct testing_ask *next;
    uint32_t corr;
    char *method; /* NULL: a step of a change */
    bool done;
    struct orb_err err; /* code 0: text */
    char *text;
};

/* A route the package opened, or a topic ("interface/topic") it subscribed to. */
struct testing_name {
    struct testing_name *next;
    uint32_t number;
    char *text;
};

struct orb_test {
    struct orb_ctx ctx;
    struct sdk_setup setup;
    struct sdk_socket sockets[8];
    const struct orb_plugin *plugin;
    struct contract *contract;
    struct frame_stream wire; /* the host's end; fd -1: none */
    struct buf shown;         /* what a function returned last */
    bool open, ready;
    struct orb_err failed; /* FAIL */
    struct orb_err health; /* PONG */
    struct buf fault;
    struct testing_record *records; /* oldest first */
    struct testing_ask *asks;
    struct testing_name *routes, *topics;
    struct buf problems;
    cJSON *metrics;
    uint32_t last_corr, taken; /* taken: the call that orb_test_next() took */
    uint32_t peer;             /* that calls */
    cJSON *tree;               /* the configuration the package has, or is shown */
    cJSON *patch;              /* of the next change */
    struct sdk_undo *undo;
    size_t undo_count;
    uint64_t tx, revision;
    uint32_t step;            /* corr of the step that was not answered yet, 0: none */
    char stepping;            /* 'p', 'a', 'u': which */
    struct sdk_timer *timers; /* that run, by time */
    uint64_t round;
};

/* ---- testing.c ---- */
/* What a function returns; valid until the next one. */
const char *testing_show(struct orb_test *test, const char *text);
/* The package has ended: fails with why. */
int testing_ended(struct orb_test *test, struct orb_err *err);
/* Sends a request of this peer; NULL, with err: the package has ended. method NULL: a step. */
struct testing_ask *testing_ask(struct orb_test *test, uint32_t peer, uint32_t number,
                                const char *method, const char *text, uint32_t deadline_ms,
                                struct orb_err *err);
/* Takes the answer out of the list and frees it: 0 with text, or its error. */
int testing_answer(struct orb_test *test, struct testing_ask *ask, const char **ret_text,
                   struct orb_err *err);

/* ---- testing_host.c ---- */
/* Turns the loop until the package rests. */
void testing_host_turn(struct orb_test *test);
void testing_host_send(struct orb_test *test, const struct frame *head, const char *env,
                       const char *payload);
/* "No more than the package may": remembered for orb_test_fault(). */
void testing_host_fault(struct orb_test *test, const char *what, const struct orb_err *why);
void testing_host_fini(struct orb_test *test);

/* ---- testing_config.c ---- */
/* Answers config@1 attach and fetch. */
void testing_config_call(struct orb_test *test, uint32_t corr, const char *method,
                         const char *input);
/* The contract of the configuration steps: number of "prepare", "apply", "abort" in WELCOME. */
uint32_t testing_config_method(const struct orb_test *test, const char *name);
/* Reads what orb_test_start() is given. */
int testing_config_start(struct orb_test *test, const char *config, struct orb_err *err);
void testing_config_fini(struct orb_test *test);

/* ---- kit/now.c ---- */
/* now_ms() from now on. */
void now_set(uint64_t ms);

/* ---- kit/sdk_timer.c ---- */
/* Fires the first timer that is due and was started before this round; false: there is none. */
bool sdk_timer_fire(struct orb_test *test);

#endif
