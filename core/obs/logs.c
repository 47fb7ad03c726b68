/* Records arrive from the host itself (sink), from LOG frames and from stderr pipes; all end as one
 * JSON line in the ring of their service and in the file. */
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/xalloc.h"
#include "core/obs/logs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/own.h"
#include "core/base/text.h"
#include "core/json/scan.h"
#include "core/obs/logline.h"
#include "core/obs/logs_internal.h"

#define KV_BEGINS 1024    /* what is kept of pairs that are too long */
#define BURST_SECONDS 5.0 /* LOGS_BURST at LOGS_RATE */
#define AUDIT_SHARE 4     /* the audit has this part of what the log has of the disk */

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
        logs->streams[i]->keep = logs_stream_level(logs, logs->streams[i]->name);
}

/* Orders of the audit, and the start of a run, are recorded at any level. */
static bool kept(const struct logs *logs, const struct stream *s, enum log_level level,
                 const char *event)
{
    return level >= s->keep || (!strcmp(s->name, "host") &&
                                (!strcmp(event, "host.start") || !strncmp(event, "audit.", 6)));
}

/* A record costs by its size, too: few large ones would push those of all others out of the
 * files. */
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
    logs_store_tell_dropped(logs, s);
    return true;
}

/* Rate limit per cause: one peer or service cannot displace the records caused by others. Records
 * of level debug were enabled by an administrator. */
static bool admitted_cause(struct logs *logs, bool audit, enum log_level level, const char *event,
                           const struct orb_kv *pairs, uint64_t *ret_before)
{
    const char *by = "";

    *ret_before = 0;
    if (level == LOG_LEVEL_DEBUG)
        return true;
    for (const struct orb_kv *p = pairs; p->key && !*by; p++)
        by = p->text ? p->text : "";
    return logs_rate_admit(&logs->rate, audit, event, by, now_ms(), ret_before);
}

static void on_write(struct log_sink *sink, const char *service, enum log_level level,
                     const char *event, const struct orb_kv *pairs)
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
    log_write_pairs(&w, pairs);
    if (before)
        json_write_integer(&w, "not-recorded-before", (int64_t)before);
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

/* Sequence numbers rise over restarts: continued from the last one in the files, and from the clock
 * for those that were in memory only. */
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
        logs->all.path = buf_format("%s/log.jsonl", options->dir);
        logs->all.file = logfile_start(logs->all.path, 1, &last, &why);
        logs->orders.path = buf_format("%s/audit.jsonl", options->dir);
        logs->orders.file = logfile_start(logs->orders.path, AUDIT_SHARE, &last_audit,
                                          why.code ? &audit_why : &why);
    }
    begin_numbers(logs, last > last_audit ? last : last_audit);
    logs->audit = logs_stream_add(logs, "host", true);
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

/* Of pairs that are too long, as logs_store.c has it for the host's own records. */
static char *beginning(const char *text, size_t len)
{
    struct buf kv = {0};
    struct json_write w = json_write_to(&kv);

    json_write_object(&w, NULL);
    json_write_integer(&w, "too-long-bytes", (int64_t)len);
    json_write_string_len(&w, "begins", text, KV_BEGINS);
    json_write_end(&w);
    return buf_take(&kv);
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
    plain(event); /* printed without quotes by the daemon */
    if (json_member(text, len, "kv", &value) && value.type == 'o')
        kv = value.len <= LOGS_LINE ? compact(value.p, value.len) : beginning(value.p, value.len);
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
