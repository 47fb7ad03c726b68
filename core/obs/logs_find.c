/* Merges records found in memory and in files. Both sources return a sorted page in the requested
 * direction; records beyond the nearer edge of the two are left for the next page. */
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/obs/logs_internal.h"

#define SETTLE_MS 1000    /* a disk that takes longer than this is not waited for */
#define GREP_RECORDS 2000 /* of the memory, for one page of a search by pattern */
#define GREP_BYTES (1u << 20)

struct logs_search {
    struct logs *logs;
    struct logs_out *out; /* the files that are looked at */
    struct logread_query query;
    char *service;
    struct logread_page memory, files;
    bool complete; /* the memory has all */
    uint64_t last; /* number of the last record at the time */
    struct orb_err err;
};

static struct logread_query plain_query(const struct logs *logs, const struct logs_query *q)
{
    struct logread_query plain = {.service = q->service,
                                  .audit = q->audit,
                                  .level = q->level,
                                  .after = q->after,
                                  .before = q->before,
                                  .since_us = q->since_us,
                                  .until_us = q->until_us,
                                  .newest = q->newest || !q->after,
                                  .limit = q->limit ? q->limit : SIZE_MAX,
                                  .bytes = q->bytes ? q->bytes : LOGS_ANSWER,
                                  .shifts_from = logs->first_seq,
                                  .shift_count = logs->clock.count};

    memcpy(plain.shifts, logs->clock.shifts, sizeof(plain.shifts));
    return plain;
}

static void write_page(const struct logs *logs, const struct logread_page *page,
                       const struct logread_query *q, uint64_t last, struct json_write *w,
                       const char *key)
{
    uint64_t next = q->before ? q->after : last, first = 0;

    if (next < q->after)
        next = q->after;
    json_write_object(w, key);
    json_write_array(w, "records");
    for (size_t i = page->from; i < page->count; i++)
        json_write_raw(w, NULL, page->items[i].text, page->items[i].len);
    json_write_end(w);
    if (page->more && !q->newest)
        next = page->edge;
    else if (q->before && page->count > page->from)
        next = page->items[page->count - 1].seq;
    if (page->more && q->newest)
        first = page->edge;
    else if (page->count > page->from)
        first = page->items[page->from].seq;
    json_write_integer(w, "next", (int64_t)next);
    json_write_integer(w, "first", (int64_t)first);
    json_write_boolean(w, "more", page->more);
    json_write_integer(w, "skipped", (int64_t)page->skipped);
    json_write_integer(w, "began", (int64_t)logs->first_seq);
    json_write_end(w);
}

static void write_found(struct logs *logs, const struct logs_query *query, struct json_write *w,
                        const char *key)
{
    struct logread_query q = plain_query(logs, query);
    struct logread_page page = {0};
    uint64_t gone;

    logs_memory_find(logs, &q, &page, &gone);
    write_page(logs, &page, &q, logs->seq, w, key);
    logread_page_fini(&page);
}

void logs_find(struct logs *logs, const struct logs_query *query, struct buf *ret_json)
{
    struct json_write w = json_write_to(ret_json);

    write_found(logs, query, &w, NULL);
}

void logs_find_tail(struct logs *logs, const char *service, unsigned count, struct json_write *w,
                    const char *key)
{
    struct logs_query query = {.service = service, .limit = count, .bytes = LOGS_TAIL};

    write_found(logs, &query, w, key);
}

/* ---- with the files ---- */

/* No requested record is missing from memory, and all of them are being written to disk: what was
 * shown to a user survives the daemon. */
static bool is_complete(const struct logs_search *s, uint64_t gone)
{
    const struct logread_query *q = &s->query;
    const struct logread_page *m = &s->memory;

    if (!s->out->file)
        return true;
    if (!logfile_settle(s->out->file, 0))
        return false;
    if (!q->newest)
        return q->after >= gone;
    return m->more && m->items[m->from].seq > gone;
}

int logs_find_new(struct logs *logs, const struct logs_query *query, struct logs_search **ret,
                  struct orb_err *err)
{
    struct logs_search *s = xcalloc(1, sizeof(*s));
    struct logread_query q;
    uint64_t gone;
    int r = 0;

    s->logs = logs;
    s->out = query->audit ? &logs->orders : &logs->all;
    s->query = plain_query(logs, query);
    if (query->grep)
        r = loggrep_new(query->grep, &s->query.grep, err);
    if (r < 0) {
        free(s);
        return r;
    }
    if (query->service)
        s->query.service = s->service = xstrdup(query->service);
    logs_files_look(logs);
    q = s->query;
    if (q.grep) { /* patterns are for the thread */
        q.limit = GREP_RECORDS;
        q.bytes = GREP_BYTES;
    }
    logs_memory_find(logs, &q, &s->memory, &gone);
    s->last = logs->seq;
    s->complete = !q.grep && is_complete(s, gone);
    *ret = s;
    return 0;
}

