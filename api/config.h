/* Routes that change the candidate and commit it; reading is in config_get.h. Handlers as in
 * plain.h; the path of a URL below the datastore is a JSON pointer. */
#ifndef API_CONFIG_H
#define API_CONFIG_H

#include "api/request.h"

/* Sets the value at the path of the candidate to the body, which is sent in slices when it does not
 * fit one request. */
void config_set(struct request *q);
/* Merges the body into the value at the path of the candidate, sent as by config_set(). */
void config_merge(struct request *q);
/* Deletes the value at the path of the candidate. */
void config_delete(struct request *q);
/* Commits the candidate with the body's options, or plans it with dry-run of the query; invalid
 * when both contradict each other. */
void config_commit(struct request *q);
/* Confirms the last commit. state when the connection is older than that commit: it proves nothing.
 */
void config_confirm(struct request *q);
/* Discards the candidate; the body is the input of config@1 discard. */
void config_discard(struct request *q);
/* Loads a revision into the candidate; the body is the input of config@1 rollback. */
void config_rollback(struct request *q);
/* The schema of the value at the path. */
void config_schema(struct request *q);

#endif
