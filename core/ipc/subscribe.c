/* Subscriptions: SUB and UNSUB, and those of the host itself. */
#include <string.h>

#include "core/base/suggest.h"
#include "core/ipc/room.h"
#include "core/json/scan.h"

static struct sub *find_sub(struct iface *iface, const struct ipc_peer *peer, const char *topic)
{
    struct sub *sub = iface->subs;

    while (sub && !(sub->peer == peer && !sub->cb && !strcmp(sub->topic, topic)))
        sub = sub->next;
    return sub;
}

static int check_topic(const struct iface *iface, const char *topic, struct orb_err *err)
{
    const struct contract *c = iface->contract;
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
                        iface->name, topic, near);
    return orb_fail(err, ORB_E_NOT_FOUND, "%s has no topic \"%.48s\"; it has %s", iface->name,
                    topic, c->event_count ? buf_str(&all) : "none");
}

static bool is_known(struct broker *broker, const char *name)
{
    const struct iface *iface = iface_find(broker, name);

    return iface && iface->known;
}

/* A service with the capability may subscribe before anybody provides the interface. */
static int find_source(struct ipc_peer *peer, const char *to, const char *topic,
                       struct iface **ret_iface, struct orb_err *err)
{
    AUTO_FREE char *name = xstrndup(to, strcspn(to, "@"));
    struct iface unknown = {.name = name};
    int r = route_interface(peer->broker, to, ret_iface, err);

    if (r == 0)
        r = check_topic(*ret_iface, topic, err);
    if (r == 0)
        return route_access_event(&peer->self, *ret_iface, topic, err);
    if (r != ORB_E_NOT_FOUND || peer->client || is_known(peer->broker, name))
        return r;
    if (route_access_event(&peer->self, &unknown, topic, NULL) < 0)
        return r;
    *ret_iface = iface_find(peer->broker, name);
    if (*ret_iface && find_sub(*ret_iface, peer, topic))
        return 0;
    *ret_iface = iface_get_early(peer, name, err);
    return *ret_iface ? 0 : err->code;
}

static int subscribe(struct ipc_peer *peer, const char *to, const char *topic,
                     struct iface **ret_iface, struct sub **ret_sub, struct orb_err *err)
{
    struct iface *iface;
    struct sub *sub;
    int r;

    r = find_source(peer, to, topic, &iface, err);
    if (r < 0)
        return r;
    *ret_iface = iface;
    *ret_sub = find_sub(iface, peer, topic);
    if (*ret_sub)
        return 0;
    if (find_sub(iface, peer, "*"))
        return orb_fail(err, ORB_E_CONFLICT, "%s is subscribed to all topics of %s already",
                        peer->self.name, iface->name);
    if (peer->sub_count == PEER_MAX_SUBS) {
        iface_maybe_free(peer->broker, iface);
        return orb_fail(err, ORB_E_LIMIT, "%s has %d subscriptions already", peer->self.name,
                        PEER_MAX_SUBS);
    }
    sub = xcalloc(1, sizeof(*sub));
    sub->peer = peer;
    sub->early = !iface->known;
    peer->early_count += sub->early;
    snprintf(sub->topic, sizeof(sub->topic), "%s", topic);
    sub->next = iface->subs;
    iface->subs = sub;
    peer->sub_count++;
    *ret_sub = sub;
    return 0;
}

/* Reads to and topic of SUB and UNSUB. */
static int source_of(struct inframe *in, char to[96], char topic[52], struct orb_err *err)
{
    int r = envelope_string(in, "to", to, 96, err);

    if (r == 0)
        r = envelope_string(in, "topic", topic, 52, err);
    if (r == 0 && (!to[0] || !topic[0]))
        r = orb_fail(err, ORB_E_INVALID,
                     "\"to\" and \"topic\" are needed, for example {\"to\":\"config\","
                     "\"topic\":\"committed\"}");
    return r;
}

void publish_on_sub(struct ipc_peer *peer, struct inframe *in)
{
    struct iface *iface = NULL;
    struct sub *sub;
    struct orb_err err;
    char to[96], topic[52];
    int r = source_of(in, to, topic, &err);

    if (r == 0)
        r = subscribe(peer, to, topic, &iface, &sub, &err);
    if (r < 0) {
        request_count(peer, &err);
        peer_send_err(peer, in->h.corr, &err);
        return;
    }
    peer_send(peer, &(struct frame){.type = FRAME_REP, .corr = in->h.corr}, NULL, "{}", 2);
    publish_replay(iface, sub);
}

void sub_drop(struct sub **at)
{
    struct sub *sub = *at;

    *at = sub->next;
    sub->peer->sub_count--;
    sub->peer->early_count -= sub->early;
    free(sub);
}

void publish_on_unsub(struct ipc_peer *peer, struct inframe *in)
{
    struct iface *iface = NULL;
    struct sub **at;
    struct orb_err err;
    char to[96], topic[52];
    int r = source_of(in, to, topic, &err);

    if (r == 0) {
        to[strcspn(to, "@")] = '\0';
        iface = iface_find(peer->broker, to);
    }
    for (at = iface ? &iface->subs : NULL; at && *at; at = &(*at)->next)
        if ((*at)->peer == peer && !strcmp((*at)->topic, topic))
            break;
    if (r == 0 && (!at || !*at))
        r = orb_fail(&err, ORB_E_NOT_FOUND, "%s does not hear %s/%s", peer->self.name, to, topic);
    if (r < 0) {
        peer_send_err(peer, in->h.corr, &err);
        return;
    }
    sub_drop(at);
    iface_maybe_free(peer->broker, iface);
    peer_send(peer, &(struct frame){.type = FRAME_REP, .corr = in->h.corr}, NULL, "{}", 2);
}

int broker_subscribe(struct broker *broker, const char *interface, const char *topic,
                     host_event *cb, void *arg, struct orb_err *err)
{
    struct iface *iface = iface_get(broker, interface, err);
    struct sub *sub;

    if (!iface)
        return err ? err->code : ORB_E_LIMIT;
    if (strlen(topic) >= sizeof(sub->topic))
        return orb_fail(err, ORB_E_INVALID, "topic \"%.60s\" is too long", topic);
    sub = xcalloc(1, sizeof(*sub));
    snprintf(sub->topic, sizeof(sub->topic), "%s", topic);
    sub->cb = cb;
    sub->arg = arg;
    sub->next = iface->subs;
    iface->subs = sub;
    publish_replay(iface, sub);
    return 0;
}

void subs_leave(struct ipc_peer *peer)
{
    struct iface *next;

    for (struct iface *i = peer->broker->ifaces; i && peer->sub_count; i = next) {
        next = i->next;
        for (struct sub **at = &i->subs; *at;) {
            if ((*at)->peer == peer)
                sub_drop(at);
            else
                at = &(*at)->next;
        }
        iface_maybe_free(peer->broker, i);
    }
}
