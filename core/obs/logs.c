/* Records arrive from the host itself (sink), from LOG frames and from stderr pipes; all end as one
 * JSON line in the ring of their service and in the file. */
#include "core/base/json_write.h"
#include "core/obs/logs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/own.h"
#include "core/base/text.h"
#include "core/json/scan.h"
#include "core/obs/logline.h"
#include "core/obs/logs_priv.h"

#define KV_BYTES (LOGLINE_BYTES - 1024) /* the rest is the head */
#define CUT_BYTES 4096                  /* what is kept of a record that is too long */
#define BURST_SECONDS 5.0               /* LOGS_BURST at LOGS_RATE */
#define AUDIT_SHARE 4 /* the audit has this part of what the log has of the disk */

static enum log_level level_for(const struct logs *logs, const char *service)
{
    for (unsigned i = 0; i < logs->level_count; i++)
        if (!strcmp(logs->levels[i].service, service))
            return logs->levels[i].level;
    return logs->keep;
}

/* audit: of the host, and of nothing but its audit, so that nothing else takes its room. */
static struct stream *add_stream(struct logs *logs, const char *service, bool audit)
{
    struct stream *s = xcalloc(1, sizeof(*s));

    snprintf(s->name, sizeof(s->name), "%s", service);
    s->audit = audit;
    s->rate = LOGS_RATE;
    s->tokens = LOGS_BURST;
    s->refilled_ms = now_ms();
    s->gone = logs->first_seq - 1;
    s->keep = level_for(logs, s->name);
    logs->streams[logs->stream_count++] = s;
    return s;
}

struct stream *logs_stream(struct logs *logs, const char *service)
{
    for (unsigned i = 0; i < logs->stream_count; i++)
        if (!logs->streams[i]->audit && !strcmp(logs->streams[i]->name, service))
            return logs->streams[i];
    if (logs->stream_count == LOGS_SERVICES)
        return logs->streams[0];
    return add_stream(logs, service, false);
}

void logs_limit(struct logs *logs, const char *service, uint32_t rate)
{
    struct stream *s = NULL;

    for (unsigned i = 0; !s && i < logs->stream_count; i++)
        if (!strcmp(logs->streams[i]->name, service))
            s = logs->streams[i];
    if (!s && rate == LOGS_RATE) /* as it will be born */
        return;
    s = s ? s : logs_stream(logs, service);
    s->rate = rate;
    s->tokens = rate * BURST_SECONDS;
}

void logs_levels(struct logs *logs, int level, const struct logs_level *levels, unsigned count)
{
    enum log_level least = logs->level < LOG_LEVEL_INFO ? logs->level : LOG_LEVEL_INFO;

    logs->keep = level < 0 ? least : (enum log_level)level;
    free(logs->levels);
    logs->levels = xcalloc(count + 1, sizeof(logs->levels[0]));
    logs->level_count = count;
    for (unsigned i = 0; i < count; i++)
        logs->levels[i] = levels[i];
    for (unsigned i = 0; i < logs->stream_count; i++)
        logs->streams[i]->keep = level_for(logs, logs->streams[i]->name);
}

/* What was ordered by whom, and where a run of the daemon begins, is kept whatever the level. */
static bool kept(const struct logs *logs, const struct stream *s, enum log_level level,
                 const char *event)
{
    return level >= s->keep || (!strcmp(s->name, "host") &&
                                (!strcmp(event, "host.start") || !strncmp(event, "audit.", 6)));
}

