/* Who requests are made by: connections and the sessions a connection acts for, found by id. Ids
 * count up and do not come back, so a provider may key state by them until it hears GONE. */
#include <inttypes.h>
#include <string.h>

#include "core/ipc/room.h"

void principal_add(struct broker *broker, struct principal *who)
{
    struct principal **bucket;

    do
        who->id = ++broker->last_id;
    while (who->id == 0 || principal_find(broker, who->id));
    who->opened_us = uv_hrtime() / 1000;
    bucket = &broker->ids[who->id % ID_BUCKETS];
    who->next_in_bucket = *bucket;
    *bucket = who;
}

void principal_remove(struct broker *broker, struct principal *who)
{
    struct principal **at = &broker->ids[who->id % ID_BUCKETS];

    while (*at && *at != who)
        at = &(*at)->next_in_bucket;
    if (*at)
        *at = who->next_in_bucket;
}

struct principal *principal_find(struct broker *broker, uint32_t id)
{
    struct principal *who = broker->ids[id % ID_BUCKETS];

    while (who && who->id != id)
        who = who->next_in_bucket;
    return who;
}

struct principal *principal_of(struct ipc_peer *peer, uint32_t src, struct orb_err *err)
{
    struct principal *who;

    if (src == 0)
        return &peer->self;
    who = principal_find(peer->broker, src);
    if (!who || who->owner != peer || who == &peer->self) {
        orb_fail(err, ORB_E_PROTOCOL, "src %u is no session of %s", src, peer->self.name);
        return NULL;
    }
    if (who->closed) {
        orb_fail(err, ORB_E_UNAUTHENTICATED, "the session of %s has ended; log in again",
                 who->name);
        return NULL;
    }
    return who;
}

const char *peer_kind_name(enum peer_kind kind)
{
    static const char *const names[] = {
        [PEER_SERVICE] = "service",
        [PEER_USER] = "user",
        [PEER_TOKEN] = "token",
        [PEER_HOST] = "host",
    };

    return names[kind];
}

bool peer_kind_is_person(enum peer_kind kind)
{
    return kind == PEER_USER || kind == PEER_TOKEN;
}

static void add_grants(struct buf *to, const struct principal *who)
{
    char *const *granted = who->kind == PEER_SERVICE ? who->owner->capabilities : NULL;

    buf_adds(to, ",\"grants\":[");
    for (unsigned i = 0; granted && granted[i]; i++) {
        buf_adds(to, i ? "," : "");
        buf_add_json(to, granted[i], strlen(granted[i]));
    }
    buf_addc(to, ']');
}

/* Tells provider who is about to ask it for the first time, and what they may. */
static void announce(const struct principal *who, struct ipc_peer *provider)
{
    AUTO(buf) struct buf text = {0};

    buf_addf(&text, "{\"id\":%u,\"kind\":\"%s\",\"name\":", who->id, peer_kind_name(who->kind));
    buf_add_json(&text, who->name, strlen(who->name));
    buf_adds(&text, ",\"role\":");
    if (peer_kind_is_person(who->kind))
        buf_add_json(&text, who->role, strlen(who->role));
    else
        buf_adds(&text, "\"service\"");
    buf_addf(&text, ",\"opened_us\":%" PRIu64, who->opened_us);
    add_grants(&text, who);
    buf_addc(&text, '}');
    peer_send(provider, &(struct frame){.type = FRAME_PEER, .src = who->id}, NULL, buf_str(&text),
              text.len);
}

struct link *link_have(const struct principal *who, const struct ipc_peer *provider)
{
    struct link *link = who->links;

    while (link && link->provider != provider)
        link = link->next;
    return link;
}

struct link *link_get(struct principal *who, struct ipc_peer *provider)
{
    struct link *link = link_have(who, provider);

    if (link)
        return link;
    link = xcalloc(1, sizeof(*link));
    link->provider = provider;
    link->next = who->links;
    who->links = link;
    provider->owed += FRAME_HEADER; /* its GONE */
    announce(who, provider);
    return link;
}

void links_close(struct principal *who)
{
    while (who->links) {
        struct link *link = who->links;

        who->links = link->next;
        link->provider->owed -= FRAME_HEADER;
        peer_send(link->provider, &(struct frame){.type = FRAME_GONE, .src = who->id}, NULL, NULL,
                  0);
        free(link);
    }
}

static void drop_link(struct principal *who, struct ipc_peer *provider)
{
    struct link **at = &who->links;

    while (*at) {
        struct link *link = *at;

        if (link->provider == provider) {
            *at = link->next;
            free(link);
        } else {
            at = &link->next;
        }
    }
}

