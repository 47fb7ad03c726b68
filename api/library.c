/* An instance without a listening socket and without threads, driven by sets of one descriptor
 * (below FD_SETSIZE: the worker may have fewer files open). */
#include "api/library.h"

#include <stdio.h>
#include <string.h>
#include <sys/select.h>

#include "api/request.h"

/* The target is decoded by url.c, strictly. */
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *s)
{
    return strlen(s);
}

static void on_message(void *cls, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_message(void *cls, const char *format, va_list args)
{
    const struct connection *c = cls;
    char text[300];
    uint64_t lost;

    if (!principal_may_record(c->principal, &lost))
        return;
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    orb_log(c->api->ctx, ORB_DEBUG, "http.library", KV("text", text), KV("not-recorded", lost));
}

static void on_change(void *cls, struct MHD_Connection *connection, void **socket_context,
                      enum MHD_ConnectionNotificationCode code)
{
    struct connection *c = cls;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = c;
        return;
    }
    c->ended = true; /* the library closes the descriptor now */
}

bool library_open(struct connection *c)
{
    c->library = MHD_start_daemon(
        MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        c->api->calls->on_access, c, MHD_OPTION_EXTERNAL_LOGGER, on_message, c,
        MHD_OPTION_URI_LOG_CALLBACK, c->api->calls->on_uri, c, MHD_OPTION_NOTIFY_COMPLETED,
        c->api->calls->on_completed, c, MHD_OPTION_NOTIFY_CONNECTION, on_change, c,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, c, MHD_OPTION_CONNECTION_LIMIT, 1u,
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, /* connection_due() */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)API_MEMORY,
        /* not strict: its refusal of a missing Host is two responses; framing.c is stricter */
        MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_END);
    if (!c->library)
        return false;
    return MHD_add_connection(c->library, c->fd, (const struct sockaddr *)&c->address,
                              c->address_len) == MHD_YES;
}

static unsigned waits_for(const struct connection *c)
{
    fd_set in, out, errors;
    int most = -1;

    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&errors);
    MHD_get_fdset(c->library, &in, &out, &errors, &most);
    return (FD_ISSET(c->fd, &in) ? ORB_READABLE : 0u) | (FD_ISSET(c->fd, &out) ? ORB_WRITABLE : 0u);
}

unsigned library_run(struct connection *c, unsigned events)
{
    fd_set in, out, errors;

    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&errors);
    if (events & ORB_READABLE)
        FD_SET(c->fd, &in);
    if (events & ORB_WRITABLE)
        FD_SET(c->fd, &out);
    MHD_run_from_select(c->library, &in, &out, &errors);
    return c->ended ? 0 : waits_for(c);
}

void library_close(struct connection *c)
{
    if (c->request && c->request->suspended) {
        c->request->suspended = false;
        MHD_resume_connection(c->request->connection);
    }
    MHD_stop_daemon(c->library);
}
