/* Keeps the kernel as configured: a socket for requests, one for the kernel's events, and a repair
 * timer: shortly after the last relevant event, and at growing intervals while something cannot be
 * applied. */
#ifndef PLUGINS_LIB_FOLLOW_H
#define PLUGINS_LIB_FOLLOW_H

#include "orbital/orbital.h"
#include "plugins/lib/netlink.h"

#define FOLLOW_RETRY_MIN_MS 200
#define FOLLOW_RETRY_MAX_MS 30000

struct follow {
    struct nl_sock *requests, *events;
    struct orb_watch *watch;
    struct orb_timer *repair;
    uint64_t due_ms;   /* when the repair runs, 0: none is planned */
    uint64_t burst_ms; /* of the first event it is for */
    unsigned retry_ms; /* the last pause, 0: everything fitted */
    bool configured;   /* follow_outcome() was called once */
    orb_timer_fn *on_repair;
    void *arg;
};

/* follow: all zero. groups: of events, terminated by 0; on_readable drains follow->events; when
 * netlink_drain() reports lost events it must also read everything again, for which
 * follow_repair_soon() is enough where repairing does. On failure follow_close() frees what was
 * made. */
int follow_open(struct orb_ctx *ctx, struct follow *follow, const int *groups,
                orb_watch_fn *on_readable, orb_timer_fn *on_repair, void *arg, struct orb_err *err);
/* on_repair runs once, 50 ms after the last call, at the latest 500 ms after the first: a burst of
 * events is one repair, and events without end do not put it off for ever. Before the first
 * follow_outcome() nothing is repaired: what is wanted is not known yet, and the kernel's state,
 * made by the daemon before, would be removed as unwanted. The first apply looks at everything. */
void follow_repair_soon(struct follow *follow);
/* At the end of each repair, apply or abort. fits false: something does not fit or failed,
 * on_repair runs again after 0.2 s, then twice as long each time up to 30 s, also without an event;
 * the kernel's events still repair at once. true: nothing is left to do. */
void follow_outcome(struct follow *follow, bool fits);
void follow_close(struct follow *follow);

#endif
