/* What users, the health report and other programs are shown of services: views, JSON for host@1
 * and OpenMetrics lines. */
#ifndef CORE_SUP_REPORT_H
#define CORE_SUP_REPORT_H

#include "core/base/buf.h"
#include "core/base/json_write.h"
#include "core/pkg/package.h"
#include "core/sup/machine.h"
#include "core/sup/problems.h"
#include "core/sup/restart.h"

struct sandbox;
struct supervisor;

/* One service as others see it; texts live until the callback returns. Times: monotonic ms. */
struct service_view {
    const char *name;
    enum service_state state;
    enum boot_phase phase;
    enum breaker_state breaker;
    bool shipped, critical;
    bool wanted;     /* by configuration or manifest, and not stopped by a user */
    bool holds_boot; /* the boot cannot reach its end while this one does not run */
    unsigned failures_in_a_row;
    const char *not_granted; /* the first capability requested but not granted, NULL: none */
    const char *reason;      /* of the last failure, or what it waits for; "" */
    const char *health;      /* its own answer to the last ping; "" when fine */
    uint64_t health_since_ms;
    const char *lacks;      /* an interface it uses that this host does not serve, NULL: none */
    const char *stopped_by; /* a user, or "the configuration"; "" */
    const struct problems *problems;
    uint64_t since_ms;  /* of the state */
    uint64_t revision;  /* what it does follows this one; 0: none yet */
    uint64_t due;       /* and should follow this one; 0: not known */
    uint64_t behind_ms; /* since when they differ, 0: they do not, or may just now */
    bool configured;    /* its own part of the configuration is not empty */
};
/* Calls see for every service, in the order of their names. */
void report_each(const struct supervisor *sup,
                 void (*see)(void *arg, const struct service_view *service), void *arg);

/* An array of summaries, one for each service. */
void report_list(struct supervisor *sup, struct json_write *w, const char *key);
/* A whole object each, appended to ret_json. ORB_E_NOT_FOUND names the services there are. */
int report_show(struct supervisor *sup, const char *name, struct buf *ret_json,
                struct orb_err *err);
/* sandbox: for what this machine gives. */
int report_sandbox(struct supervisor *sup, const char *name, const struct sandbox *sandbox,
                   struct buf *ret_json, struct orb_err *err);
/* The reports of its last crashes, oldest first (crash.h). */
int report_crashes(struct supervisor *sup, const char *name, struct buf *ret_json,
                   struct orb_err *err);
/* Members "phase", "waiting" and "phases" of the open object. */
void report_boot(struct supervisor *sup, struct json_write *w);
/* OpenMetrics families of all services, appended. */
void report_metrics(struct supervisor *sup, struct buf *ret_text);

#endif
