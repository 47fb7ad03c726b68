/* A record: into the ring of its stream, to the journal or standard error, and into the files. A
 * file that takes none any more is a record itself. */
#include "core/obs/logs_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/text.h"
#include "core/json/scan.h"
#include "core/obs/journal.h"
#include "core/obs/logline.h"

#define KV_BYTES (LOGLINE_BYTES - 1024) /* the rest is the head */
#define CUT_BYTES 4096                  /* what is kept of a record that is too long */

/* What cannot be kept as it is is kept as text: no record makes an answer that has it unreadable.
 */
static void write_kv(struct json_write *w, const char *kv)
{
    static const struct json_limits limits = {.depth = LOGLINE_DEPTH - 1, .keys = JSON_MAX_KEYS};
    size_t len = strlen(kv);

    if (len <= KV_BYTES && scan_json(kv, len, &limits, NULL) == 0) {
        json_write_raw(w, "kv", kv, len);
        return;
    }
    json_write_object(w, "kv");
    if (len > KV_BYTES)
        json_write_integer(w, "too-long-bytes", (int64_t)len);
    else
        json_write_integer(w, "nested-deeper-than", LOGLINE_DEPTH - 1);
    json_write_string_len(w, "begins", kv, len < CUT_BYTES ? len : CUT_BYTES);
    json_write_end(w);
}

/* As it is kept and written, or the same text made so in *to. */
static const char *shown(const char *text, bool is_json, struct buf *to)
{
    if (text_is_plain(text))
        return text;
    if (is_json)
        text_json(text, to);
    else
        text_plain(text, to);
    return buf_str(to);
}

/* Logs that files cannot be written, or can again and how many records were lost. */
void logs_store_tell_file(struct logs *logs, struct logs_out *out)
{
    struct stream *host = logs_stream(logs, "host");
    struct logfile_state state;
    AUTO(buf) struct buf kv = {0};
    struct json_write w = json_write_to(&kv);

    logfile_state(out->file, &state);
    out->changes = state.changes; /* first: the report is a record itself */
    json_write_object(&w, NULL);
    json_write_integer(&w, "lost", (int64_t)(state.lost - out->lost_told));
    json_write_string(&w, "error", state.why);
    json_write_end(&w);
    if (!state.failing)
        out->lost_told = state.lost;
    logs_store(logs, host, state.failing ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
               out == &logs->orders ? state.failing ? "audit.not-written" : "audit.written-again"
               : state.failing      ? "log.not-written"
                                    : "log.written-again",
               buf_str(&kv));
}

static void add_to(struct logs *logs, struct logs_out *out, const char *line, size_t len)
{
    if (out->file && logfile_add(out->file, line, len) != out->changes)
        logs_store_tell_file(logs, out);
}

static void write_files(struct logs *logs, const struct stream *s, const char *line, size_t len)
{
    /* line belongs to the ring until that many more were added */
    if (s->audit)
        add_to(logs, &logs->orders, line, len);
    add_to(logs, &logs->all, line, len);
}

void logs_store(struct logs *logs, struct stream *s, enum log_level level, const char *event,
                const char *kv)
{
    AUTO(buf) struct buf plain_event = {0}, plain_kv = {0};
    struct buf line = {0};
    struct json_write w = json_write_to(&line);
    struct record *r;

    event = shown(event, false, &plain_event);
    kv = shown(kv, true, &plain_kv);
    logs_store_tell_clock(logs);
    r = &s->ring[s->written++ % LOGS_RING];
    if (r->line)
        s->gone = r->seq;
    free(r->line);
    r->seq = ++logs->seq;
    r->time_us = logs_clock_now();
    r->level = level;
    json_write_object(&w, NULL); /* logline.c reads the members in this order */
    json_write_integer(&w, "seq", (int64_t)r->seq);
    json_write_integer(&w, "time-us", (int64_t)r->time_us);
    json_write_string(&w, "level", log_level_name(level));
    json_write_string(&w, "service", s->name);
    json_write_string(&w, "event", event);
    write_kv(&w, kv);
    json_write_end(&w);
    r->len = line.len;
    r->line = buf_take(&line);
    if (logs->output == LOGS_JOURNAL)
        journal_send(&logs->journal, level, s->name, event, kv);
    else if (logs->output == LOGS_STDERR && level >= logs->level)
        fprintf(stderr, "%-7s %-12s %s %s\n", log_level_name(level), s->name, event, kv);
    write_files(logs, s, r->line, r->len);
}

/* Logs that the wall clock was set. The record's own time is the first by the new clock. */
void logs_store_tell_clock(struct logs *logs)
{
    AUTO(buf) struct buf kv = {0};
    struct json_write w = json_write_to(&kv);
    int64_t by_us;

    if (!logs_clock_look(&logs->clock, logs->seq + 1, &by_us))
        return;
    json_write_object(&w, NULL);
    json_write_integer(&w, "by-s", by_us / 1000000);
    json_write_end(&w);
    logs_store(logs, logs_stream(logs, "host"), LOG_LEVEL_NOTICE, "clock.set", buf_str(&kv));
}

void logs_store_tell_dropped(struct logs *logs, struct stream *s)
{
    AUTO(buf) struct buf kv = {0};
    struct json_write w = json_write_to(&kv);

    if (s->dropped == s->dropped_told)
        return;
    json_write_object(&w, NULL);
    json_write_integer(&w, "count", (int64_t)(s->dropped - s->dropped_told));
    json_write_end(&w);
    s->dropped_told = s->dropped;
    logs_store(logs, s, LOG_LEVEL_WARN, "log.dropped", buf_str(&kv));
}
