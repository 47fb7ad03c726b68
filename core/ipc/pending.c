/* Requests waiting for their answer. The provider receives a number made of slot and generation, so
 * an answer to an earlier use of the slot is not accepted. The earliest deadline is at the top of a
 * heap, and one timer waits for it; the timer may fire early, never late. */
#include "core/ipc/pending.h"

#include "core/base/xalloc.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/inflight.h"

static void heap_set(struct pending_table *table, uint32_t at, struct pending *p)
{
    table->heap[at] = p;
    p->heap_index = at;
}

static void heap_up(struct pending_table *table, uint32_t at, struct pending *p)
{
    while (at) {
        uint32_t parent = (at - 1) / 2;

        if (table->heap[parent]->deadline <= p->deadline)
            break;
        heap_set(table, at, table->heap[parent]);
        at = parent;
    }
    heap_set(table, at, p);
}

static void heap_down(struct pending_table *table, uint32_t at, struct pending *p)
{
    for (;;) {
        uint32_t child = at * 2 + 1;

        if (child >= table->heap_count)
            break;
        if (child + 1 < table->heap_count &&
            table->heap[child + 1]->deadline < table->heap[child]->deadline)
            child++;
        if (table->heap[child]->deadline >= p->deadline)
            break;
        heap_set(table, at, table->heap[child]);
        at = child;
    }
    heap_set(table, at, p);
}

static void heap_remove(struct pending_table *table, struct pending *p)
{
    struct pending *last = table->heap[--table->heap_count];
    uint32_t at = p->heap_index;

    if (last == p)
        return;
    if (at && table->heap[(at - 1) / 2]->deadline > last->deadline)
        heap_up(table, at, last);
    else
        heap_down(table, at, last);
}

static void on_timer(uv_timer_t *timer);

static void arm(struct pending_table *table)
{
    uint64_t first, now = uv_now(table->timer.loop);

    if (!table->heap_count || uv_is_closing((uv_handle_t *)&table->timer))
        return;
    first = table->heap[0]->deadline;
    if (table->timer_at && table->timer_at <= first)
        return;
    table->timer_at = first ? first : 1;
    uv_timer_start(&table->timer, on_timer, first > now ? first - now : 0, 0);
}

static int grow(struct pending_table *table)
{
    struct pending *block;

    if (table->block_count == PENDING_BLOCKS)
        return -1;
    block = xcalloc(PENDING_BLOCK, sizeof(*block));
    for (unsigned i = 0; i < PENDING_BLOCK; i++) {
        block[i].slot = (uint16_t)(table->block_count * PENDING_BLOCK + i);
        block[i].generation = 1;
        block[i].caller_next = i + 1 < PENDING_BLOCK ? &block[i + 1] : NULL;
    }
    table->blocks[table->block_count++] = block;
    table->free_first = block;
    table->free_last = &block[PENDING_BLOCK - 1];
    table->heap_cap = table->block_count * PENDING_BLOCK;
    table->heap = xrealloc(table->heap, table->heap_cap * sizeof(struct pending *));
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
                            const struct target *target, struct inflight *inflight, uint32_t bytes,
                            uint32_t deadline_ms)
{
    struct pending_table *table = &broker->pending;
    struct pending *p;
    uint16_t slot, generation;

    if (!table->free_first && grow(table) < 0)
        return NULL;
    p = table->free_first;
    table->free_first = p->caller_next;
    slot = p->slot;
    generation = p->generation;
    *p = (struct pending){
        .slot = slot,
        .generation = generation,
        .live = true,
        .who = who,
        .caller = who->owner,
        .target = *target,
        .inflight = inflight,
        .bytes = bytes,
        .since = uv_now(broker->loop),
        .deadline = uv_now(broker->loop) + deadline_ms,
        .deadline_ms = deadline_ms,
    };
    inflight->requests++;
    inflight->bytes += bytes;
    target->provider->owed += FRAME_HEADER; /* its CANCEL */
    list_in(p);
    table->heap_count++;
    heap_up(table, table->heap_count - 1, p);
    arm(table);
    return p;
}

/* Appends the slot to the free list, so that its number is reused as late as possible. */
void pending_end(struct pending *p)
{
    struct pending_table *table = &p->caller->broker->pending;

    if (p->holder)
        *p->holder = NULL;
    list_out(p);
    heap_remove(table, p);
    p->target.provider->owed -= FRAME_HEADER;
    p->inflight->requests--;
    p->inflight->bytes -= p->bytes;
    p->live = false;
    if (++p->generation == 0) /* number 0 is that of no request */
        p->generation = 1;
    p->caller_next = NULL;
    if (table->free_first)
        table->free_last->caller_next = p;
    else
        table->free_first = p;
    table->free_last = p;
}

uint32_t pending_corr(const struct pending *p)
{
    return (uint32_t)p->slot << 16 | p->generation;
}

struct pending *pending_find(struct broker *broker, struct ipc_peer *provider, uint32_t corr)
{
    const struct pending_table *table = &broker->pending;
    uint32_t slot = corr >> 16;
    struct pending *p;

    if (slot / PENDING_BLOCK >= table->block_count)
        return NULL;
    p = &table->blocks[slot / PENDING_BLOCK][slot % PENDING_BLOCK];
    if (!p->live || p->target.provider != provider || p->generation != (corr & 0xffff))
        return NULL;
    return p;
}

/* Looked at only when the deadline has come, so that a flood of PROGRESS costs nothing here. */
static uint64_t deadline_by_progress(const struct pending *p)
{
    const struct ipc_peer *provider = p->target.provider;
    uint64_t seen = p->progress_at, at, last = p->since + provider->progress_ms;

    if (provider->progress_at >= p->since && provider->progress_at > seen)
        seen = provider->progress_at;
    if (!p->target.method->progress || !seen)
        return p->deadline;
    at = seen + p->deadline_ms;
    if (provider->progress_ms && at > last)
        at = last;
    return at > p->deadline ? at : p->deadline;
}

static void on_timer(uv_timer_t *timer)
{
    struct pending_table *table = container_of(timer, struct pending_table, timer);
    uint64_t now = uv_now(timer->loop);

    table->timer_at = 0;
    while (table->heap_count && table->heap[0]->deadline <= now) {
        struct pending *p = table->heap[0];
        uint64_t later = deadline_by_progress(p);

        if (later > now) {
            p->deadline = later;
            heap_down(table, 0, p);
            table->postponed(p, (uint32_t)(later - now));
        } else {
            table->late(p);
        }
    }
    arm(table);
}

void pending_init(struct broker *broker, void (*late)(struct pending *p),
                  void (*postponed)(const struct pending *p, uint32_t left_ms))
{
    struct pending_table *table = &broker->pending;

    table->late = late;
    table->postponed = postponed;
    uv_timer_init(broker->loop, &table->timer);
    loop_scope_adopt(&broker->scope, (uv_handle_t *)&table->timer);
    uv_unref((uv_handle_t *)&table->timer); /* only connections keep the loop running */
}

void pending_fini(struct broker *broker)
{
    struct pending_table *table = &broker->pending;

    for (unsigned i = 0; i < table->block_count; i++)
        free(table->blocks[i]);
    free(table->heap);
}
