/* The two sets of files: log.jsonl has every record, audit.jsonl those of the audit alone, so that
 * a flood of others cannot displace them. */
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/obs/logs_internal.h"

#include <stdio.h>
#include <string.h>

#include "core/base/own.h"

static void look(struct logs *logs, struct logs_out *out)
{
    struct logfile_state state;

    if (!out->file)
        return;
    logfile_state(out->file, &state);
    if (state.changes != out->changes)
        logs_store_tell_file(logs, out);
}

static void tell_causes(struct logs *logs)
{
    struct logs_cause cause;

    while (logs_rate_told(&logs->rate, now_ms(), &cause)) {
        AUTO(buf) struct buf kv = {0};
        struct json_write w = json_write_to(&kv);

        json_write_object(&w, NULL);
        json_write_string(&w, "of", cause.event);
        json_write_string(&w, "by", cause.by);
        json_write_integer(&w, "count", (int64_t)cause.dropped);
        json_write_end(&w);
        logs_store(logs, cause.audit ? logs->audit : logs_stream(logs, "host"), LOG_LEVEL_WARN,
                   cause.audit ? "audit.not-recorded" : "log.not-recorded", buf_str(&kv));
    }
}

void logs_files_look(struct logs *logs)
{
    logs_store_tell_clock(logs);
    for (unsigned i = 0; i < logs->stream_count; i++)
        logs_store_tell_dropped(logs, logs->streams[i]);
    tell_causes(logs);
    look(logs, &logs->all);
    look(logs, &logs->orders);
}

int logs_files_reopen(struct logs *logs, struct orb_err *err)
{
    int r = 0;

    if (logs->all.file)
        r = logfile_reopen(logs->all.file, err);
    if (logs->orders.file && logfile_reopen(logs->orders.file, r < 0 ? NULL : err) < 0)
        r = -1;
    return r < 0 ? LOGS_NO_FILE : 0;
}

static const char *name_of(const struct stream *s)
{
    return s->audit ? "host-audit" : s->name;
}

void logs_files_metrics(struct logs *logs, struct buf *ret_text)
{
    struct logfile_state state;

    logs_files_look(logs);
    buf_adds(ret_text, "# TYPE orbital_log_records counter\n");
    for (unsigned i = 0; i < logs->stream_count; i++)
        buf_addf(ret_text, "orbital_log_records_total{service=\"%s\"} %llu\n",
                 name_of(logs->streams[i]), (unsigned long long)logs->streams[i]->written);
    buf_adds(ret_text, "# TYPE orbital_log_dropped counter\n");
    for (unsigned i = 0; i < logs->stream_count; i++)
        buf_addf(ret_text, "orbital_log_dropped_total{service=\"%s\"} %llu\n",
                 name_of(logs->streams[i]), (unsigned long long)logs->streams[i]->dropped);
    buf_addf(ret_text,
             "# TYPE orbital_log_not_recorded counter\norbital_log_not_recorded_total %llu\n",
             (unsigned long long)logs->rate.dropped);
    if (!logs->all.file)
        return;
    logfile_state(logs->all.file, &state);
    buf_addf(ret_text,
             "# TYPE orbital_log_lost counter\norbital_log_lost_total %llu\n"
             "# TYPE orbital_log_not_written gauge\norbital_log_not_written %d\n",
             (unsigned long long)state.lost, state.failing);
}

bool logs_files_failing(struct logs *logs, char *why, size_t size)
{
    const struct logs_out *outs[] = {&logs->all, &logs->orders};
    struct logfile_state state;

    for (unsigned i = 0; i < 2; i++) {
        if (!outs[i]->file)
            continue;
        logfile_state(outs[i]->file, &state);
        if (state.failing) {
            snprintf(why, size, "%s", state.why);
            return true;
        }
    }
    return false;
}
