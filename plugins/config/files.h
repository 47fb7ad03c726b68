/* Files of the datastore: their names, and their bytes. Names are the caller's to free. */
#ifndef CONFIG_FILES_H
#define CONFIG_FILES_H

#include "plugins/config/store_internal.h"

/* journal-GENERATION, and last-good-GENERATION, its second copy. */
char *files_journal_path(const struct store *store, uint64_t generation);
/* The second one; both malloced, the caller's, never NULL. */
char *files_copy_path(const struct store *store, uint64_t generation);
/* A whole regular file, with progress; limit in bytes. */
int files_read(const struct store *store, const char *path, size_t limit, struct buf *ret_data,
               struct orb_err *err);
/* Numbers N of the files PREFIX N SUFFIX in the state directory, ascending; freed by the caller. A
 * directory that cannot be listed sets list_error. */
uint64_t *files_numbers(struct store *store, const char *prefix, const char *suffix,
                        size_t *ret_count);
/* The same for journals, whether the first or the second copy is there. */
uint64_t *files_journals(struct store *store, size_t *ret_count);

#endif
