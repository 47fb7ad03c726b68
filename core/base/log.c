/* Log levels, and the function that passes a record to its sink. */
#include "core/base/log.h"

#include <string.h>

#include "core/base/json_write.h"

static const char *const level_names[] = {"debug", "info", "notice", "warning", "error"};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

int log_level_parse(const char *name)
{
    for (int i = 0; i <= LOG_LEVEL_ERROR; i++)
        if (!strcmp(level_names[i], name))
            return i;
    return !strcmp(name, "warn") ? LOG_LEVEL_WARN : -1;
}

void log_write(struct log_sink *sink, enum log_level level, const char *event,
               const struct orb_kv *pairs)
{
    if (sink)
        sink->write(sink, "host", level, event, pairs);
}

void log_write_pairs(struct json_write *w, const struct orb_kv *pairs)
{
    for (const struct orb_kv *p = pairs; p && p->key; p++) {
        if (p->text)
            json_write_string(w, p->key, p->text);
        else
            json_write_integer(w, p->key, p->number);
    }
}

void log_write_record(struct json_write *w, enum log_level level, const char *event,
                      const struct orb_kv *pairs)
{
    json_write_object(w, NULL);
    json_write_string(w, "level", log_level_name(level));
    json_write_string(w, "event", event);
    json_write_object(w, "kv");
    log_write_pairs(w, pairs);
    json_write_end(w);
    json_write_end(w);
}
