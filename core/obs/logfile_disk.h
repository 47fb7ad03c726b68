/* One file of the log and its elders on the disk: opened, written by whole lines, rotated. Used by
 * the thread of logfile.c; every call may block. */
#ifndef CORE_OBS_LOGFILE_DISK_H
#define CORE_OBS_LOGFILE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "orbital/error.h"

#define LOGFILE_DISK_RETRY_MS 1000 /* between tries to open or to write a file that cannot be */

struct logfile_disk {
    char *path;
    unsigned share; /* as in logfile_start() */
    int fd;         /* -1: not open */
    uint64_t bytes, limit;
    bool torn; /* the file ends in half a line that could not be cut off */
    uint64_t retry_ms;
};

/* Opens or creates a regular file. Returns its descriptor, the caller's. Errors: negative errno,
 * ORB_E_INVALID for a file of another type. */
int logfile_disk_open(const char *path, struct orb_err *err);
/* Continues with this descriptor, which becomes f's; the one before is closed. */
void logfile_disk_use(struct logfile_disk *f, int fd);
/* Writes whole lines, to several files if needed. Returns the number of bytes written; when it is
 * below len err has the reason (unchanged before the next try to open the file is due). */
size_t logfile_disk_write(struct logfile_disk *f, const char *data, size_t len,
                          struct orb_err *err);
/* Whether a line could be written now, so that recovery shows before the next record (records of
 * the audit are rare). The file is unchanged. */
bool logfile_disk_takes_lines(struct logfile_disk *f);
/* Sequence number of the last record in the file, 0: none. cut: an unterminated last line is
 * truncated. */
uint64_t logfile_disk_last(const char *path, bool cut);

#endif
