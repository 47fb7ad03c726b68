/* PROGRESS frames: see progress.h. What a worker sends is read and written again, since the caller
 * may show it to a user. */
#include "core/ipc/progress.h"

#include "core/base/own.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/refusal.h"

#define EVERY_MS 100 /* between two that a caller gets about one request */

void progress_of(struct pending *p, const struct progress_state *state)
{
    AUTO(buf) struct buf text = {0};
    struct ipc_peer *caller = p->caller;
    uint64_t now = uv_now(caller->broker->loop);

    if (!p->target.method->progress)
        return;
    p->progress_at = now;
    /* A caller that does not read learns the result, not the way there. */
    if (!state || peer_is_host(caller) || (p->told_at && now - p->told_at < EVERY_MS) ||
        conn_queued(&caller->conn))
        return;
    p->told_at = now;
    progress_state_write(state, &text);
    peer_send(caller,
              &(struct frame){.type = FRAME_PROGRESS,
                              .corr = p->corr,
                              .deadline_ms = p->deadline > now ? (uint32_t)(p->deadline - now) : 1},
              NULL, buf_str(&text), text.len);
}

/* Of one request. It may have been answered, or given up, in the meantime. */
static void of_request(struct ipc_peer *peer, struct inframe *in)
{
    struct pending *p = pending_find(peer->broker, peer, in->h.corr);
    struct progress_state state;
    struct orb_err err;

    if (!p)
        return;
    if (!in->len) {
        progress_of(p, NULL);
    } else if (inframe_scan(in, &err) < 0 ||
               progress_state_read(in->payload, in->len, &state, &err) < 0) {
        refusal_count(peer, &err);
        refusal_log(peer, "ipc.bad-progress", &err);
    } else {
        progress_of(p, &state);
    }
}

void progress_on_frame(struct ipc_peer *peer, struct inframe *in)
{
    if (in->h.corr)
        of_request(peer, in);
    else
        peer->progress_at = uv_now(peer->broker->loop);
    if (peer->events && peer->events->progress)
        peer->events->progress(peer->arg);
}
