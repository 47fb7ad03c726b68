/* Records in memory that fit a query, in the order of their numbers. The rings are sorted each, so
 * they are merged from the wanted end and left as soon as the page is full: the loop's time for it
 * is bounded by the page, and by one look at each record that does not fit. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/obs/logline.h"
#include "core/obs/logs_internal.h"

/* A place in the ring of one stream; numbers count what was ever written to it. */
struct cursor {
    const struct stream *stream;
    uint64_t from, to; /* what is left: from..to-1 */
};

struct merge {
    const struct logread_query *query;
    struct cursor cursors[LOGS_SERVICES];
    unsigned count;
};

static const struct record *record_at(const struct stream *s, uint64_t i)
{
    return &s->ring[i % LOGS_RING];
}

static bool fits(const struct cursor *c, uint64_t i, const struct logread_query *q)
{
    const struct record *r = record_at(c->stream, i);
    const struct logline line = {.seq = r->seq,
                                 .time_us = r->time_us,
                                 .level = r->level,
                                 .service = c->stream->name,
                                 .service_len = strlen(c->stream->name)};

    return logread_fits(q, &line);
}

/* The first one of from..to-1 whose number is at least seq. */
static uint64_t bisect(const struct cursor *c, uint64_t seq)
{
    uint64_t low = c->from, high = c->to;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (record_at(c->stream, middle)->seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Up to the next record that fits, at the end that is wanted. false: there is none. */
static bool settle(struct cursor *c, const struct logread_query *q)
{
    while (c->from < c->to) {
        if (fits(c, q->newest ? c->to - 1 : c->from, q))
            return true;
        if (q->newest)
            c->to--;
        else
            c->from++;
    }
    return false;
}

static void add_stream(struct merge *m, const struct stream *s)
{
    const struct logread_query *q = m->query;
    struct cursor c = {.stream = s, .to = s->written};

    c.from = s->written > LOGS_RING ? s->written - LOGS_RING : 0;
    c.from = bisect(&c, q->after + 1);
    if (q->before)
        c.to = bisect(&c, q->before);
    if (settle(&c, q))
        m->cursors[m->count++] = c;
}

static const struct record *head(const struct cursor *c, bool newest)
{
    return record_at(c->stream, newest ? c->to - 1 : c->from);
}

/* The next record in the direction of the query, NULL: there is none. */
static const struct record *next(struct merge *m)
{
    bool newest = m->query->newest;
    const struct record *best = NULL;
    unsigned at = 0;

    for (unsigned i = 0; i < m->count; i++) {
        const struct record *r = head(&m->cursors[i], newest);

        if (best && (newest ? r->seq < best->seq : r->seq > best->seq))
            continue;
        best = r;
        at = i;
    }
    if (!best)
        return NULL;
    if (newest)
        m->cursors[at].to--;
    else
        m->cursors[at].from++;
    if (!settle(&m->cursors[at], m->query))
        m->cursors[at] = m->cursors[--m->count];
    return best;
}

static void oldest_first(struct merge *m, struct logread_page *page)
{
    const struct record *r;

    while ((r = next(m)))
        if (!logread_take(page, m->query, r->seq, r->line, r->len))
            break;
}

/* Found from the newest back, taken from the oldest on. */
static void newest_first(struct merge *m, struct logread_page *page)
{
    const struct logread_query *q = m->query;
    AUTO_FREE const struct record **found = NULL;
    size_t n = 0, room = 0, bytes = 0;
    const struct record *r = NULL;

    while (n < q->limit && bytes <= q->bytes && (r = next(m))) {
        if (n == room) {
            room = room ? room * 2 : 256;
            found = xrealloc(found, room * sizeof(*found));
        }
        found[n++] = r;
        bytes += r->len + 1;
    }
    for (size_t i = n; i > 0; i--)
        logread_take(page, q, found[i - 1]->seq, found[i - 1]->line, found[i - 1]->len);
    if (n && m->count && !page->more) {
        page->more = true;
        page->edge = page->items[page->from].seq;
    }
}

void logs_memory_find(const struct logs *logs, const struct logread_query *query,
                      struct logread_page *ret_page, uint64_t *ret_gone)
{
    struct merge m = {.query = query};

    *ret_gone = logs->first_seq - 1;
    for (unsigned i = 0; i < logs->stream_count; i++) {
        const struct stream *s = logs->streams[i];

        if (query->service && strcmp(query->service, s->name))
            continue;
        if (query->audit && !s->audit)
            continue;
        if (s->gone > *ret_gone)
            *ret_gone = s->gone;
        add_stream(&m, s);
    }
    if (query->newest)
        newest_first(&m, ret_page);
    else
        oldest_first(&m, ret_page);
}
