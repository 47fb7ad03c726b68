/* What a service needs to keep the kernel as the configuration says: a socket for requests, one for
 * the kernel's events, and a timer that repairs shortly after the last event that may concern it.
 */
#ifndef PLUGINS_LIB_FOLLOW_H
#define PLUGINS_LIB_FOLLOW_H

#include "orbital/orbital.h"
#include "plugins/lib/netlink.h"

struct follow {
    struct nl_sock *requests, *events;
    struct orb_watch *watch;
    struct orb_timer *repair;
};

/* follow: all zero. groups: of events, 0 ends them; on_readable drains follow->events. After a
 * failure follow_close() takes back what was made. */
int follow_open(struct orb_ctx *ctx, struct follow *follow, const int *groups,
                orb_watch_fn *on_readable, orb_timer_fn *on_repair, void *arg, struct orb_err *err);
/* on_repair runs once, 50 ms after the last call: a burst of events is one repair. */
void follow_repair_soon(struct follow *follow);
void follow_close(struct follow *follow);

#endif
