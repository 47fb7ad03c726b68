/* Records arrive from the host itself (sink), from LOG frames and from stderr pipes; all end as one
 * JSON line in the ring of their service and in the file. */
#include "core/obs/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/own.h"
#include "core/json/scan.h"
#include "core/obs/journal.h"

struct record {
    uint64_t seq;
    uint64_t time_us;
    enum log_level level;
    char *line; /* the JSON object */
};

struct stream {
    char name[64];
    struct record ring[LOGS_RING];
    uint64_t written;
    double tokens;
    uint64_t refilled_ms;
    uint64_t dropped, dropped_told;
    struct buf partial; /* an unfinished line of output */
};

struct logs {
    struct log_sink sink; /* first */
    struct stream *streams[LOGS_SERVICES];
    unsigned stream_count;
    uint64_t seq;
    char *path;
    int fd;
    uint64_t file_bytes;
    enum logs_output output;
    enum log_level level;
    struct journal journal;
};

static struct stream *stream_of(struct logs *logs, const char *service)
{
    struct stream *s;

    for (unsigned i = 0; i < logs->stream_count; i++)
        if (!strcmp(logs->streams[i]->name, service))
            return logs->streams[i];
    if (logs->stream_count == LOGS_SERVICES)
        return logs->streams[0];
    s = xcalloc(1, sizeof *s);
    snprintf(s->name, sizeof s->name, "%s", service);
    s->tokens = LOGS_BURST;
    s->refilled_ms = now_ms();
    logs->streams[logs->stream_count++] = s;
    return s;
}

