/* Events: one publisher, many subscribers. A subscriber that does not read costs its own queue and
 * nothing else: its events are counted instead of sent, and GAP tells it how many. */
#include <string.h>

#include "core/ipc/room.h"
#include "core/json/scan.h"

static bool hears(const struct sub *sub, const char *topic)
{
    return strcmp(sub->topic, "*") == 0 || strcmp(sub->topic, topic) == 0;
}

static void event_envelope(const struct iface *iface, const char *topic, struct buf *to)
{
    buf_addf(to, "{\"from\":\"%s\",\"topic\":\"%s\"}", iface->name, topic);
}

static void send_value(const struct iface *iface, const struct topic_value *value,
                       struct ipc_peer *peer)
{
    AUTO(buf) struct buf env = {0};

    event_envelope(iface, value->topic, &env);
    peer_send(peer, &(struct frame){.type = FRAME_EVENT}, buf_str(&env), value->text, value->len);
}

static void replay(const struct iface *iface, const struct sub *sub)
{
    for (struct topic_value *v = iface->values; v; v = v->next) {
        if (!hears(sub, v->topic))
            continue;
        if (sub->cb)
            sub->cb(sub->arg, iface->name, v->topic, v->text, v->len);
        else
            send_value(iface, v, sub->peer);
    }
}

static void send_gap(const struct iface *iface, struct sub *sub)
{
    AUTO(buf) struct buf text = {0};

    buf_addf(&text, "{\"from\":\"%s\",\"topic\":\"%s\",\"count\":%llu}", iface->name, sub->topic,
             (unsigned long long)sub->dropped);
    sub->dropped = 0;
    peer_send(sub->peer, &(struct frame){.type = FRAME_GAP}, NULL, buf_str(&text), text.len);
}

void publish_gaps(struct ipc_peer *peer)
{
    if (!peer->sub_count)
        return;
    for (struct iface *i = peer->broker->ifaces; i; i = i->next)
        for (struct sub *s = i->subs; s; s = s->next)
            if (s->peer == peer && s->dropped) {
                send_gap(i, s);
                replay(i, s);
            }
}

/* A frame for one subscriber, or a mark that it missed one. */
static void deliver(struct sub *sub, const struct contract_event *event, const char *from,
                    const unsigned char *head, size_t head_len, const char *text, size_t len)
{
    struct ipc_peer *peer = sub->peer;
    struct orb_err err;

    if (peer->dead)
        return;
    if (!sub->dropped && peer_queued(peer) + head_len + len > PEER_QUEUE_EVENTS)
        peer_flush(peer); /* within one turn nothing was offered to its socket yet */
    if (!sub->dropped && peer_queued(peer) + head_len + len <= PEER_QUEUE_EVENTS) {
        peer->frames_out++;
        peer->broker->frames_out++;
        peer_send_borrowed(peer, head, head_len);
        peer_send_borrowed(peer, (const unsigned char *)text, len);
        return;
    }
    if (event->class == CLASS_STRICT) {
        orb_fail(&err, ORB_E_LIMIT, "%s does not keep up with %s/%s, which may not be missed",
                 peer->self.name, from, event->name);
        peer_end(peer, &err);
        return;
    }
    sub->dropped++;
    peer->events_dropped++;
    peer->broker->events_dropped++;
}

/* text lives until the end of the turn. */
static void distribute(struct broker *broker, struct iface *iface,
                       const struct contract_event *event, const char *text, size_t len)
{
    AUTO(buf) struct buf env = {0};
    struct frame h = {.type = FRAME_EVENT};
    unsigned char *head = NULL;
    size_t head_len = 0;

    broker->events++;
    for (struct sub *sub = iface->subs, *next; sub; sub = next) {
        next = sub->next;
        if (!hears(sub, event->name))
            continue;
        if (sub->cb) {
            sub->cb(sub->arg, iface->name, event->name, text, len);
            continue;
        }
        if (!head) {
            event_envelope(iface, event->name, &env);
            head_len = FRAME_HEADER + env.len;
            h.envlen = (uint16_t)env.len;
            h.len = (uint32_t)(env.len + len);
            head = scratch_get(broker, head_len);
            frame_put(head, &h);
            memcpy(head + FRAME_HEADER, buf_str(&env), env.len);
        }
        deliver(sub, event, iface->name, head, head_len, text, len);
    }
    if (event->class == CLASS_STATE)
        iface_keep(iface, event->name, text, len);
}

