/* What one service, or the host, has written. */
#include "core/obs/logs_internal.h"

#include <stdio.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

enum log_level logs_stream_level(const struct logs *logs, const char *service)
{
    for (unsigned i = 0; i < logs->level_count; i++)
        if (!strcmp(logs->levels[i].service, service))
            return logs->levels[i].level;
    return logs->keep;
}

struct stream *logs_stream_add(struct logs *logs, const char *service, bool audit)
{
    struct stream *s = xcalloc(1, sizeof(*s));

    snprintf(s->name, sizeof(s->name), "%s", service);
    s->audit = audit;
    s->rate = LOGS_RATE;
    s->tokens = LOGS_BURST;
    s->refilled_ms = now_ms();
    s->gone = logs->first_seq - 1;
    s->keep = logs_stream_level(logs, s->name);
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
    return logs_stream_add(logs, service, false);
}
