/* Requests that wait for their answer, and their deadlines. */
#ifndef CORE_IPC_PENDING_H
#define CORE_IPC_PENDING_H

#include "core/ipc/host.h"
#include "core/ipc/interface.h"

#define PENDING_BLOCK 256u
#define PENDING_BLOCKS 256u /* slot and generation share 32 bits, 16 each */

struct inflight;

struct pending {
    uint16_t slot;
    uint16_t generation;
    bool live;
    uint32_t heap_index;
    uint32_t corr; /* the caller's */
    uint32_t bytes;
    uint64_t since, deadline; /* of the loop, milliseconds */
    uint32_t deadline_ms;
    uint64_t progress_at; /* the last PROGRESS about this request alone; 0: none */
    uint64_t told_at;     /* when the caller was last sent one; 0: never */
    struct principal *who;
    struct ipc_peer *caller; /* shortcut for who->owner */
    struct target target;
    struct inflight *inflight;
    struct pending *caller_prev, *caller_next; /* also the free list */
    struct pending *provider_prev, *provider_next;
    host_done *done; /* calls of the host */
    void *arg;
    struct pending **holder; /* set to NULL when it ends; NULL: none */
};

struct pending_table {
    struct pending *blocks[PENDING_BLOCKS];
    unsigned block_count;
    struct pending *free_first, *free_last;
    struct pending **heap; /* the earliest deadline first */
    uint32_t heap_count, heap_cap;
    uv_timer_t timer;
    uint64_t timer_at; /* 0: not running */
    void (*late)(struct pending *p);
    void (*postponed)(const struct pending *p, uint32_t left_ms);
};

/* late is called when a deadline has passed, and ends the request; postponed when it passed but the
 * provider has sent PROGRESS: left_ms are left. */
void pending_init(struct broker *broker, void (*late)(struct pending *p),
                  void (*postponed)(const struct pending *p, uint32_t left_ms));
/* Once its timer is closed. */
void pending_fini(struct broker *broker);
/* A request of who, charged to inflight with bytes. NULL: the table is full (PENDING_BLOCK *
 * PENDING_BLOCKS). Owned by the table until pending_end(). */
struct pending *pending_new(struct broker *broker, struct principal *who,
                            const struct target *target, struct inflight *inflight, uint32_t bytes,
                            uint32_t deadline_ms);
/* Frees a request, and what it was charged; its deadline is over. */
void pending_end(struct pending *p);
/* Its number at the provider, never 0: slot and generation. */
uint32_t pending_corr(const struct pending *p);
/* NULL: no request of that number waits for this provider. */
struct pending *pending_find(struct broker *broker, struct ipc_peer *provider, uint32_t corr);

#endif
