/* journald's native protocol (systemd, "Native Journal Protocol"): fields as datagrams. */
#ifndef CORE_OBS_JOURNAL_H
#define CORE_OBS_JOURNAL_H

#include "core/base/log.h"

struct journal {
    int fd; /* 0 or below: not open */
};

/* Connects to /run/systemd/journal/socket; leaves fd -1 where there is none. */
void journal_open(struct journal *journal);
void journal_close(struct journal *journal);
/* Sends a record; kv is JSON. Nothing when there is no journal, or it does not take it. */
void journal_send(struct journal *journal, enum log_level level, const char *service,
                  const char *event, const char *kv);

#endif
