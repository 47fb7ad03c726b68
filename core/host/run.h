/* One run of orbitald, from its start to its end. core/main.c builds it and runs the loop; what
 * happens on the loop is here. */
#ifndef CORE_HOST_RUN_H
#define CORE_HOST_RUN_H

#include "core/host/good.h"
#include "core/host/host_internal.h"
#include "core/host/init.h"
#include "core/host/stall.h"
#include "core/host/statedir.h"
#include "core/host/steps.h"
#include "core/loop/loop_scope.h"

struct run {
    struct orbitald host;
    struct init init;
    struct steps steps;
    struct stall stall;
    struct good good;
    struct supervisor_setup supervisor;
    struct statedir state;
    struct orb_err failed;              /* code 0: it did not */
    struct orb_err log_err, socket_err; /* kept until a problem can be set */
    struct orb_err starts_err;
    unsigned starts; /* within the window, this one counted */
    uv_signal_t term, interrupt, hangup, power, reopen;
    uv_timer_t watchdog, patience;
    struct loop_scope scope;
    uv_work_t opening; /* of the log anew; the next three are its */
    bool opens, open_again;
    int opened;
    struct orb_err open_err;
    const char *notify_socket;
    uint64_t watchdog_ms;
};

/* Adopts the timers and signals of the run into its scope, and starts them. Before run_begin(). */
void run_watch(struct run *run);
/* Begins to build what a step a turn makes (steps.h), then to start services. run->failed reports
 * what failed; the loop ends by itself after that, as after a signal to stop. */
void run_begin(struct run *run);
/* For health_new(), arg is the run: the boot is complete and health is not failed, READY=1 was
 * sent. */
void run_ready(void *arg);
/* The log cannot be written: a record and a problem of the host, which a later SIGUSR1 may end. */
void run_report_log(struct orbitald *host, const struct orb_err *err);

#endif
