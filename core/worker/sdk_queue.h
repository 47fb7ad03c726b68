/* Requests that wait for the package, which handles one after the other: a queue for each identity
 * (kind and name, over all its connections and sessions), and the queues take turns. So a user with
 * hundreds of requests delays another one's by one of them. Within an identity the order is kept.
 */
#ifndef CORE_WORKER_SDK_QUEUE_H
#define CORE_WORKER_SDK_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct orb_req;
struct sdk_lane;

struct sdk_queue {
    struct sdk_lane *first, *last; /* those with requests; the first one's turn is next */
    size_t bytes;                  /* of all requests in them */
};

/* Appends it to the queue of its identity. */
void sdk_queue_add(struct sdk_queue *queue, struct orb_req *req);
/* Takes out the request whose turn it is. NULL: none waits. */
struct orb_req *sdk_queue_take(struct sdk_queue *queue);
/* Takes out one that waits in it. */
void sdk_queue_remove(struct sdk_queue *queue, struct orb_req *req);
/* Whether any request waits. */
static inline bool sdk_queue_waits(const struct sdk_queue *queue)
{
    return queue->first != NULL;
}

#endif