static void rotate(struct logs *logs)
{
    close(logs->fd);
    for (int i = LOGS_FILES - 1; i >= 0; i--) {
        AUTO_FREE char *from = i ? xasprintf("%s.%d", logs->path, i) : xstrdup(logs->path);
        AUTO_FREE char *to = xasprintf("%s.%d", logs->path, i + 1);

        rename(from, to);
    }
    logs->fd = open(logs->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    logs->file_bytes = 0;
}

static void to_file(struct logs *logs, const char *line)
{
    size_t len = strlen(line);

    if (logs->fd < 0)
        return;
    if (logs->file_bytes + len + 1 > LOGS_FILE_BYTES)
        rotate(logs);
    if (logs->fd < 0 || dprintf(logs->fd, "%s\n", line) < 0)
        return; /* a full disk must not stop the host; the ring still has the record */
    logs->file_bytes += len + 1;
}

static void store(struct logs *logs, struct stream *s, enum log_level level, const char *event,
                  const char *kv)
{
    struct record *r = &s->ring[s->written++ % LOGS_RING];
    AUTO(buf) struct buf line = {0};

    free(r->line);
    r->seq = ++logs->seq;
    r->time_us = wall_us();
    r->level = level;
    buf_addf(&line, "{\"seq\":%llu,\"time_us\":%llu,\"level\":\"%s\",\"service\":",
             (unsigned long long)r->seq, (unsigned long long)r->time_us, log_level_name(level));
    buf_add_json(&line, s->name, strlen(s->name));
    buf_adds(&line, ",\"event\":");
    buf_add_json(&line, event, strlen(event));
    buf_addf(&line, ",\"kv\":%s}", kv);
    r->line = buf_take(&line);
    to_file(logs, r->line);
    if (logs->output == LOGS_JOURNAL)
        journal_send(&logs->journal, level, s->name, event, kv);
    else if (logs->output == LOGS_STDERR && level >= logs->level)
        fprintf(stderr, "%-7s %-12s %s %s\n", log_level_name(level), s->name, event, kv);
}

/* A record costs by its size, too: few large ones would push everybody's records out of the files.
 */
static bool admitted(struct logs *logs, struct stream *s, size_t len)
{
    double cost = 1 + (double)(len / LOGS_COST_BYTES);
    uint64_t now = now_ms();

    s->tokens += (double)(now - s->refilled_ms) * LOGS_RATE / 1000;
    s->refilled_ms = now;
    if (s->tokens > LOGS_BURST)
        s->tokens = LOGS_BURST;
    if (s->tokens < cost) {
        s->dropped++;
        return false;
    }
    s->tokens -= cost;
    if (s->dropped != s->dropped_told) {
        AUTO_FREE char *kv =
            xasprintf("{\"count\":%llu}", (unsigned long long)(s->dropped - s->dropped_told));

        s->dropped_told = s->dropped;
        store(logs, s, LOG_LEVEL_WARN, "log.dropped", kv);
    }
    return true;
}

static void on_write(struct log_sink *sink, const char *service, enum log_level level,
                     const char *event, const struct log_kv *pairs)
{
    struct logs *logs = container_of(sink, struct logs, sink);
    AUTO(buf) struct buf kv = {0};

    buf_addc(&kv, '{');
    for (const struct log_kv *p = pairs; p->key; p++) {
        if (p != pairs)
            buf_addc(&kv, ',');
        buf_add_json(&kv, p->key, strlen(p->key));
        buf_addc(&kv, ':');
        if (p->text)
            buf_add_json(&kv, p->text, strlen(p->text));
        else
            buf_addf(&kv, "%lld", (long long)p->number);
    }
    buf_addc(&kv, '}');
    store(logs, stream_of(logs, service), level, event, buf_str(&kv));
}

/* The file anew; when that fails the one that is open stays. */
static int open_file(struct logs *logs, struct orb_err *err)
{
    struct stat st;
    int fd = open(logs->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if (logs->fd >= 0)
            close(logs->fd);
        logs->fd = fd;
        logs->file_bytes = (uint64_t)st.st_size;
        return 0;
    }
    if (fd < 0) {
        orb_fail(err, -errno, "cannot open %s", logs->path);
    } else {
        close(fd);
        orb_fail(err, ORB_E_INVALID, "%s is no regular file", logs->path);
    }
    return LOGS_NO_FILE;
}

int logs_reopen(struct logs *logs, struct orb_err *err)
{
    return logs->path ? open_file(logs, err) : 0;
}

int logs_new(const struct logs_options *options, struct logs **ret_logs, struct orb_err *err)
{
    struct logs *logs = xcalloc(1, sizeof *logs);
    int r = 0;

    logs->sink.write = on_write;
    logs->fd = -1;
    logs->output = options->output;
    logs->level = options->level;
    if (options->output == LOGS_JOURNAL)
        journal_open(&logs->journal);
    if (options->dir) {
        logs->path = xasprintf("%s/log.jsonl", options->dir);
        r = open_file(logs, err);
    }
    *ret_logs = logs;
    return r;
}

void logs_free(struct logs *logs)
{
    if (!logs)
        return;
    for (unsigned i = 0; i < logs->stream_count; i++) {
        for (unsigned k = 0; k < LOGS_RING; k++)
            free(logs->streams[i]->ring[k].line);
        buf_fini(&logs->streams[i]->partial);
        free(logs->streams[i]);
    }
    journal_close(&logs->journal);
    if (logs->fd >= 0)
        close(logs->fd);
    free(logs->path);
    free(logs);
}

struct log_sink *logs_sink(struct logs *logs)
{
    return &logs->sink;
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
    struct stream *s = stream_of(logs, service);
    struct json_slice value;
    char event[64] = "log";
    char level_text[16] = "info";
    AUTO_FREE char *kv = NULL;
    int level;

    if (!admitted(logs, s, len))
        return;
    if (json_member(text, len, "event", &value))
        json_text(&value, event, sizeof event);
    plain(event); /* it stands unquoted in the daemon's own output */
    if (json_member(text, len, "level", &value))
        json_text(&value, level_text, sizeof level_text);
    level = log_level_parse(level_text);
    if (json_member(text, len, "kv", &value) && value.type == 'o' && value.len <= LOGS_LINE)
        kv = compact(value.p, value.len);
    store(logs, s, level < 0 ? LOG_LEVEL_INFO : (enum log_level)level, event, kv ? kv : "{}");
}

static void output_line(struct logs *logs, struct stream *s, const char *line, size_t len)
{
    AUTO(buf) struct buf kv = {0};

    if (!len || !admitted(logs, s, len))
        return;
    buf_adds(&kv, "{\"line\":");
    buf_add_json(&kv, line, len < LOGS_LINE ? len : LOGS_LINE);
    buf_addc(&kv, '}');
    store(logs, s, LOG_LEVEL_INFO, "output", buf_str(&kv));
}

void logs_output(struct logs *logs, const char *service, const char *data, size_t len)
{
    struct stream *s = stream_of(logs, service);

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

static int by_seq(const void *a, const void *b)
{
    const struct record *const *x = a, *const *y = b;

    return (*x)->seq < (*y)->seq ? -1 : (*x)->seq > (*y)->seq;
}

static bool wanted(const struct record *r, const struct logs_query *q)
{
    return r->line && r->level >= q->level && r->seq > q->after && r->time_us >= q->since_us;
}

/* Takes away what has no room in the answer: the end when following, else the oldest. */
static void trim(const struct record **found, const struct logs_query *q, size_t *from, size_t *n)
{
    size_t room = q->bytes ? q->bytes : LOGS_ANSWER, i;

    if (q->after) {
        for (i = *from; i < *n && strlen(found[i]->line) < room; i++)
            room -= strlen(found[i]->line) + 1;
        *n = i;
    } else {
        for (i = *n; i > *from && strlen(found[i - 1]->line) < room; i--)
            room -= strlen(found[i - 1]->line) + 1;
        *from = i;
    }
}

void logs_find(struct logs *logs, const struct logs_query *query, struct buf *ret_json)
{
    size_t max = (size_t)logs->stream_count * LOGS_RING;
    AUTO_FREE const struct record **found = xcalloc(max, sizeof *found);
    size_t n = 0, from;

    for (unsigned i = 0; i < logs->stream_count; i++) {
        if (query->service && strcmp(query->service, logs->streams[i]->name))
            continue;
        for (unsigned k = 0; k < LOGS_RING; k++)
            if (wanted(&logs->streams[i]->ring[k], query))
                found[n++] = &logs->streams[i]->ring[k];
    }
    qsort(found, n, sizeof *found, by_seq);
    from = query->limit && n > query->limit ? n - query->limit : 0;
    if (query->after && query->limit && n > query->limit) { /* following: oldest first, no gap */
        from = 0;
        n = query->limit;
    }
    trim(found, query, &from, &n);
    buf_adds(ret_json, "{\"records\":[");
    for (size_t i = from; i < n; i++)
        buf_addf(ret_json, "%s%s", i > from ? "," : "", found[i]->line);
    buf_addf(ret_json, "],\"next\":%llu}",
             (unsigned long long)(n > from ? found[n - 1]->seq : query->after));
}

void logs_tail(struct logs *logs, const char *service, unsigned count, struct buf *ret_json)
{
    struct logs_query query = {.service = service, .limit = count, .bytes = LOGS_TAIL};

    logs_find(logs, &query, ret_json);
}

void logs_metrics(struct logs *logs, struct buf *ret_text)
{
    buf_adds(ret_text, "# TYPE orbital_log_records counter\n");
    for (unsigned i = 0; i < logs->stream_count; i++)
        buf_addf(ret_text, "orbital_log_records_total{service=\"%s\"} %llu\n",
                 logs->streams[i]->name, (unsigned long long)logs->streams[i]->written);
    buf_adds(ret_text, "# TYPE orbital_log_dropped counter\n");
    for (unsigned i = 0; i < logs->stream_count; i++)
        buf_addf(ret_text, "orbital_log_dropped_total{service=\"%s\"} %llu\n",
                 logs->streams[i]->name, (unsigned long long)logs->streams[i]->dropped);
}
