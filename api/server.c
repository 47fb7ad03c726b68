/* libmicrohttpd without threads of its own: its epoll descriptor is watched by the worker's loop
 * and its timeout is one of the worker's timers. */
#include "api/server.h"

#include <stdio.h>
#include <string.h>

#include "api/connection.h"
#include "api/exchange.h"
#include "api/session.h"

#define EXPIRE_EVERY_MS 30000

static void pump(struct api *api)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    api->closed = false;
    MHD_run(api->daemon);
    /* At the limit of connections the listening socket is not watched; it is again at the start of
     * the run after one in which a connection closed, and nothing else would cause that run. */
    if (api->closed)
        orb_timer_start(api->timer, 0, 0);
    else if (MHD_get_timeout(api->daemon, &wait_ms) == MHD_YES)
        orb_timer_start(api->timer, wait_ms, 0);
    else
        orb_timer_stop(api->timer);
}

static void on_readable(struct orb_ctx *ctx, void *arg, int fd, unsigned events)
{
    pump(arg);
}

static void on_timer(struct orb_ctx *ctx, void *arg)
{
    pump(arg);
}

static void on_expiry(struct orb_ctx *ctx, void *arg)
{
    session_expire(arg);
}

/* We decode the target ourselves, strictly (url.h). */
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *s)
{
    return strlen(s);
}

static void on_message(void *cls, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_message(void *cls, const char *format, va_list args)
{
    struct api *api = cls;
    char text[300];

    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    orb_log(api->ctx, ORB_DEBUG, "http.library", KV("text", text));
}

int server_start(struct api *api, struct orb_err *err)
{
    int fd = orb_socket(api->ctx, "http");
    const union MHD_DaemonInfo *info;

    if (fd < 0)
        return orb_fail(err, ORB_E_STATE,
                        "there is no socket \"http\"; the manifest asks for net.bind:…#http");
    connection_start(api);
    api->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        exchange_on_access, api, MHD_OPTION_EXTERNAL_LOGGER, on_message, api,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, exchange_on_uri, api,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_on_completed, api, MHD_OPTION_NOTIFY_CONNECTION,
        connection_on_change, api, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, api,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)API_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)API_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)API_MEMORY,
        /* not strict: its refusal of a missing Host is two responses; framing.c is stricter */
        MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_END);
    if (!api->daemon)
        return orb_fail(err, ORB_E_IO, "the HTTP server does not start on socket %d", fd);
    info = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return orb_fail(err, ORB_E_INTERNAL, "libmicrohttpd names no epoll descriptor");
    api->watch = orb_watch_new(api->ctx, info->epoll_fd, ORB_READABLE, on_readable, api, err);
    if (!api->watch)
        return err->code;
    api->timer = orb_timer_new(api->ctx, on_timer, api);
    api->expiry = orb_timer_new(api->ctx, on_expiry, api);
    orb_timer_start(api->expiry, EXPIRE_EVERY_MS, EXPIRE_EVERY_MS);
    pump(api);
    return 0;
}

void server_stop(struct api *api)
{
    struct request *next;

    api->stopping = true;
    for (struct request *q = api->requests; q; q = q->next)
        if (q->suspended) {
            q->suspended = false;
            MHD_resume_connection(q->connection);
        }
    orb_watch_free(api->watch);
    orb_timer_free(api->timer);
    orb_timer_free(api->expiry);
    if (api->daemon) {
        MHD_quiesce_daemon(api->daemon); /* the listening socket is the worker's */
        MHD_stop_daemon(api->daemon);
    }
    for (struct request *q = api->requests; q; q = next) { /* clients that had left */
        next = q->next;
        request_free(q);
    }
    orb_timer_free(api->look);
    session_fini(api);
    for (unsigned i = 0; i < API_OPEN; i++)
        buf_fini(&api->open[i].text);
}
