/* The open connections and how long each may take for what it is doing. A client that is too slow
 * is cut off; when connections run short, the principal that holds most of them loses one, so that
 * none keeps others out. */
#include "api/connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "api/library.h"
#include "api/request.h"
#include "api/session.h"
#include "api/turn.h"
#include "api/watch.h"
#include "core/base/now.h"
#include "core/base/xalloc.h"

#define LOOK_EVERY_MS 1000
#define LOOK_US 300 /* of closing slow ones; then others have their turns */
#define PEEK_BYTES 2048u

/* ---- accounting ---- */

/* May another connection take its place? */
static bool closable(const struct connection *c)
{
    return c->state != CONNECTION_WORK;
}

static void count_for(struct connection *c, uint64_t key)
{
    struct principal *before = c->principal;
    bool queued = c->queued;

    if (before && before->key == key)
        return;
    turn_remove(c);
    c->principal = principal_take(c->api, key);
    c->principal->connections++;
    c->principal->closable += closable(c);
    if (queued)
        turn_add(c);
    if (!before)
        return;
    before->connections--;
    before->closable -= closable(c);
    principal_give_back(before);
}

/* A request whose token is known takes a turn of its user's from its first byte. Nothing but whose
 * turn it is rests on what is seen here. */
static void look_ahead(struct connection *c)
{
    char text[PEEK_BYTES];
    const struct session *s;
    ssize_t n;

    if (c->state != CONNECTION_HEAD)
        return;
    n = recv(c->fd, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT);
    s = n > 0 ? session_within(c->api, text, (size_t)n) : NULL;
    if (s)
        count_for(c, principal_of_user(s->user));
    explicit_bzero(text, sizeof(text));
}

/* ---- the end ---- */

static void end(struct connection *c)
{
    struct api *api = c->api;

    turn_remove(c);
    if (c->begun)
        request_free(c->begun);
    if (c->prev)
        c->prev->next = c->next;
    else
        api->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    api->connection_count--;
    c->principal->connections--;
    c->principal->closable -= closable(c);
    principal_give_back(c->principal);
    if (!api->stopping) {
        orb_gauge_set(api->ctx, "connections", api->connection_count);
        if (api->full)
            orb_watch_set(api->listening, ORB_READABLE);
        api->full = false;
    }
    free(c);
}

void connection_close(struct connection *c)
{
    if (c->library)
        library_close(c);
    else
        close(c->fd);
    end(c);
}

void connection_cut(struct connection *c, const char *why)
{
    struct api *api = c->api;
    uint64_t lost;

    api->cut_off++;
    orb_counter_add(api->ctx, "connections_cut", 1);
    if (principal_may_record(c->principal, &lost))
        orb_log(api->ctx, ORB_DEBUG, "http.cut", KV("why", why), KV("not-recorded", lost));
    connection_close(c);
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

/* One that waits for its turn is not slow itself. */
static void on_look(struct orb_ctx *ctx, void *arg)
{
    struct api *api = arg;
    uint64_t now = orb_now_ms(), end_us = now_us() + LOOK_US;
    struct connection *next;

    for (struct connection *c = api->connections; c; c = next) {
        uint64_t due = connection_due(c);

        next = c->next;
        if (!due || now < due || c->queued)
            continue;
        if (now_us() >= end_us) {
            orb_timer_start(api->look, 0, LOOK_EVERY_MS);
            return;
        }
        say_timeout(c);
        connection_cut(c, "too slow");
    }
    if (!api->connections)
        orb_timer_stop(api->look);
}

/* ---- eviction ---- */

/* The principal with the most connections of those that have any to be closed. */
static struct principal *heaviest(const struct api *api)
{
    struct principal *most = NULL;

    for (struct principal *p = api->principals; p; p = p->next)
        if (p->closable && (!most || p->connections > most->connections))
            most = p;
    return most;
}

static bool make_room(struct api *api)
{
    uint32_t random = 0;
    unsigned at;
    const struct principal *p = heaviest(api);

    if (!p || getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        return false;
    at = random % p->closable;
    for (struct connection *c = api->connections; c; c = c->next)
        if (c->principal == p && closable(c) && at-- == 0) {
            connection_cut(c, "others need the connection");
            return true;
        }
    return false;
}

bool connection_has_room(struct api *api)
{
    return api->connection_count < API_CONNECTIONS || make_room(api);
}

/* ---- the beginning ---- */

static void on_event(struct connection *c, unsigned events)
{
    c->events |= events;
    look_ahead(c);
    turn_add(c);
}

void connection_open(struct api *api, int fd, const struct sockaddr_storage *address, socklen_t len)
{
    struct connection *c = xcalloc(1, sizeof(*c));

    c->api = api;
    c->fd = fd;
    if (!watch_add(c)) {
        close(fd);
        free(c);
        return;
    }
    c->address = *address;
    c->address_len = len;
    c->opened_ms = c->since_ms = orb_now_ms();
    count_for(c, principal_of_source((const struct sockaddr *)address));
    look_ahead(c);
    if (api->connection_count >= API_CONNECTIONS_WANTED)
        make_room(api);
    c->next = api->connections;
    if (c->next)
        c->next->prev = c;
    else
        orb_timer_start(api->look, LOOK_EVERY_MS, LOOK_EVERY_MS);
    api->connections = c;
    api->connection_count++;
    orb_gauge_set(api->ctx, "connections", api->connection_count);
}

/* ---- its turns ---- */

/* What it can do now: reads, writes, calls the handlers (exchange.h); it may end in it. */
static void run(struct connection *c)
{
    uint64_t before = c->completed;
    unsigned wanted;

    if (!c->library && !library_open(c)) {
        connection_close(c);
        return;
    }
    wanted = library_run(c, c->events);
    c->events = 0;
    /* Output made just now is written at once: the socket usually has space. */
    if (!c->ended && wanted == ORB_WRITABLE)
        wanted = library_run(c, ORB_WRITABLE);
    if (c->ended) {
        connection_close(c);
        return;
    }
    if (c->state == CONNECTION_WORK)
        return; /* resumed by its answer: exchange.c */
    /* An answer went out whole and the next one is there: there may be room for it as well. */
    if (wanted == ORB_WRITABLE && c->completed != before) {
        c->events = ORB_WRITABLE;
        wanted = 0;
    }
    if (wanted)
        watch_again(c, wanted);
    else
        turn_add(c);
}

struct connection *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void connection_is(struct connection *c, enum connection_state state, struct request *q)
{
    c->principal->closable -= closable(c);
    c->state = state;
    c->principal->closable += closable(c);
    c->request = q;
    c->since_ms = orb_now_ms();
    c->answered |= state == CONNECTION_ANSWER;
    if (q && q->session && q->session->user[0])
        count_for(c, principal_of_user(q->session->user));
}

size_t connection_working_bytes(const struct connection *c)
{
    size_t n = 0;

    for (const struct connection *other = c->api->connections; other; other = other->next)
        if (other != c && other->principal == c->principal && other->state == CONNECTION_WORK)
            n += other->request->body.len;
    return n;
}

int connection_start(struct api *api, struct orb_err *err)
{
    api->run = run;
    api->look = orb_timer_new(api->ctx, on_look, api);
    return watch_start(api, on_event, err);
}

void connection_stop(struct api *api)
{
    while (api->connections)
        connection_close(api->connections);
    orb_timer_free(api->look);
    watch_stop(api);
}
