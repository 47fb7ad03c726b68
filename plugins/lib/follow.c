/* Following the kernel: see follow.h. */
#include "plugins/lib/follow.h"

#define REPAIR_MS 50

int follow_open(struct orb_ctx *ctx, struct follow *follow, const int *groups,
                orb_watch_fn *on_readable, orb_timer_fn *on_repair, void *arg, struct orb_err *err)
{
    int r = netlink_open(&follow->requests, err);

    if (r == 0)
        r = netlink_events(&follow->events, groups, err);
    if (r < 0)
        return r;
    follow->repair = orb_timer_new(ctx, on_repair, arg);
    follow->watch =
        orb_watch_new(ctx, nl_socket_get_fd(follow->events), ORB_READABLE, on_readable, arg, err);
    return follow->watch ? 0 : ORB_E_INTERNAL;
}

void follow_repair_soon(struct follow *follow)
{
    orb_timer_start(follow->repair, REPAIR_MS, 0);
}

void follow_close(struct follow *follow)
{
    if (follow->watch)
        orb_watch_free(follow->watch);
    if (follow->repair)
        orb_timer_free(follow->repair);
    nl_socket_free(follow->events);
    nl_socket_free(follow->requests);
}