static int publish(struct broker *broker, struct iface *iface, const char *topic, const char *text,
                   size_t len, struct orb_err *err)
{
    const struct contract_event *event = contract_event(iface->contract, topic);
    int r;

    if (!event)
        return orb_fail(err, ORB_E_NOT_FOUND, "the contract of %s has no event \"%.48s\"",
                        iface->name, topic);
    if (len + 256 > FRAME_MAX)
        return orb_fail(err, ORB_E_LIMIT, "an event of %zu bytes; at most %u", len,
                        FRAME_MAX - 256);
    r = json_scan(text, len, NULL, err);
    if (r == 0)
        r = schema_check(event->payload, text, len, "", err);
    if (r < 0)
        return orb_wrap(err, "event %s/%s", iface->name, topic);
    distribute(broker, iface, event, text, len);
    return 0;
}

void publish_on_pub(struct ipc_peer *peer, struct inframe *in)
{
    struct iface *iface;
    struct orb_err err;
    char topic[64];
    int r = 0;

    iface = peer->contract ? iface_find(peer->broker, peer->contract->interface) : NULL;
    if (!iface || iface->provider != peer)
        r = orb_fail(&err, ORB_E_INVALID, "%s provides no interface to publish on",
                     peer->self.name);
    if (r == 0 && in->h.envlen)
        r = json_scan(in->env, in->h.envlen, NULL, &err);
    if (r == 0)
        r = envelope_string(in, "topic", topic, sizeof(topic), &err);
    if (r == 0)
        r = publish(peer->broker, iface, topic, in->payload, in->len, &err);
    if (r == 0)
        return;
    request_count(peer, &err);
    peer_complain(peer, "ipc.bad-event", &err);
    if (in->h.corr)
        peer_send_err(peer, in->h.corr, &err);
}

int broker_publish(struct broker *broker, const char *interface, const char *topic,
                   const char *text, size_t len, struct orb_err *err)
{
    struct iface *iface = iface_find(broker, interface);
    struct orb_err local;
    unsigned char *copy;

    if (!err)
        err = &local;
    if (!iface || iface->provider != broker->host)
        return orb_fail(err, ORB_E_NOT_FOUND, "the host does not provide %s", interface);
    if (len > FRAME_MAX)
        return orb_fail(err, ORB_E_LIMIT, "an event of %zu bytes; at most %u", len, FRAME_MAX);
    copy = scratch_get(broker, len);
    memcpy(copy, text, len);
    return publish(broker, iface, topic, (char *)copy, len, err);
}

static struct sub *find_sub(struct iface *iface, const struct ipc_peer *peer, const char *topic)
{
    struct sub *sub = iface->subs;

    while (sub && !(sub->peer == peer && !sub->cb && strcmp(sub->topic, topic) == 0))
        sub = sub->next;
    return sub;
}

static int check_topic(const struct iface *iface, const char *topic, struct orb_err *err)
{
    const struct contract *c = iface->contract;
    const char *names[CONTRACT_MAX_EVENTS];
    AUTO(buf) struct buf all = {0};
    const char *near;

    if (strcmp(topic, "*") == 0 || contract_event(c, topic))
        return 0;
    for (size_t i = 0; i < c->event_count; i++) {
        names[i] = c->events[i].name;
        if (all.len < 250)
            buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    near = nearest_name(topic, names, c->event_count);
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
        return orb_fail(err, ORB_E_CONFLICT, "%s hears all topics of %s already", peer->self.name,
                        iface->name);
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
    replay(iface, sub);
}

void publish_on_unsub(struct ipc_peer *peer, struct inframe *in)
{
    struct iface *iface = NULL;
    struct sub **at, *sub;
    struct orb_err err;
    char to[96], topic[52];
    int r = source_of(in, to, topic, &err);

    if (r == 0) {
        to[strcspn(to, "@")] = '\0';
        iface = iface_find(peer->broker, to);
    }
    for (at = iface ? &iface->subs : NULL; at && *at; at = &(*at)->next)
        if ((*at)->peer == peer && strcmp((*at)->topic, topic) == 0)
            break;
    if (r == 0 && (!at || !*at))
        r = orb_fail(&err, ORB_E_NOT_FOUND, "%s does not hear %s/%s", peer->self.name, to, topic);
    if (r < 0) {
        peer_send_err(peer, in->h.corr, &err);
        return;
    }
    sub = *at;
    *at = sub->next;
    peer->sub_count--;
    peer->early_count -= sub->early;
    free(sub);
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
    replay(iface, sub);
    return 0;
}

void subs_leave(struct ipc_peer *peer)
{
    struct iface *next;

    for (struct iface *i = peer->broker->ifaces; i && peer->sub_count; i = next) {
        next = i->next;
        for (struct sub **at = &i->subs; *at;) {
            struct sub *sub = *at;

            if (sub->peer == peer) {
                *at = sub->next;
                peer->sub_count--;
                peer->early_count -= sub->early;
                free(sub);
            } else {
                at = &sub->next;
            }
        }
        iface_maybe_free(peer->broker, i);
    }
}
