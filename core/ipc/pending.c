/* Requests waiting for their answer. A slot has a generation, and both together are the number the
 * provider sees: an answer to an earlier use of the slot does not fit. The earliest deadline stands
 * at the top of a heap and one timer waits for it; the timer may fire early, never late. */
#include <string.h>

#include "core/ipc/room.h"

static void heap_set(struct broker *broker, uint32_t at, struct pending *p)
{
    broker->heap[at] = p;
    p->heap_index = at;
}

static void heap_up(struct broker *broker, uint32_t at, struct pending *p)
{
    while (at) {
        uint32_t parent = (at - 1) / 2;

        if (broker->heap[parent]->deadline <= p->deadline)
            break;
        heap_set(broker, at, broker->heap[parent]);
        at = parent;
    }
    heap_set(broker, at, p);
}

static void heap_down(struct broker *broker, uint32_t at, struct pending *p)
{
    for (;;) {
        uint32_t child = at * 2 + 1;

        if (child >= broker->heap_count)
            break;
        if (child + 1 < broker->heap_count &&
            broker->heap[child + 1]->deadline < broker->heap[child]->deadline)
            child++;
        if (broker->heap[child]->deadline >= p->deadline)
            break;
        heap_set(broker, at, broker->heap[child]);
        at = child;
    }
    heap_set(broker, at, p);
}

static void heap_remove(struct broker *broker, struct pending *p)
{
    struct pending *last = broker->heap[--broker->heap_count];
    uint32_t at = p->heap_index;

    if (last == p)
        return;
    if (at && broker->heap[(at - 1) / 2]->deadline > last->deadline)
        heap_up(broker, at, last);
    else
        heap_down(broker, at, last);
}

static void arm(struct broker *broker)
{
    uint64_t first, now = uv_now(broker->loop);

    if (!broker->heap_count || broker->closing)
        return;
    first = broker->heap[0]->deadline;
    if (broker->timer_at && broker->timer_at <= first)
        return;
    broker->timer_at = first ? first : 1;
    uv_timer_start(&broker->timer, pending_on_timer, first > now ? first - now : 0, 0);
}

static int grow(struct broker *broker)
{
    struct pending *block;

    if (broker->block_count == PENDING_BLOCKS)
        return -1;
    block = xcalloc(PENDING_BLOCK, sizeof(*block));
    for (unsigned i = 0; i < PENDING_BLOCK; i++) {
        block[i].slot = (uint16_t)(broker->block_count * PENDING_BLOCK + i);
        block[i].caller_next = i + 1 < PENDING_BLOCK ? &block[i + 1] : NULL;
    }
    broker->blocks[broker->block_count++] = block;
    broker->free_first = block;
    broker->free_last = &block[PENDING_BLOCK - 1];
    broker->heap_cap = broker->block_count * PENDING_BLOCK;
    broker->heap = xrealloc(broker->heap, broker->heap_cap * sizeof(struct pending *));
    return 0;
}

static void list_in(struct pending *p)
{
    p->caller_prev = p->provider_prev = NULL;
    p->caller_next = p->caller->calls;
    if (p->caller_next)
        p->caller_next->caller_prev = p;
    p->caller->calls = p;
    p->caller->call_count++;
    p->provider_next = p->target.provider->serves;
    if (p->provider_next)
        p->provider_next->provider_prev = p;
    p->target.provider->serves = p;
}

static void list_out(struct pending *p)
{
    if (p->caller_prev)
        p->caller_prev->caller_next = p->caller_next;
    else
        p->caller->calls = p->caller_next;
    if (p->caller_next)
        p->caller_next->caller_prev = p->caller_prev;
    p->caller->call_count--;
    if (p->provider_prev)
        p->provider_prev->provider_next = p->provider_next;
    else
        p->target.provider->serves = p->provider_next;
    if (p->provider_next)
        p->provider_next->provider_prev = p->provider_prev;
}

