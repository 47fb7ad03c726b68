/* A lane exists while requests wait in it. The identities that have some at the same time are few:
 * they are searched one by one. */
#include "core/worker/sdk_queue.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/nameless.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_req.h"

struct sdk_lane {
    struct sdk_lane *next;
    char kind[sizeof(((struct sdk_peer *)NULL)->kind)];
    char name[SDK_NAME];
    struct orb_req *first, *last; /* by queue_next */
};

static void append_lane(struct sdk_queue *queue, struct sdk_lane *lane)
{
    lane->next = NULL;
    if (queue->last)
        queue->last->next = lane;
    else
        queue->first = lane;
    queue->last = lane;
}

static bool is_of(const struct sdk_lane *lane, const struct sdk_peer *peer)
{
    if (strcmp(lane->kind, peer->kind))
        return false;
    return !strcmp(lane->name, peer->name) ||
           (!strcmp(peer->kind, "user") && nameless_is(lane->name) && nameless_is(peer->name));
}

/* Its lane; ret_before: the one before it, NULL: it is the first. */
static struct sdk_lane *lane_of(const struct sdk_queue *queue, const struct sdk_peer *peer,
                                struct sdk_lane **ret_before)
{
    struct sdk_lane *lane = queue->first;

    *ret_before = NULL;
    while (lane && !is_of(lane, peer)) {
        *ret_before = lane;
        lane = lane->next;
    }
    return lane;
}

static void unlink_lane(struct sdk_queue *queue, struct sdk_lane *lane, struct sdk_lane *before)
{
    if (before)
        before->next = lane->next;
    else
        queue->first = lane->next;
    if (queue->last == lane)
        queue->last = before;
}

void sdk_queue_add(struct sdk_queue *queue, struct orb_req *req)
{
    struct sdk_lane *before, *lane = lane_of(queue, req->peer, &before);

    if (!lane) {
        lane = xcalloc(1, sizeof(*lane));
        memcpy(lane->kind, req->peer->kind, sizeof(lane->kind));
        memcpy(lane->name, req->peer->name, sizeof(lane->name));
        append_lane(queue, lane);
    }
    req->queue_next = NULL;
    if (lane->last)
        lane->last->queue_next = req;
    else
        lane->first = req;
    lane->last = req;
    req->waits = true;
    queue->bytes += req->len;
}

struct orb_req *sdk_queue_take(struct sdk_queue *queue)
{
    struct sdk_lane *lane = queue->first;
    struct orb_req *req;

    if (!lane)
        return NULL;
    req = lane->first;
    lane->first = req->queue_next;
    req->waits = false;
    queue->bytes -= req->len;
    unlink_lane(queue, lane, NULL);
    if (lane->first)
        append_lane(queue, lane);
    else
        free(lane);
    return req;
}

void sdk_queue_remove(struct sdk_queue *queue, struct orb_req *req)
{
    struct sdk_lane *before_lane, *lane = lane_of(queue, req->peer, &before_lane);
    struct orb_req *before = NULL;

    for (struct orb_req *r = lane->first; r != req; r = r->queue_next)
        before = r;
    if (before)
        before->queue_next = req->queue_next;
    else
        lane->first = req->queue_next;
    if (lane->last == req)
        lane->last = before;
    req->waits = false;
    queue->bytes -= req->len;
    if (lane->first)
        return;
    unlink_lane(queue, lane, before_lane);
    free(lane);
}
