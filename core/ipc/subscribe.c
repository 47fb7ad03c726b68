/* SUB and UNSUB. */
#include "core/ipc/subscribe.h"

#include <string.h>

#include "core/base/suggest.h"
#include "core/base/xalloc.h"
#include "core/ipc/access.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/publish.h"
#include "core/ipc/refusal.h"
#include "core/ipc/resolve.h"

static int check_topic(const struct ipc_interface *interface, const char *topic,
                       struct orb_err *err)
{
    const struct contract *c = interface->contract;
    const char *names[CONTRACT_MAX_EVENTS];
    AUTO(buf) struct buf all = {0};
    const char *near;

    if (!strcmp(topic, "*") || contract_event(c, topic))
        return 0;
    for (size_t i = 0; i < c->event_count; i++) {
        names[i] = c->events[i].name;
        if (all.len < 250)
            buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    near = suggest_nearest(topic, names, c->event_count);
    if (near)
        return orb_fail(err, ORB_E_NOT_FOUND, "%s has no topic \"%.48s\"; did you mean %s?",
                        interface->name, topic, near);
    return orb_fail(err, ORB_E_NOT_FOUND, "%s has no topic \"%.48s\"; it has %s", interface->name,
                    topic, c->event_count ? buf_str(&all) : "none");
}

static bool is_known(struct broker *broker, const char *name)
{
    const struct ipc_interface *interface = interface_find(broker, name);

    return interface && interface->known;
}

/* A service with the capability may subscribe before anything provides the interface. */
static int find_source(struct ipc_peer *peer, const char *to, const char *topic,
                       struct ipc_interface **ret_interface, struct orb_err *err)
{
    AUTO_FREE char *name = xstrndup(to, strcspn(to, "@"));
    struct ipc_interface unknown = {.name = name};
    int r = access_names(&peer->self, GRANT_SUBSCRIBE, to, topic, err);

    if (r == 0)
        r = resolve_interface(peer->broker, to, &peer->self, ret_interface, err);
    if (r == 0)
        r = check_topic(*ret_interface, topic, err);
    if (r == 0)
        return access_topic(&peer->self, *ret_interface, topic, err);
    if (r != ORB_E_NOT_FOUND || peer->client || is_known(peer->broker, name))
        return r;
    if (access_topic(&peer->self, &unknown, topic, NULL) < 0)
        return r;
    *ret_interface = interface_find(peer->broker, name);
    if (*ret_interface && sub_find(*ret_interface, peer, topic))
        return 0;
    *ret_interface = interface_get_early(peer, name, err);
    return *ret_interface ? 0 : err->code;
}

static int subscribe(struct ipc_peer *peer, const char *to, const char *topic,
                     struct ipc_interface **ret_interface, struct sub **ret_sub,
                     struct orb_err *err)
{
    struct ipc_interface *interface;
    int r;

    r = find_source(peer, to, topic, &interface, err);
    if (r < 0)
        return r;
    *ret_interface = interface;
    *ret_sub = sub_find(interface, peer, topic);
    if (*ret_sub)
        return 0;
    if (sub_find(interface, peer, "*"))
        return orb_fail(err, ORB_E_CONFLICT, "%s is subscribed to all topics of %s already",
                        peer->self.name, interface->name);
    if (peer->sub_count == SUBSCRIBE_MAX) {
        interface_maybe_free(peer->broker, interface);
        return orb_fail(err, ORB_E_LIMIT, "%s has %d subscriptions already", peer->self.name,
                        SUBSCRIBE_MAX);
    }
    *ret_sub = sub_add(interface, peer, topic);
    return 0;
}

/* Reads to and topic of SUB and UNSUB. */
static int source_of(struct inframe *in, char to[96], char topic[52], struct orb_err *err)
{
    int r = inframe_string(in, "to", to, 96, err);

    if (r == 0)
        r = inframe_string(in, "topic", topic, 52, err);
    if (r == 0 && (!to[0] || !topic[0]))
        r = orb_fail(err, ORB_E_INVALID,
                     "\"to\" and \"topic\" are needed, "
                     "for example {\"to\":\"config\",\"topic\":\"committed\"}");
    return r;
}

void subscribe_on_sub(struct ipc_peer *peer, struct inframe *in)
{
    struct ipc_interface *interface = NULL;
    struct sub *sub;
    struct orb_err err;
    char to[96], topic[52];
    int r = source_of(in, to, topic, &err);

    if (r == 0)
        r = subscribe(peer, to, topic, &interface, &sub, &err);
    if (r < 0) {
        refusal_answer(peer, in->h.corr, &err);
        return;
    }
    peer_send(peer, &(struct frame){.type = FRAME_REP, .corr = in->h.corr}, NULL, "{}", 2);
    publish_replay(interface, sub);
}

void subscribe_on_unsub(struct ipc_peer *peer, struct inframe *in)
{
    struct ipc_interface *interface = NULL;
    struct sub **at;
    struct orb_err err;
    char to[96], topic[52];
    int r = source_of(in, to, topic, &err);

    if (r == 0) {
        to[strcspn(to, "@")] = '\0';
        interface = interface_find(peer->broker, to);
    }
    for (at = interface ? &interface->subs : NULL; at && *at; at = &(*at)->next)
        if ((*at)->peer == peer && !strcmp((*at)->topic, topic))
            break;
    if (r == 0 && (!at || !*at))
        r = orb_fail(&err, ORB_E_NOT_FOUND, "%s is not subscribed to %s/%s", peer->self.name, to,
                     topic);
    if (r < 0) {
        refusal_send(peer, in->h.corr, &err);
        return;
    }
    sub_drop(at);
    interface_maybe_free(peer->broker, interface);
    peer_send(peer, &(struct frame){.type = FRAME_REP, .corr = in->h.corr}, NULL, "{}", 2);
}
