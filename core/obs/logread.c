/* A page of records from the files. Forward it begins in the file that has the following number;
 * backward each file is read forward all the same, keeping its newest records. */
#include "core/base/json_write.h"
#include "core/base/xalloc.h"
#include "core/obs/logread.h"

#include <string.h>

#include "core/base/own.h"
#include "core/obs/logline.h"

/* Its time by the current wall clock. */
static uint64_t time_of(const struct logread_query *q, const struct logline *l)
{
    int64_t time_us = (int64_t)l->time_us;

    if (l->seq < q->shifts_from)
        return l->time_us;
    for (unsigned i = 0; i < q->shift_count; i++)
        if (l->seq < q->shifts[i].seq)
            time_us += q->shifts[i].by_us;
    return time_us > 0 ? (uint64_t)time_us : 0;
}

bool logread_fits(const struct logread_query *q, const struct logline *l)
{
    uint64_t time_us = time_of(q, l);

    return l->seq > q->after && (!q->before || l->seq < q->before) && l->level >= q->level &&
           time_us >= q->since_us && (!q->until_us || time_us < q->until_us) &&
           (!q->service || (strlen(q->service) == l->service_len &&
                            !memcmp(q->service, l->service, l->service_len)));
}

void logread_page_fini(struct logread_page *page)
{
    for (size_t i = page->from; i < page->count; i++)
        free(page->items[i].text);
    free(page->items);
    *page = (struct logread_page){0};
}

static void make_place(struct logread_page *page)
{
    if (page->count < page->room)
        return;
    if (page->from > page->room / 2) {
        page->count -= page->from;
        memmove(page->items, page->items + page->from, page->count * sizeof(page->items[0]));
        page->from = 0;
        return;
    }
    page->room = page->room ? page->room * 2 : 64;
    page->items = xrealloc(page->items, page->room * sizeof(page->items[0]));
}

static bool full(const struct logread_page *page, const struct logread_query *q, size_t len)
{
    return page->count - page->from == q->limit || page->bytes + len + 1 > q->bytes;
}

bool logread_take(struct logread_page *page, const struct logread_query *q, uint64_t seq,
                  const char *text, size_t len)
{
    while (full(page, q, len) && page->count > page->from) {
        page->more = true;
        if (!q->newest) {
            page->edge = page->items[page->count - 1].seq;
            return false;
        }
        page->bytes -= page->items[page->from].len + 1;
        free(page->items[page->from++].text);
    }
    make_place(page);
    page->items[page->count++] =
        (struct logread_item){.seq = seq, .text = xstrndup(text, len), .len = len};
    logline_renew(page->items[page->count - 1].text, len);
    page->bytes += len + 1;
    if (q->newest && page->more)
        page->edge = page->items[page->from].seq;
    return true;
}

struct search {
    const struct logread_query *q;
    struct logread_page *page;
    struct orb_err *err;
    uint64_t seen;  /* number of the last record looked at */
    uint64_t bytes; /* looked through, as records */
};

static int on_line(void *arg, const struct logline *line, const char *text, size_t len)
{
    struct search *s = arg;
    int r = 1;

    if (s->q->before && line->seq >= s->q->before)
        return 1;
    if (line->seq > s->q->after)
        s->bytes += len;
    if (!s->q->newest && s->bytes > LOGREAD_SCAN) {
        s->page->more = true;
        s->page->edge = s->seen;
        return 1;
    }
    s->seen = line->seq;
    if (!logread_fits(s->q, line))
        return 0;
    if (!logline_whole(text, len)) {
        s->page->skipped++;
        return 0;
    }
    if (s->q->grep)
        r = loggrep_match(s->q->grep, text, len, s->err);
    if (r <= 0)
        return r;
    return logread_take(s->page, s->q, line->seq, text, len) ? 0 : 1;
}

