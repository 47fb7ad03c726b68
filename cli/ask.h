/* Requests that wait: for a daemon that is being started, and for a service that is not there yet.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/client.h"

/* Connects and says hello. When no process listens, or none answers, it is tried again for wait_ms,
 * and stderr says what is waited for. The error tells what to start when no process listens. */
int ask_open(struct client *client, const char *socket_path, unsigned wait_ms, struct orb_err *err);
/* to: "config@1". input: JSON text, NULL for {}. The reply's text replaces ret_text. A remote error
 * comes back as its own code, path and text. A service that is being started is waited for; a
 * request whose connection broke is made again only where that does no harm (idempotent). */
int ask_call(struct client *client, const char *to, const char *method, const char *input,
             struct buf *ret_text, struct orb_err *err);
/* As ask_call(), parsed. The caller owns *ret_tree. */
int ask_call_tree(struct client *client, const char *to, const char *method, const char *input,
                  json_t **ret_tree, struct orb_err *err);

#endif