struct pending *pending_new(struct broker *broker, struct principal *who,
                            const struct target *target, struct link *link, uint32_t bytes,
                            uint32_t deadline_ms)
{
    struct pending *p;
    uint16_t slot, generation;

    if (!broker->free_first && grow(broker) < 0)
        return NULL;
    p = broker->free_first;
    broker->free_first = p->caller_next;
    slot = p->slot;
    generation = p->generation;
    *p = (struct pending){
        .slot = slot,
        .generation = generation,
        .live = true,
        .who = who,
        .caller = who->owner,
        .target = *target,
        .link = link,
        .bytes = bytes,
        .since = uv_now(broker->loop),
        .deadline = uv_now(broker->loop) + deadline_ms,
        .deadline_ms = deadline_ms,
    };
    link->requests++;
    link->bytes += bytes;
    target->provider->owed += FRAME_HEADER; /* its CANCEL */
    list_in(p);
    broker->heap_count++;
    heap_up(broker, broker->heap_count - 1, p);
    arm(broker);
    return p;
}

/* The slot goes to the end of the free list: its number is used again as late as possible. */
void pending_end(struct pending *p)
{
    struct broker *broker = p->caller->broker;

    host_forget(p);
    list_out(p);
    heap_remove(broker, p);
    p->target.provider->owed -= FRAME_HEADER;
    p->link->requests--;
    p->link->bytes -= p->bytes;
    p->live = false;
    p->generation++;
    p->caller_next = NULL;
    if (broker->free_first)
        broker->free_last->caller_next = p;
    else
        broker->free_first = p;
    broker->free_last = p;
}

uint32_t pending_corr(const struct pending *p)
{
    return (uint32_t)p->slot << 16 | p->generation;
}

struct pending *pending_find(struct broker *broker, struct ipc_peer *provider, uint32_t corr)
{
    uint32_t slot = corr >> 16;
    struct pending *p;

    if (slot / PENDING_BLOCK >= broker->block_count)
        return NULL;
    p = &broker->blocks[slot / PENDING_BLOCK][slot % PENDING_BLOCK];
    if (!p->live || p->target.provider != provider || p->generation != (corr & 0xffff))
        return NULL;
    return p;
}

/* Looked at only when the deadline has come, so that a flood of PROGRESS costs nothing here. */
static uint64_t deadline_by_progress(const struct pending *p)
{
    const struct ipc_peer *provider = p->target.provider;
    uint64_t at = provider->progress_at + p->deadline_ms, last = p->since + provider->progress_ms;

    if (!p->target.method->progress || provider->progress_at < p->since)
        return p->deadline;
    if (provider->progress_ms && at > last)
        at = last;
    return at > p->deadline ? at : p->deadline;
}

static void fail_late(struct pending *p)
{
    const struct ipc_peer *provider = p->target.provider;
    uint64_t took = uv_now(provider->broker->loop) - p->since;
    const char *iface = p->target.iface->name, *method = p->target.method->name;
    struct orb_err err;

    if (p->target.method->progress && provider->progress_ms && took >= provider->progress_ms &&
        took > p->deadline_ms)
        orb_fail(&err, ORB_E_DEADLINE,
                 "%s was still at %s after %.3g s, the longest it may take (deadlines.progress-ms)",
                 iface, method, (double)took / 1000);
    else
        orb_fail(&err, ORB_E_DEADLINE, "%s did not answer %s within %.3g s%s", iface, method,
                 (double)p->deadline_ms / 1000,
                 took > p->deadline_ms ? " of saying that it goes on" : "");
    request_cancel(p);
    request_fail(p, &err);
}

void pending_on_timer(uv_timer_t *timer)
{
    struct broker *broker = container_of(timer, struct broker, timer);
    uint64_t now = uv_now(broker->loop);

    broker->timer_at = 0;
    while (broker->heap_count && broker->heap[0]->deadline <= now) {
        struct pending *p = broker->heap[0];
        uint64_t later = deadline_by_progress(p);

        if (later > now) {
            p->deadline = later;
            heap_down(broker, 0, p);
            request_goes_on(p, (uint32_t)(later - now));
            continue;
        }
        broker->deadlines++;
        fail_late(p);
    }
    arm(broker);
}

void pending_free_all(struct broker *broker)
{
    for (unsigned i = 0; i < broker->block_count; i++)
        free(broker->blocks[i]);
    free(broker->heap);
}
