/* The supervisor driven by a test: packages described by a line each, a clock that the test moves,
 * and workers controlled by the test. A turn of the loop is fake_turn(). */
#ifndef TEST_SUP_FAKE_H
#define TEST_SUP_FAKE_H

#include <check.h>

#include "core/base/buf.h"
#include "core/sup/control.h"
#include "core/sup/supervisor_internal.h"

#define FAKE_SERVICES 16

/* ck_assert_msg for what is checked millions of times: check writes to a pipe at each assertion. */
#define fake_must(condition, ...)                                                                  \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)

struct fake_worker {
    struct service *service;
    pid_t pid;
    bool opened, stopped, killed;
    char why[ORB_ERR_TEXT]; /* it was killed */
};

struct fake {
    struct supervisor *sup;
    struct supervisor_setup setup;
    struct package_list packages;
    struct log_sink log;
    uint64_t now, wake_at;
    uint32_t random;
    bool changed;
    bool inside;      /* a callback of the supervisor runs */
    bool spawn_fails; /* from now on */
    pid_t pids;
    unsigned spawned, crashed, stopped_told, workers;
    unsigned limited; /* limits were announced */
    unsigned keeps, releases;
    struct buf trace;  /* "spawn a, ready a, stop a, kill a, Running a, phase core, …" */
    struct buf logged; /* event names */
    void (*on_phase)(struct fake *f, enum boot_phase phase); /* NULL: releases behind early */
};

/* A package of phase features that is shipped and enabled; to be changed before fake_open.
 * requires, uses: NULL or names with a blank between them. */
struct package *fake_package(struct fake *f, const char *name, const char *requires);
/* Zeroes f; the clock starts at one second. */
void fake_new(struct fake *f);
/* Makes the supervisor from the packages. Names are sorted by the caller. */
void fake_open(struct fake *f);
/* fake_open, supervisor_start and a turn. */
void fake_start(struct fake *f);
void fake_free(struct fake *f);

/* Ticks and settles until nothing changes and nothing is due; fails when that takes more than 100
 * turns. */
void fake_turn(struct fake *f);
/* Moves the clock, with a turn at each time for which the supervisor set its timer. */
void fake_advance(struct fake *f, uint64_t ms);

struct service *fake_service(struct fake *f, const char *name);
/* What is shown of it: "Running", … */
const char *fake_state(struct fake *f, const char *name);
/* Without a turn. */
void fake_ready(struct fake *f, const char *name);
/* Its worker ends, with exit status 0 or by a signal. Without a turn. */
void fake_exit(struct fake *f, const char *name, bool clean);
/* Starts service after service until all that can run do. */
void fake_run_all(struct fake *f);
/* The trace since the last call, "" when there is none. Lives until the next call. */
const char *fake_trace(struct fake *f);
/* Was event logged since the last call for it? Clears all that was logged. */
bool fake_logged(struct fake *f, const char *event);
/* Ends the test when something holds that never may: see fake.c. After a turn. */
void fake_check(struct fake *f);

#endif
