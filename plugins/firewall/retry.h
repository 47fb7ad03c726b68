/* What could not be brought into force when the service started: tried again until it is, or until
 * a commit brings it. Times are milliseconds. */
#ifndef PLUGINS_FIREWALL_RETRY_H
#define PLUGINS_FIREWALL_RETRY_H

#include "orbital/orbital.h"
#include "plugins/firewall/changeset.h"

struct firewall;

struct retry {
    bool pending;
    bool in_flight; /* an attempt is in progress */
    bool cancelled; /* a commit is being prepared or applied */
    bool done;      /* it applied the policy, and may still be reverted */
    struct changeset
        changes; /* the whole policy; without messages where it cannot even be written */
    struct orb_timer *timer;
    uint32_t wait_ms;
    double tx; /* of the attempt, 0: none */
    unsigned next;
    char what[360], path[ORB_ERR_PATH];
};

/* Makes the timer. Error: no memory; retry_fini() may be called all the same. */
int retry_init(struct orb_ctx *ctx, struct firewall *self, struct orb_err *err);
void retry_fini(struct firewall *self);
/* The first change failed for err: its messages are sent again until they are in force. changes:
 * the whole policy, taken over; without messages when it cannot even be written. */
void retry_schedule(struct orb_ctx *ctx, struct firewall *self, struct changeset *changes,
                    const struct orb_err *err);
/* A commit begins; it sends the whole policy where one is pending. */
void retry_cancel(struct orb_ctx *ctx, struct firewall *self);
/* The commit failed: continue. */
void retry_resume(struct orb_ctx *ctx, struct firewall *self);
/* It brought the policy into force. */
void retry_done(struct orb_ctx *ctx, struct firewall *self);

#endif
