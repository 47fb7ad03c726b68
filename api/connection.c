/* The open connections and how long each may take for what it is doing. A client that is too slow
 * is cut off; when connections run short, the owner that holds most of them loses one, so that none
 * keeps others out. The surprise: libmicrohttpd has no call that closes a connection, so its socket
 * is shut down and the library sees an end of file. */
#include "api/connection.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "api/request.h"
#include "api/session.h"

#define LOOK_EVERY_MS 1000
#define OWNERS (4 * API_CONNECTIONS)

/* FNV-1a: spreads, and a collision gains no more than a share of connections. */
static uint64_t hash(uint64_t h, const void *data, size_t len)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

uint64_t connection_source(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    const unsigned char *a;
    uint64_t h = 0xcbf29ce484222325u;

    if (!address)
        return h;
    if (address->sa_family == AF_INET) {
        a = (const unsigned char *)&v4->sin_addr;
        return hash(hash(h, "4", 1), a, a[0] == 127 ? 1 : 4); /* all of 127/8 is this machine */
    }
    if (address->sa_family != AF_INET6)
        return h;
    a = v6->sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return hash(hash(h, "4", 1), a + 12, a[12] == 127 ? 1 : 4);
    return hash(hash(h, "6", 1), a, 8); /* a client has a /64 to choose from */
}

/* ---- the ends ---- */

static void cut(struct connection *c, const char *why)
{
    if (c->closing)
        return;
    c->closing = true;
    shutdown(c->fd, SHUT_RDWR);
    c->api->cut_off++;
    orb_counter_add(c->api->ctx, "connections_cut", 1);
    orb_log(c->api->ctx, ORB_DEBUG, "http.cut", KV("why", why));
}

/* The first request of a connection did not come: the one case where an answer cannot be taken for
 * the answer to something else. */
static void say_timeout(const struct connection *c)
{
    static const char text[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                               "Content-Length: 0\r\n\r\n";

    if (c->state == CONNECTION_HEAD && !c->answered)
        (void)!send(c->fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

uint64_t connection_due(const struct connection *c)
{
    uint64_t bytes = 0;

    switch (c->state) {
    case CONNECTION_HEAD:
        return c->since_ms + (c->answered ? API_IDLE_S * 1000 : API_HEAD_MS);
    case CONNECTION_BODY:
        bytes = c->request->body_seen;
        break;
    case CONNECTION_ANSWER:
        bytes = c->answer_bytes;
        break;
    case CONNECTION_WORK:
        return 0;
    }
    return c->since_ms + API_HEAD_MS + bytes * 1000 / API_LEAST_RATE;
}

static void on_look(struct orb_ctx *ctx, void *arg)
{
    struct api *api = arg;
    uint64_t now = orb_now_ms();

    for (struct connection *c = api->connections; c; c = c->next) {
        uint64_t due = connection_due(c);

        if (!due || now < due || c->closing)
            continue;
        say_timeout(c);
        cut(c, "too slow");
    }
    if (!api->connections)
        orb_timer_stop(api->look);
}

/* ---- who gives way ---- */

/* The owner with the most connections, and how many of them can be closed now. */
static uint64_t heaviest(const struct api *api, unsigned *ret_idle)
{
    struct {
        uint64_t owner;
        unsigned count, idle;
    } *owners = calloc(OWNERS, sizeof(*owners)), *most;
    uint64_t owner = 0;

    *ret_idle = 0;
    if (!owners)
        return 0;
    most = owners;
    for (const struct connection *c = api->connections; c; c = c->next) {
        unsigned at = (unsigned)(c->owner % OWNERS);

        if (c->closing)
            continue;
        while (owners[at].count && owners[at].owner != c->owner)
            at = (at + 1) % OWNERS;
        owners[at].owner = c->owner;
        owners[at].count++;
        owners[at].idle += c->state != CONNECTION_WORK;
        if (owners[at].idle && (!most->idle || owners[at].count > most->count))
            most = &owners[at];
    }
    owner = most->owner;
    *ret_idle = most->idle;
    free(owners);
    return owner;
}

static void make_room(struct api *api)
{
    uint32_t random = 0;
    unsigned idle, at;
    uint64_t owner = heaviest(api, &idle);

    if (!idle || getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        return; /* the limit of the library holds */
    at = random % idle;
    for (struct connection *c = api->connections; c; c = c->next)
        if (!c->closing && c->owner == owner && c->state != CONNECTION_WORK && at-- == 0) {
            cut(c, "others need the connection");
            return;
        }
}

static unsigned open_now(const struct api *api)
{
    unsigned n = 0;

    for (const struct connection *c = api->connections; c; c = c->next)
        n += !c->closing;
    return n;
}

/* ---- what the library tells ---- */

static void started(struct api *api, struct MHD_Connection *connection, void **context)
{
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *address =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct connection *c = calloc(1, sizeof(*c));

    *context = c;
    if (!c)
        return; /* exchange_on_uri refuses it */
    c->api = api;
    c->fd = fd ? fd->connect_fd : -1;
    c->opened_ms = c->since_ms = orb_now_ms();
    c->owner = connection_source(address ? address->client_addr : NULL);
    c->next = api->connections;
    if (c->next)
        c->next->prev = c;
    if (!c->next)
        orb_timer_start(api->look, LOOK_EVERY_MS, LOOK_EVERY_MS);
    api->connections = c;
    api->connection_count++;
    if (open_now(api) > API_CONNECTIONS_WANTED)
        make_room(api);
}

static void ended(struct api *api, struct connection *c)
{
    api->closed = true;
    if (!c)
        return;
    if (c->begun)
        request_free(c->begun);
    if (c->prev)
        c->prev->next = c->next;
    else
        api->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    api->connection_count--;
    free(c);
}

void connection_on_change(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct api *api = cls;

    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        started(api, connection, socket_context);
    else
        ended(api, *socket_context);
    if (!api->stopping)
        orb_gauge_set(api->ctx, "connections", api->connection_count);
}

struct connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

void connection_is(struct connection *c, enum connection_state state, struct request *q)
{
    c->state = state;
    c->request = q;
    c->since_ms = orb_now_ms();
    c->answered |= state == CONNECTION_ANSWER;
    if (q && q->session && q->session->user[0])
        c->owner =
            hash(hash(0xcbf29ce484222325u, "u", 1), q->session->user, strlen(q->session->user));
}

unsigned connection_working(const struct connection *c)
{
    unsigned n = 0;

    for (const struct connection *other = c->api->connections; other; other = other->next)
        n += other != c && other->owner == c->owner && other->state == CONNECTION_WORK;
    return n;
}

size_t connection_working_bytes(const struct connection *c)
{
    size_t n = 0;

    for (const struct connection *other = c->api->connections; other; other = other->next)
        if (other != c && other->owner == c->owner && other->state == CONNECTION_WORK)
            n += other->request->body.len;
    return n;
}

void connection_start(struct api *api)
{
    api->look = orb_timer_new(api->ctx, on_look, api);
}
