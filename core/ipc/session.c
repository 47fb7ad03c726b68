/* Sessions: opened and closed by the service that acts for a user, ended with the user's rights. */
#include "core/ipc/session.h"

#include <string.h>

#include "core/base/xalloc.h"
#include "core/ipc/access.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/held.h"
#include "core/ipc/inflight.h"
#include "core/ipc/request.h"

#define SESSIONS_MAX 1024 /* open ones of a peer; as many closed ones are kept */

static void drop(struct ipc_peer *peer, struct principal *session)
{
    principal_remove(&peer->broker->principals, session);
    held_free(session);
    free(session);
}

/* Keeps at most SESSIONS_MAX closed ones: frees the oldest, which is the last. */
static void forget_oldest(struct ipc_peer *peer)
{
    struct principal **at = &peer->sessions, **oldest = NULL, *gone;

    if (peer->session_closed <= SESSIONS_MAX)
        return;
    for (; *at; at = &(*at)->next_session)
        if ((*at)->closed)
            oldest = at;
    gone = *oldest;
    *oldest = gone->next_session;
    drop(peer, gone);
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
    inflight_close(session);
    peer->session_count--;
    peer->session_closed++;
}

void session_close_all(struct ipc_peer *peer)
{
    for (struct principal *s = peer->sessions; s; s = s->next_session)
        if (!s->closed)
            close_session(peer, s);
}

static struct ipc_peer *find_peer(struct broker *broker, uint32_t id, struct orb_err *err)
{
    struct principal *who = principal_find(&broker->principals, id);

    if (who && who == &who->owner->self && !who->owner->conn.dead)
        return who->owner;
    orb_fail(err, ORB_E_NOT_FOUND, "no peer %u", id);
    return NULL;
}

int session_open(struct broker *broker, uint32_t peer_number, const char *user, const char *role,
                 int64_t made_us, uint32_t *ret_session, struct orb_err *err)
{
    struct ipc_peer *peer = find_peer(broker, peer_number, err);
    struct principal *session;

    if (!peer)
        return ORB_E_NOT_FOUND;
    if (!peer->delegate)
        return orb_fail(err, ORB_E_DENIED,
                        "%s may not act for users: it lacks the capability session.delegate",
                        peer->self.name);
    if (!access_rank(role))
        return orb_fail(err, ORB_E_INVALID,
                        "\"%.16s\" is no role; expected metrics, viewer, operator or admin", role);
    if (strlen(user) == 0 || strlen(user) >= sizeof(session->name))
        return orb_fail(err, ORB_E_INVALID, "a user name has 1 to %zu bytes",
                        sizeof(session->name) - 1);
    if (peer->session_count == SESSIONS_MAX)
        return orb_fail(err, ORB_E_LIMIT, "%s has %d sessions open already", peer->self.name,
                        SESSIONS_MAX);
    session = xcalloc(1, sizeof(*session));
    session->kind = PEER_TOKEN;
    session->owner = peer;
    session->rank = access_rank(role);
    session->made_us = made_us;
    snprintf(session->name, sizeof(session->name), "%s", user);
    snprintf(session->role, sizeof(session->role), "%s", role);
    principal_add(&broker->principals, session);
    session->next_session = peer->sessions;
    peer->sessions = session;
    peer->session_count++;
    held_inherit(session);
    *ret_session = session->id;
    return 0;
}

int session_close(struct broker *broker, uint32_t peer_number, uint32_t number, struct orb_err *err)
{
    struct ipc_peer *peer = find_peer(broker, peer_number, err);
    struct principal *session;

    if (!peer)
        return ORB_E_NOT_FOUND;
    session = principal_find(&broker->principals, number);
    if (!session || session->owner != peer || session == &peer->self || session->closed)
        return orb_fail(err, ORB_E_NOT_FOUND, "%s has no session %u", peer->self.name, number);
    close_session(peer, session);
    forget_oldest(peer);
    return 0;
}

void session_end_user(struct broker *broker, const char *user)
{
    for (struct ipc_peer *peer = broker->peers; peer; peer = peer->next) {
        for (struct principal *s = peer->sessions; s; s = s->next_session)
            if (!s->closed && !strcmp(s->name, user))
                close_session(peer, s);
        while (peer->session_closed > SESSIONS_MAX)
            forget_oldest(peer);
    }
}

void session_free_all(struct ipc_peer *peer)
{
    while (peer->sessions) {
        struct principal *session = peer->sessions;

        peer->sessions = session->next_session;
        drop(peer, session);
    }
}
