/* One connection to the daemon's control socket: blocking calls, one at a time. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/ipc/frame_stream.h"
#include "core/ipc/progress_state.h"
#include "core/json/tree.h"
#include "orbital/error.h"

/* The daemon answers each request by its deadline, which PROGRESS extends; so after each such time
 * without an answer only the daemon itself is checked. */
#define CLIENT_WAIT_MS 10000
#define CLIENT_HELLO_MS 5000 /* the daemon answers HELLO at once unless it is very busy */

struct client;

/* Looks on while a call takes long. */
struct client_observer {
    void (*progress)(void *arg, const struct progress_state *state);
    /* fd is readable. Below 0: the call ends with this code and err; its request continues. */
    int (*readable)(void *arg, struct client *client, struct orb_err *err);
    int fd; /* -1: none */
    void *arg;
};

struct client {
    struct frame_stream wire; /* fd -1: not connected */
    const char *socket_path;
    unsigned wait_ms;    /* how long to wait for a daemon or a service that is about to be there */
    uint64_t began_ms;   /* of the call that waits */
    uint64_t until_ms;   /* now_ms() at which everything ends, without a word; 0: never */
    char told[96];       /* last shown as waited for */
    unsigned connection; /* counts those that were made */
    bool broken;         /* the connection ended in the middle of something */
    bool silent;         /* no frame was received during the whole wait */
    uint32_t next_corr;
    uint32_t side_corr; /* of a request by client_send(); its refusal is printed */
    char user[64], role[16];
    const struct client_observer *observer; /* NULL: none */
};

/* Connects to socket_path and sends HELLO, once, without waiting for a daemon. ORB_E_UNAVAILABLE,
 * ORB_E_BUSY or ORB_E_DEADLINE when none answers. */
int client_connect(struct client *client, struct orb_err *err);
/* Closes the connection and frees what was read; nothing when there is none. */
void client_close(struct client *client);
/* One attempt of ask_call() (cli/ask.h) on the present connection. */
int client_call_once(struct client *client, const char *to, const char *method, const char *input,
                     struct buf *ret_text, struct orb_err *err);
/* Sends a request while another call waits: only an error in answer to it is shown, on stderr. */
int client_send(struct client *client, const char *to, const char *method, struct orb_err *err);
/* Subscribes, then calls on_event for each event until it returns non-zero or the connection ends.
 */
int client_watch(struct client *client, const char *interface, const char *topic,
                 int (*on_event)(void *arg, const char *topic, const char *text, size_t len),
                 void *arg, struct orb_err *err);

#endif
