/* Files that no directory has any more and that a process keeps. */
#ifndef CORE_SUP_REMOVED_H
#define CORE_SUP_REMOVED_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes of the file system dev in regular files that were removed and that pid keeps open or
 * mapped; each file once. 0 for a process that is gone. Reads /proc; for any thread. */
uint64_t removed_bytes(pid_t pid, dev_t dev);

#endif