bool logs_find_done(const struct logs_search *search)
{
    return search->complete;
}

static int grep_memory(struct logs_search *s)
{
    struct logread_page *m = &s->memory;
    size_t kept = m->from;
    int r = 0;

    for (size_t i = m->from; i < m->count; i++) {
        struct logread_item item = m->items[i];

        if (r >= 0)
            r = loggrep_match(s->query.grep, item.text, item.len, &s->err);
        if (r > 0)
            m->items[kept++] = item;
        else
            free(item.text);
    }
    m->count = kept;
    return r < 0 ? r : 0;
}

/* Note: files are read later than memory. A record added in between belongs to the next page,
 * because `next` is the last one found before. */
void logs_find_run(struct logs_search *s)
{
    struct logread_query q = s->query;

    if (!q.before || q.before > s->last)
        q.before = s->last + 1;
    if (s->query.grep && grep_memory(s) < 0)
        return;
    if (!s->out->file)
        return;
    logfile_settle(s->out->file, SETTLE_MS);
    logread_files(s->out->path, &q, &s->files, &s->err);
}

static bool within(const struct logread_query *q, const struct logread_page *page, uint64_t seq)
{
    return !page->more || (q->newest ? seq >= page->edge : seq <= page->edge);
}

/* The next item of both pages in order of numbers, one of two that are the same. */
static const struct logread_item *next_item(const struct logread_page *a, size_t *i,
                                            const struct logread_page *b, size_t *k)
{
    bool has_a = *i < a->count, has_b = *k < b->count;

    if (has_a && has_b && a->items[*i].seq == b->items[*k].seq)
        ++*k;
    else if (has_b && (!has_a || b->items[*k].seq < a->items[*i].seq))
        return &b->items[(*k)++];
    return has_a ? &a->items[(*i)++] : NULL;
}

static void merge(const struct logs_search *s, struct logread_page *page)
{
    const struct logread_page *a = &s->memory, *b = &s->files;
    size_t i = a->from, k = b->from;
    const struct logread_item *item;
    uint64_t edge = 0;

    for (const struct logread_page *p = a; p; p = p == a ? b : NULL)
        if (p->more && (!edge || (s->query.newest ? p->edge > edge : p->edge < edge)))
            edge = p->edge;
    while ((item = next_item(a, &i, b, &k)))
        if (within(&s->query, a, item->seq) && within(&s->query, b, item->seq) &&
            !logread_take(page, &s->query, item->seq, item->text, item->len))
            break;
    if (edge && !page->more) {
        page->more = true;
        page->edge = edge;
    }
    page->skipped = b->skipped;
}

int logs_find_answer(struct logs_search *s, struct buf *ret_json, size_t *ret_found,
                     struct orb_err *err)
{
    struct json_write w = json_write_to(ret_json);
    struct logread_page page = {0};

    if (s->err.code) {
        *err = s->err;
        return s->err.code;
    }
    merge(s, &page);
    *ret_found = page.count - page.from;
    write_page(s->logs, &page, &s->query, s->last, &w, NULL);
    logread_page_fini(&page);
    return 0;
}

void logs_find_free(struct logs_search *s)
{
    if (!s)
        return;
    logread_page_fini(&s->memory);
    logread_page_fini(&s->files);
    loggrep_free(s->query.grep);
    free(s->service);
    free(s);
}

void logs_find_runs(struct logs *logs, struct buf *ret_json)
{
    AUTO(buf) struct buf runs = {0};
    struct json_write w = json_write_to(ret_json);

    if (logs->all.file) {
        logfile_settle(logs->all.file, SETTLE_MS);
        logread_runs(logs->all.path, &runs);
    }
    json_write_object(&w, NULL);
    json_write_array(&w, "runs");
    if (runs.len) /* elements with commas between them */
        json_write_raw(&w, NULL, runs.data, runs.len);
    if (!strstr(buf_str(&runs), logs->run)) { /* the files do not take it */
        json_write_object(&w, NULL);
        json_write_integer(&w, "seq", (int64_t)logs->first_seq);
        json_write_integer(&w, "time-us", (int64_t)logs->began_us);
        json_write_string(&w, "run", logs->run);
        json_write_end(&w);
    }
    json_write_end(&w);
    json_write_end(&w);
}
