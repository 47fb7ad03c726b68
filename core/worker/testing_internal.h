/* The test kit (orbital/testing.h): the host's part, in the process of the test. One struct in
 * several files: testing.c (start to stop, calls), testing_config.c (changes), testing_grant.c
 * (capabilities), testing_host.c (frames of the package), testing_look.c (output and input), and
 * kit/ (time). */
#ifndef CORE_WORKER_TESTING_INTERNAL_H
#define CORE_WORKER_TESTING_INTERNAL_H

#include "core/worker/sdk_internal.h"
#include "orbital/testing.h"

#define TESTING_CONFIG_PEER 7u
#define TESTING_BEGIN_MS 1000000u /* not 0: "never" often is */
#define TESTING_ROUNDS 1000 /* turns of the loop after which a package that never rests is left */

/* Output of the package that the test has not taken yet. */
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

/* A method the package opened, or a topic ("interface/topic") it subscribed to. */
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
    struct testing_name *methods, *topics;
    bool limited;  /* to grants */
    char **grants; /* capabilities */
    unsigned grant_count;
    struct buf problems;
    cJSON *metrics;
    uint32_t last_corr, taken; /* taken: the call that orb_test_next() took */
    uint32_t peer;             /* that calls */
    cJSON *tree;               /* the configuration the package has, or is shown */
    cJSON *patch;              /* of the next change */
    struct buf patch_text;     /* of the present change */
    struct sdk_undo *undo;
    size_t undo_count;
    uint64_t tx, revision;
    uint32_t step;            /* corr of the step that was not answered yet, 0: none */
    char stepping;            /* 'p', 'a', 'u': which */
    struct sdk_timer *timers; /* that run, by time */
    uint64_t round;
};

#endif
