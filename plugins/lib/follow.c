/* Following the kernel: see follow.h. */
#include "plugins/lib/follow.h"

#define REPAIR_MS 50
#define BURST_MS 500

static void on_timer(struct orb_ctx *ctx, void *arg)
{
    struct follow *follow = arg;

    follow->due_ms = follow->burst_ms = 0;
    follow->on_repair(ctx, follow->arg);
}

int follow_open(struct orb_ctx *ctx, struct follow *follow, const int *groups,
                orb_watch_fn *on_readable, orb_timer_fn *on_repair, void *arg, struct orb_err *err)
{
    int r = netlink_open(&follow->requests, err);

    if (r == 0)
        r = netlink_events(&follow->events, groups, err);
    if (r < 0)
        return r;
    follow->on_repair = on_repair;
    follow->arg = arg;
    follow->repair = orb_timer_new(ctx, on_timer, follow);
    follow->watch =
        orb_watch_new(ctx, nl_socket_get_fd(follow->events), ORB_READABLE, on_readable, arg, err);
    return follow->watch ? 0 : ORB_E_INTERNAL;
}

static void plan(struct follow *follow, uint64_t due)
{
    uint64_t now = orb_now_ms();

    follow->due_ms = due;
    orb_timer_start(follow->repair, due > now ? due - now : 0, 0);
}

void follow_repair_soon(struct follow *follow)
{
    uint64_t now = orb_now_ms(), due = now + REPAIR_MS;

    if (!follow->configured)
        return;
    if (!follow->burst_ms)
        follow->burst_ms = now;
    if (due > follow->burst_ms + BURST_MS)
        due = follow->burst_ms + BURST_MS;
    plan(follow, due);
}

void follow_outcome(struct follow *follow, bool fits)
{
    follow->configured = true;
    if (fits) {
        follow->retry_ms = 0;
        if (!follow->burst_ms && follow->due_ms) {
            orb_timer_stop(follow->repair);
            follow->due_ms = 0;
        }
        return;
    }
    follow->retry_ms = follow->retry_ms ? follow->retry_ms * 2 : FOLLOW_RETRY_MIN_MS;
    if (follow->retry_ms > FOLLOW_RETRY_MAX_MS)
        follow->retry_ms = FOLLOW_RETRY_MAX_MS;
    /* The next event schedules it earlier. */
    if (!follow->burst_ms)
        plan(follow, orb_now_ms() + follow->retry_ms);
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
