/* The settings as they were before this program wrote them for the first time since the machine was
 * started.
 */
#ifndef DATAPLANE_FOUND_H
#define DATAPLANE_FOUND_H

#include <stdbool.h>
#include <stdint.h>

struct dataplane;
struct orb_err;

/* The settings as they were before this program wrote them for the first time since the
 * machine was started; path NULL: not kept. */
int found_note(const char *path, const char *setting, const char *value, struct orb_err *err);
/* The same; a note that cannot be written now is a problem until found_retry() writes it. */
void found_keep(struct dataplane *dp, const char *setting, const char *value);
/* Writes what found_keep() and the digest could not; dp->problems tell whether that failed again.
 */
void found_retry(struct dataplane *dp);
/* Did this program write it? */
bool found_has(const struct dataplane *dp, const char *setting);
/* Saves the digest of nftables' table; path as above, the file is beside it. */
int found_table_note(const char *path, uint64_t digest, struct orb_err *err);
/* false: nothing is noted. */
bool found_table(const char *path, uint64_t *ret_digest);
/* Restores them, and deletes the file. */
int found_restore(struct dataplane *dp, struct orb_err *err);

#endif
