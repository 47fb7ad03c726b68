/* The listening socket, which is the worker's: the host holds it from start to end. */
#include "api/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "api/connection.h"
#include "api/exchange.h"
#include "api/session.h"
#include "api/turn.h"
#include "core/base/now.h"

#define EXPIRE_EVERY_MS 30000
#define ACCEPT_US 500 /* as long as a round: then the connections have their turns */

/* 1: a client was accepted, or left again; 0: there is none. */
static int accept_one(struct api *api, int listening)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    int fd = accept4(listening, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return errno == EINTR || errno == ECONNABORTED;
    connection_open(api, fd, &address, len);
    return 1;
}

static void on_client(struct orb_ctx *ctx, void *arg, int fd, unsigned events)
{
    struct api *api = arg;
    uint64_t end = now_us() + ACCEPT_US;

    do {
        if (!connection_has_room(api)) { /* all wait for the host; until one of them ends */
            orb_watch_set(api->listening, 0);
            api->full = true;
            return;
        }
    } while (accept_one(api, fd) && now_us() < end);
}

static void on_expiry(struct orb_ctx *ctx, void *arg)
{
    session_expire(arg);
}

int server_start(struct api *api, struct orb_err *err)
{
    int fd = orb_socket(api->ctx, "http");

    if (fd < 0)
        return orb_fail(err, ORB_E_STATE,
                        "missing socket \"http\"; expected net.bind:…#http in the manifest");
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return orb_fail(err, -errno, "socket %d cannot be made non-blocking", fd);
    api->listening = orb_watch_new(api->ctx, fd, ORB_READABLE, on_client, api, err);
    if (!api->listening)
        return err->code;
    api->calls = &exchange_calls;
    if (connection_start(api, err) < 0)
        return err->code;
    turn_start(api);
    api->expiry = orb_timer_new(api->ctx, on_expiry, api);
    orb_timer_start(api->expiry, EXPIRE_EVERY_MS, EXPIRE_EVERY_MS);
    return 0;
}

void server_stop(struct api *api)
{
    struct request *next;

    api->stopping = true;
    orb_watch_free(api->listening);
    orb_timer_free(api->expiry);
    connection_stop(api);
    for (struct request *q = api->requests; q; q = next) { /* clients that had left */
        next = q->next;
        request_free(q);
    }
    turn_stop(api);
    session_fini(api);
    for (unsigned i = 0; i < API_OPEN; i++)
        buf_fini(&api->open[i].text);
}
