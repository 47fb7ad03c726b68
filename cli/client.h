/* One connection to the daemon's control socket: blocking calls, one at a time. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/ipc/frame_stream.h"
#include "core/json/tree.h"
#include "orbital/error.h"

/* The daemon answers each request by its deadline, which a service puts off while it goes on; so
 * after each such time without an answer only the daemon itself is looked at. */
#define CLIENT_WAIT_MS 10000
#define CLIENT_HELLO_MS 5000 /* the daemon answers HELLO at once unless it is very busy */

struct client {
    struct frame_stream wire; /* fd -1: not connected */
    const char *socket_path;
    unsigned wait_ms;    /* how long to wait for a daemon or a service that is about to be there */
    uint64_t began_ms;   /* of the call that waits */
    char told[96];       /* what was said to be waited for */
    unsigned connection; /* counts those that were made */
    bool broken;         /* the connection ended in the middle of something */
    bool silent;         /* nothing came for as long as was waited */
    uint32_t next_corr;
    char user[64], role[16];
};

/* Connects and says hello. When no process listens, or none answers, it is tried again for wait_ms,
 * and stderr says what is waited for. The error tells what to start when no process listens. */
int ask_open(struct client *client, const char *socket_path, unsigned wait_ms, struct orb_err *err);
void client_close(struct client *client);
/* to: "config@1". input: JSON text, NULL for {}. The reply's text replaces ret_text. A remote error
 * comes back as its own code, path and text. A service that is being started is waited for; a
 * request whose connection broke is made again only where that does no harm (idempotent). */
int ask_call(struct client *client, const char *to, const char *method, const char *input,
             struct buf *ret_text, struct orb_err *err);
/* The same, parsed. The caller owns *ret_tree. */
int ask_call_tree(struct client *client, const char *to, const char *method, const char *input,
                  json_t **ret_tree, struct orb_err *err);
/* Subscribes, then calls on_event for each event until it returns non-zero or the connection ends.
 */
int client_watch(struct client *client, const char *interface, const char *topic,
                 int (*on_event)(void *arg, const char *topic, const char *text, size_t len),
                 void *arg, struct orb_err *err);

/* ---- client.c for ask.c: once, without waiting ---- */
int client_connect(struct client *client, struct orb_err *err);
int client_call_once(struct client *client, const char *to, const char *method, const char *input,
                     struct buf *ret_text, struct orb_err *err);

#endif
