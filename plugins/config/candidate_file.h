/* The file of a candidate: edits survive a restart of the service. A file that cannot be written is
 * noted in the candidate (unsaved) and rewritten with the next edit; nothing here fails an edit. */
#ifndef CONFIG_CANDIDATE_FILE_H
#define CONFIG_CANDIDATE_FILE_H

#include "plugins/config/candidate.h"

/* Adds a line of the file to text, in slices; value NULL: a deletion. */
void candidate_file_line(const struct parts *parts, struct buf *text, uint64_t base,
                         const char *path, const json_t *value);
/* Appends lines of changes that c has already. */
void candidate_file_append(struct engine *engine, struct candidate *c, const struct buf *lines);
/* Rewrites the file from memory. */
void candidate_file_rewrite(struct engine *engine, struct candidate *candidate);
/* NULL, or why edits of this candidate end with the service. */
const char *candidate_file_unsaved(const struct candidate *candidate);
/* Removes the file of user, and clears the problems about it. */
void candidate_file_forget(struct engine *engine, const char *user);
/* Reads all files of the state directory. Error: it cannot be listed. */
int candidate_file_load_all(struct engine *engine, struct orb_err *err);
/* Reports edits that could not be read back to the host. */
void candidate_file_report_all(struct engine *engine);

#endif
