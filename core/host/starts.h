/* Counted starts. A daemon that is started again and again and never gets there is started for the
 * third time in safe mode: the last good revision, and no package of a third party. */
#ifndef CORE_HOST_STARTS_H
#define CORE_HOST_STARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/host/host_internal.h"

#define STARTS_WINDOW_MS 60000
#define STARTS_SAFE 3 /* this many within the window, none of which got there */

/* Records a start in RUN/starts and returns the number of starts within the window, including this
 * one. A file that cannot be read or written counts as empty; err then has the reason, else its
 * code is 0. */
unsigned starts_note(const char *run_dir, struct orb_err *err);
/* The same at another time, of CLOCK_BOOTTIME. */
unsigned starts_note_at(const char *run_dir, uint64_t now_ms, struct orb_err *err);
/* Decides by the count of starts_note() whether this start is in safe mode: host->safe, with a
 * problem, a log record and a status for systemd. */
void starts_decide(struct orbitald *host, unsigned count, const struct orb_err *error,
                   const char *notify_socket);
/* The appliance became operational, or a user stopped it: clears the count. Removes a file. */
void starts_forget(const char *run_dir);
/* The same from the loop, which waits for no file system: a thread does it, before the loop ends.
 */
void starts_forget_later(const struct orbitald *host);

#endif
