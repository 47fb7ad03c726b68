/* The supervisor on the host's loop: its clock, its turn, its workers, their state directories and
 * crash reports. */
#ifndef CORE_SUP_RUNTIME_H
#define CORE_SUP_RUNTIME_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "core/sup/supervisor.h"

struct broker;
struct logs;
struct metrics;
struct runtime;
struct sandbox;

struct runtime_setup {
    uv_loop_t *loop;
    struct broker *broker;
    struct sandbox *sandbox;
    struct logs *logs;
    struct metrics *metrics; /* may be NULL */
    struct supervisor_setup supervisor;
};

/* Everything named in setup must live until the loop has run out after runtime_close. Errors:
 * supervisor_new's. */
int runtime_new(const struct runtime_setup *setup, struct runtime **ret_runtime,
                struct orb_err *err);
/* Valid as long as the runtime. */
struct supervisor *runtime_supervisor(struct runtime *runtime);
/* For PID 1, which gets SIGCHLD of every child: pid has ended but was not waited for. True when it
 * was a worker: it is reaped, and its service gets the event. */
bool runtime_worker_ended(struct runtime *runtime, pid_t pid);
/* After on_stopped, or when nothing was started: closes handles. Memory is freed with the last
 * close callback, after the last crash report was written. NULL: nothing. */
void runtime_close(struct runtime *runtime);

#endif
