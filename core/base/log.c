/* Log levels and the one call that hands a record to its sink. */
#include "core/base/log.h"

#include <string.h>

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
