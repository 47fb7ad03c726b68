/* Requests that wait: for a daemon that is being started, and for a service that is not there yet.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/client.h"

/* Connects and sends HELLO, within client->until_ms; that and observer are the only members read
 * before. When no daemon listens or answers, tries again for wait_ms; stderr shows what is waited
 * for. The error names what to start when no process listens. */
int ask_open(struct client *client, const char *socket_path, unsigned wait_ms, struct orb_err *err);
/* to: "config@1". input: JSON text, NULL for {}. ret_text is set to the reply's text. A remote
 * error is returned with its code, path and text. Waits for a service that is starting; a request
 * whose connection broke is repeated only if it is idempotent. */
int ask_call(struct client *client, const char *to, const char *method, const char *input,
             struct buf *ret_text, struct orb_err *err);
/* As ask_call(), parsed. The caller owns *ret_tree. */
int ask_call_tree(struct client *client, const char *to, const char *method, const char *input,
                  json_t **ret_tree, struct orb_err *err);

#endif