static void write_kv(struct json_write *w, const char *kv)
{
    size_t len = strlen(kv);

    if (len <= KV_BYTES) {
        json_write_raw(w, "kv", kv, len);
        return;
    }
    json_write_object(w, "kv");
    json_write_integer(w, "too_long_bytes", (int64_t)len);
    json_write_string_len(w, "begins", kv, CUT_BYTES);
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

void logs_store(struct logs *logs, struct stream *s, enum log_level level, const char *event,
                const char *kv)
{
    AUTO(buf) struct buf plain_event = {0}, plain_kv = {0};
    struct buf line = {0};
    struct json_write w = json_write_to(&line);
    struct record *r;

    event = shown(event, false, &plain_event);
    kv = shown(kv, true, &plain_kv);
    logs_tell_clock(logs);
    r = &s->ring[s->written++ % LOGS_RING];
    if (r->line)
        s->gone = r->seq;
    free(r->line);
    r->seq = ++logs->seq;
    r->time_us = logs_clock_now();
    r->level = level;
    json_write_object(&w, NULL); /* logline.c reads the members in this order */
    json_write_integer(&w, "seq", (int64_t)r->seq);
    json_write_integer(&w, "time_us", (int64_t)r->time_us);
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
    logs_write(logs, s, r->line, r->len);
}

/* Says that the wall clock was set. The record's own time is the first by the new one. */
void logs_tell_clock(struct logs *logs)
{
    AUTO(buf) struct buf kv = {0};
    struct json_write w = json_write_to(&kv);
    int64_t by_us;

    if (!logs_clock_look(&logs->clock, logs->seq + 1, &by_us))
        return;
    json_write_object(&w, NULL);
    json_write_integer(&w, "by_s", by_us / 1000000);
    json_write_end(&w);
    logs_store(logs, logs_stream(logs, "host"), LOG_LEVEL_NOTICE, "clock.set", buf_str(&kv));
}

void logs_tell_dropped(struct logs *logs, struct stream *s)
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

/* A record costs by its size, too: few large ones would push everybody's records out of the files.
 */
static bool admitted(struct logs *logs, struct stream *s, size_t len)
{
    double cost = 1 + (double)(len / LOGS_COST_BYTES);
    uint64_t now = now_ms();

    s->tokens += (double)(now - s->refilled_ms) * s->rate / 1000;
    s->refilled_ms = now;
    if (s->tokens > s->rate * BURST_SECONDS)
        s->tokens = s->rate * BURST_SECONDS;
    if (s->tokens < cost) {
        s->dropped++;
        return false;
    }
    s->tokens -= cost;
    logs_tell_dropped(logs, s);
    return true;
}

/* Whoever brings the host to say something brings it to say so much of it, and what others have to
 * hear stays. Debug is what a person asked for. */
static bool admitted_cause(struct logs *logs, bool audit, enum log_level level, const char *event,
                           const struct log_kv *pairs, uint64_t *ret_before)
{
    const char *by = "";

    *ret_before = 0;
    if (level == LOG_LEVEL_DEBUG)
        return true;
    for (const struct log_kv *p = pairs; p->key && !*by; p++)
        by = p->text ? p->text : "";
    return logs_rate_admit(&logs->rate, audit, event, by, now_ms(), ret_before);
}

static void on_write(struct log_sink *sink, const char *service, enum log_level level,
                     const char *event, const struct log_kv *pairs)
{
    struct logs *logs = container_of(sink, struct logs, sink);
    bool audit = !strcmp(service, "host") && !strncmp(event, "audit.", 6);
    struct stream *s = audit ? logs->audit : logs_stream(logs, service);
    uint64_t before;
    AUTO(buf) struct buf kv = {0};
    struct json_write w = json_write_to(&kv);

    if (!kept(logs, s, level, event) || !admitted_cause(logs, audit, level, event, pairs, &before))
        return;
    json_write_object(&w, NULL);
    for (const struct log_kv *p = pairs; p->key; p++)
        if (p->text)
            json_write_string(&w, p->key, p->text);
        else
            json_write_integer(&w, p->key, p->number);
    if (before)
        json_write_integer(&w, "not_recorded_before", (int64_t)before);
    json_write_end(&w);
    logs_store(logs, s, level, event, buf_str(&kv));
}

static void name_run(char *run, size_t size)
{
    unsigned char bytes[8];
    uint64_t fallback = now_ns();

    if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != (ssize_t)sizeof(bytes))
        memcpy(bytes, &fallback, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes) && i * 2 + 2 < size; i++)
        snprintf(run + i * 2, size - i * 2, "%02x", bytes[i]);
}

/* Numbers rise over restarts: from the last one in the files, and from the clock where those know
 * nothing of what was in memory only. */
static void begin_numbers(struct logs *logs, uint64_t last)
{
    uint64_t clock = logs_clock_now();

    logs_clock_init(&logs->clock);
    logs->began_us = clock;
    logs->seq = last > clock ? last : clock;
    logs->first_seq = logs->seq + 1;
}