void links_leave(struct broker *broker, struct ipc_peer *provider)
{
    drop_link(&broker->host->self, provider);
    for (struct ipc_peer *peer = broker->peers; peer; peer = peer->next) {
        drop_link(&peer->self, provider);
        for (struct principal *s = peer->sessions; s; s = s->next_session)
            drop_link(s, provider);
    }
}

/* Remembers at most PEER_MAX_SESSIONS closed ones: forgets the oldest, which is the last. */
static void forget_oldest(struct ipc_peer *peer)
{
    struct principal **at = &peer->sessions, **oldest = NULL, *gone;

    if (peer->session_closed <= PEER_MAX_SESSIONS)
        return;
    for (; *at; at = &(*at)->next_session)
        if ((*at)->closed)
            oldest = at;
    gone = *oldest;
    *oldest = gone->next_session;
    principal_remove(peer->broker, gone);
    held_free(gone);
    free(gone);
    peer->session_closed--;
}

static void close_session(struct ipc_peer *peer, struct principal *session)
{
    struct pending *p = peer->calls;
    struct orb_err err;

    session->closed = true;
    orb_fail(&err, ORB_E_UNAUTHENTICATED, "the session of %s has ended", session->name);
    held_fail(session, &err);
    while (p) {
        struct pending *next = p->caller_next;

        if (p->who == session) {
            request_cancel(p);
            request_fail(p, &err);
        }
        p = next;
    }
    links_close(session);
    peer->session_count--;
    peer->session_closed++;
}

void sessions_close(struct ipc_peer *peer)
{
    for (struct principal *s = peer->sessions; s; s = s->next_session)
        if (!s->closed)
            close_session(peer, s);
}

static struct ipc_peer *find_peer(struct broker *broker, uint32_t id, struct orb_err *err)
{
    struct principal *who = principal_find(broker, id);

    if (who && who == &who->owner->self && !who->owner->dead)
        return who->owner;
    orb_fail(err, ORB_E_NOT_FOUND, "no peer %u", id);
    return NULL;
}

int broker_session_open(struct broker *broker, uint32_t peer_number, const char *user,
                        const char *role, uint32_t *ret_session, struct orb_err *err)
{
    struct ipc_peer *peer = find_peer(broker, peer_number, err);
    struct principal *session;

    if (!peer)
        return ORB_E_NOT_FOUND;
    if (!peer->delegate)
        return orb_fail(err, ORB_E_DENIED,
                        "%s may not act for users: it lacks the capability session.delegate",
                        peer->self.name);
    if (!role_rank(role))
        return orb_fail(err, ORB_E_INVALID,
                        "\"%.16s\" is no role; expected metrics, viewer, operator or admin", role);
    if (strlen(user) == 0 || strlen(user) >= sizeof(session->name))
        return orb_fail(err, ORB_E_INVALID, "a user name has 1 to %zu bytes",
                        sizeof(session->name) - 1);
    if (peer->session_count == PEER_MAX_SESSIONS)
        return orb_fail(err, ORB_E_LIMIT, "%s has %d sessions open already", peer->self.name,
                        PEER_MAX_SESSIONS);
    session = xcalloc(1, sizeof(*session));
    session->kind = PEER_TOKEN;
    session->owner = peer;
    session->rank = role_rank(role);
    snprintf(session->name, sizeof(session->name), "%s", user);
    snprintf(session->role, sizeof(session->role), "%s", role);
    principal_add(broker, session);
    session->next_session = peer->sessions;
    peer->sessions = session;
    peer->session_count++;
    rest_inherit(session);
    *ret_session = session->id;
    return 0;
}

int broker_session_close(struct broker *broker, uint32_t peer_number, uint32_t number,
                         struct orb_err *err)
{
    struct ipc_peer *peer = find_peer(broker, peer_number, err);
    struct principal *session;

    if (!peer)
        return ORB_E_NOT_FOUND;
    session = principal_find(broker, number);
    if (!session || session->owner != peer || session == &peer->self || session->closed)
        return orb_fail(err, ORB_E_NOT_FOUND, "%s has no session %u", peer->self.name, number);
    close_session(peer, session);
    forget_oldest(peer);
    return 0;
}

void broker_sessions_end(struct broker *broker, const char *user)
{
    for (struct ipc_peer *peer = broker->peers; peer; peer = peer->next) {
        for (struct principal *s = peer->sessions; s; s = s->next_session)
            if (!s->closed && !strcmp(s->name, user))
                close_session(peer, s);
        while (peer->session_closed > PEER_MAX_SESSIONS)
            forget_oldest(peer);
    }
}
