/* The supervisor's own memory: what its files share, and tests look at. */
#ifndef CORE_SUP_SUPERVISOR_INTERNAL_H
#define CORE_SUP_SUPERVISOR_INTERNAL_H

#include "core/base/now.h"
#include "core/sup/service.h"
#include "core/sup/supervisor.h"

/* Times: monotonic ms, 0: none. */
struct supervisor {
    struct supervisor_setup setup;
    struct supervisor_host host;
    struct service *services[PACKAGE_MAX];
    unsigned count;
    enum boot_phase phase;
    uint64_t started_ms;
    uint64_t phase_ms[PHASE_OPERATIONAL + 1]; /* when each was reached, from started_ms on */
    uint64_t phase_due_ms;                    /* when the present phase is given up */
    uint64_t stop_due_ms; /* when packages of third parties are no longer waited for */
    bool held;            /* services after phase early wait for supervisor_release */
    const char *lacks;    /* what keeps the boot from its end though all services run, or NULL */
    bool stopping;
    bool stopped_told;
    uint64_t applying; /* the revision a transaction brings services to just now, 0: none */
};

static inline uint64_t supervisor_now(const struct supervisor *sup)
{
    return sup->host.now_ms(sup->host.arg);
}

/* Something changed that may have consequences: supervisor_settle is due in this turn. */
static inline void supervisor_changed(const struct supervisor *sup)
{
    sup->host.changed(sup->host.arg);
}

#endif
