/* One connection to the daemon's control socket: blocking calls, one at a time. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/json/tree.h"
#include "orbital/error.h"

#define CLIENT_WAIT_MS 70000 /* longer than any method's own deadline */

struct client {
    int fd;
    uint32_t next_corr;
    struct buf in; /* bytes read and not yet used */
    char user[64], role[16];
};

/* Connects and says hello. The error tells what to start when nobody listens. */
int client_open(struct client *client, const char *socket_path, struct orb_err *err);
void client_close(struct client *client);
/* to: "config@1". input: JSON text, NULL for {}. The reply's text replaces ret_text. A remote error
 * comes back as its own code, path and text. */
int client_call(struct client *client, const char *to, const char *method, const char *input,
                struct buf *ret_text, struct orb_err *err);
/* The same, parsed. The caller owns *ret_tree. */
int client_call_tree(struct client *client, const char *to, const char *method, const char *input,
                     json_t **ret_tree, struct orb_err *err);
/* Subscribes, then calls on_event for each event until it returns non-zero or the connection ends.
 */
int client_watch(struct client *client, const char *interface, const char *topic,
                 int (*on_event)(void *arg, const char *topic, const char *text, size_t len),
                 void *arg, struct orb_err *err);

#endif