/* Oldest first, from the file that has the number after `after`. */
static int forward(const struct logread_set *set, struct search *s)
{
    size_t i = set->count;
    uint64_t bytes;
    int r = 0;

    while (i > 1 && set->files[i - 2].first && set->files[i - 2].first <= s->q->after)
        i--;
    while (r == 0 && i > 0) {
        i--;
        if (s->q->before && set->files[i].first >= s->q->before)
            break;
        r = logread_walk(set, i, &s->page->skipped, &bytes, on_line, s);
    }
    return r < 0 ? r : 0;
}

/* Prepends an older page. */
static void prepend(struct logread_page *page, struct logread_page *older)
{
    struct logread_page both = {.more = older->more,
                                .edge = older->edge,
                                .bytes = older->bytes + page->bytes,
                                .skipped = page->skipped};

    both.room = older->count - older->from + page->count - page->from + 1;
    both.items = xcalloc(both.room, sizeof(both.items[0]));
    for (size_t i = older->from; i < older->count; i++)
        both.items[both.count++] = older->items[i];
    for (size_t i = page->from; i < page->count; i++)
        both.items[both.count++] = page->items[i];
    free(older->items);
    free(page->items);
    *page = both;
}

static int backward(const struct logread_set *set, struct search *s)
{
    struct logread_query rest = *s->q;
    struct logread_page *whole = s->page;
    uint64_t bytes, all = 0;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < set->count && !whole->more; i++) {
        struct logread_page older = {0};

        if (s->q->before && set->files[i].first >= s->q->before)
            continue;
        if (i && set->files[i - 1].first && set->files[i - 1].first <= s->q->after)
            break;
        if (all > LOGREAD_SCAN || !rest.limit || rest.bytes < 2) {
            whole->more = true;
            whole->edge = set->files[i - 1].first;
            break;
        }
        s->page = &older;
        s->q = &rest;
        r = logread_walk(set, i, &whole->skipped, &bytes, on_line, s);
        whole->skipped += older.skipped;
        all += bytes;
        rest.limit -= older.count - older.from;
        rest.bytes -= older.bytes < rest.bytes ? older.bytes : rest.bytes;
        prepend(whole, &older);
    }
    s->page = whole;
    return r < 0 ? r : 0;
}

int logread_files(const char *path, const struct logread_query *query,
                  struct logread_page *ret_page, struct orb_err *err)
{
    struct search s = {.q = query, .page = ret_page, .err = err};
    struct logread_set set;
    int r;

    logread_walk_open(path, &set);
    r = query->newest ? backward(&set, &s) : forward(&set, &s);
    logread_walk_close(&set);
    return r;
}

/* ---- runs of the daemon ---- */

static int on_start(void *arg, const struct logline *line, const char *text, size_t len)
{
    struct buf *out = arg;
    struct json_write w = json_write_to(out);
    char run[40];

    if (!logline_starts_run(text, len, run))
        return 0;
    if (out->len)
        buf_addc(out, ',');
    json_write_object(&w, NULL);
    json_write_integer(&w, "seq", (int64_t)line->seq);
    json_write_integer(&w, "time-us", (int64_t)line->time_us);
    json_write_string(&w, "run", run);
    json_write_end(&w);
    return 0;
}

static void keep_newest(struct buf *runs)
{
    const char *from;

    if (runs->len <= LOGREAD_RUNS_BYTES)
        return;
    from = strstr(runs->data + runs->len - LOGREAD_RUNS_BYTES, "},{");
    if (!from)
        return;
    runs->len -= (size_t)(from + 2 - runs->data);
    memmove(runs->data, from + 2, runs->len + 1);
}

void logread_runs(const char *path, struct buf *ret_json)
{
    struct logread_set set;
    uint64_t skipped = 0, bytes;

    logread_walk_open(path, &set);
    for (size_t i = set.count; i-- > 0;)
        logread_walk(&set, i, &skipped, &bytes, on_start, ret_json);
    logread_walk_close(&set);
    keep_newest(ret_json);
}