int logs_new(const struct logs_options *options, struct logs **ret_logs, struct orb_err *err)
{
    struct logs *logs = xcalloc(1, sizeof(*logs));
    struct orb_err why = {0};
    struct orb_err audit_why = {0};
    uint64_t last = 0, last_audit = 0;

    logs->sink.write = on_write;
    logs->output = options->output;
    logs->level = options->level;
    if (options->output == LOGS_JOURNAL)
        journal_open(&logs->journal);
    if (options->dir) {
        logs->all.path = xasprintf("%s/log.jsonl", options->dir);
        logs->all.file = logfile_start(logs->all.path, 1, &last, &why);
        logs->orders.path = xasprintf("%s/audit.jsonl", options->dir);
        logs->orders.file = logfile_start(logs->orders.path, AUDIT_SHARE, &last_audit,
                                          why.code ? &audit_why : &why);
    }
    begin_numbers(logs, last > last_audit ? last : last_audit);
    logs->audit = add_stream(logs, "host", true);
    name_run(logs->run, sizeof(logs->run));
    logs_levels(logs, -1, NULL, 0);
    *ret_logs = logs;
    if (!why.code)
        return 0;
    *err = why;
    return LOGS_NO_FILE;
}

void logs_free(struct logs *logs)
{
    if (!logs)
        return;
    logfile_close(logs->all.file);
    logfile_close(logs->orders.file);
    for (unsigned i = 0; i < logs->stream_count; i++) {
        for (unsigned k = 0; k < LOGS_RING; k++)
            free(logs->streams[i]->ring[k].line);
        buf_fini(&logs->streams[i]->partial);
        free(logs->streams[i]);
    }
    journal_close(&logs->journal);
    free(logs->levels);
    free(logs->all.path);
    free(logs->orders.path);
    free(logs);
}

struct log_sink *logs_sink(struct logs *logs)
{
    return &logs->sink;
}

const char *logs_run(const struct logs *logs)
{
    return logs->run;
}

/* The same JSON without the space between its values: a line break there would begin a line of the
 * file that the service has written and the host has not. */
static char *compact(const char *text, size_t len)
{
    char *to = xstrndup(text, len), *p = to;
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        if (!quoted && strchr(" \t\r\n", text[i]))
            continue;
        if (text[i] == '"')
            quoted = !quoted;
        *p++ = text[i];
        if (quoted && text[i] == '\\' && i + 1 < len)
            *p++ = text[++i];
    }
    *p = '\0';
    return to;
}

static void plain(char *event)
{
    for (; *event; event++)
        if ((unsigned char)*event < ' ' || *event == 0x7f)
            *event = '?';
}

void logs_record(struct logs *logs, const char *service, const char *text, size_t len)
{
    struct stream *s = logs_stream(logs, service);
    struct json_slice value;
    char event[64] = "log";
    char level_text[16] = "info";
    AUTO_FREE char *kv = NULL;
    int level;

    if (json_member(text, len, "level", &value))
        json_text(&value, level_text, sizeof(level_text));
    level = log_level_parse(level_text);
    if (level < 0)
        level = LOG_LEVEL_INFO;
    if ((enum log_level)level < s->keep || !admitted(logs, s, len))
        return;
    if (json_member(text, len, "event", &value))
        json_text(&value, event, sizeof(event));
    plain(event); /* it stands unquoted in the daemon's own output */
    if (json_member(text, len, "kv", &value) && value.type == 'o' && value.len <= LOGS_LINE)
        kv = compact(value.p, value.len);
    logs_store(logs, s, (enum log_level)level, event, kv ? kv : "{}");
}

static void output_line(struct logs *logs, struct stream *s, const char *line, size_t len)
{
    AUTO(buf) struct buf kv = {0};
    struct json_write w = json_write_to(&kv);

    if (!len || s->keep > LOG_LEVEL_INFO || !admitted(logs, s, len))
        return;
    json_write_object(&w, NULL);
    json_write_string_len(&w, "line", line, len < LOGS_LINE ? len : LOGS_LINE);
    json_write_end(&w);
    logs_store(logs, s, LOG_LEVEL_INFO, "output", buf_str(&kv));
}

void logs_output(struct logs *logs, const char *service, const char *data, size_t len)
{
    struct stream *s = logs_stream(logs, service);

    while (len) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) : len;

        if (s->partial.len + n <= LOGS_LINE)
            buf_add(&s->partial, data, n);
        if (!end)
            return;
        output_line(logs, s, buf_str(&s->partial), s->partial.len);
        buf_clear(&s->partial);
        data += n + 1;
        len -= n + 1;
    }
}
