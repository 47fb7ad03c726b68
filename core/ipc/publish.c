/* Events: one publisher, many subscribers. A subscriber that does not read loses only its own
 * events: they are counted instead of sent, and GAP carries the count. Events published by others
 * never end a connection. */
#include "core/ipc/publish.h"

#include <string.h>

#include "core/base/json_write.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/offload.h"
#include "core/ipc/refusal.h"
#include "core/ipc/within.h"
#include "core/ipc/share.h"
#include "core/json/scan.h"

static void event_envelope(const struct ipc_interface *interface, const char *topic, struct buf *to)
{
    struct json_write w = json_write_to(to);

    json_write_object(&w, NULL);
    json_write_string(&w, "from", interface->name);
    json_write_string(&w, "topic", topic);
    json_write_end(&w);
}

/* Has the queue of the peer room for an event? */
static bool has_room(struct ipc_peer *peer, size_t len)
{
    if (conn_queued(&peer->conn) + len > peer_queue(peer, QUEUE_EVENTS))
        conn_flush(&peer->conn); /* within one turn nothing was offered to its socket yet */
    return conn_queued(&peer->conn) + len <= peer_queue(peer, QUEUE_EVENTS) &&
           share_has_room(peer, len, SHARE_LOSES);
}

static void miss(struct sub *sub)
{
    sub->dropped++;
    sub->peer->events_dropped++;
    sub->peer->broker->events_dropped++;
}

static void send_value(const struct ipc_interface *interface, const struct topic_value *value,
                       struct sub *sub)
{
    const struct contract_event *event =
        interface->contract ? contract_event(interface->contract, value->topic) : NULL;
    AUTO(buf) struct buf env = {0}, cut = {0};
    AUTO(within) struct within within = {0};
    const char *text = value->text;
    size_t len = value->len;

    if (within_applies(event, sub->peer)) {
        if (within_parse(event, text, len, &within, NULL) < 0)
            return;
        within_cut(event, sub->peer, &within, &cut);
        text = buf_str(&cut);
        len = cut.len;
    }
    event_envelope(interface, value->topic, &env);
    if (has_room(sub->peer, FRAME_HEADER + env.len + len))
        peer_send(sub->peer, &(struct frame){.type = FRAME_EVENT}, buf_str(&env), text, len);
    else
        miss(sub);
}

void publish_replay(const struct ipc_interface *interface, struct sub *sub)
{
    for (struct topic_value *v = interface->values; v; v = v->next) {
        if (!sub_matches(sub, v->topic))
            continue;
        if (sub->cb)
            sub->cb(sub->arg, interface->name, v->topic, v->text, v->len);
        else if (!sub->peer->conn.dead)
            send_value(interface, v, sub);
    }
}

static void send_gap(const struct ipc_interface *interface, struct sub *sub)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);

    json_write_object(&w, NULL);
    json_write_string(&w, "from", interface->name);
    json_write_string(&w, "topic", sub->topic);
    json_write_integer(&w, "count", (int64_t)sub->dropped);
    if (sub->ended)
        json_write_boolean(&w, "ended", true);
    json_write_end(&w);
    sub->dropped = 0;
    peer_send(sub->peer, &(struct frame){.type = FRAME_GAP}, NULL, buf_str(&text), text.len);
}

/* What the peer missed of one interface. false: its queue is full again. */
static bool tell_gaps(struct ipc_interface *interface, struct ipc_peer *peer)
{
    for (struct sub **at = &interface->subs, *sub; (sub = *at);) {
        if (sub->peer != peer || !sub->dropped) {
            at = &sub->next;
            continue;
        }
        if (conn_queued(&peer->conn) > peer_queue(peer, QUEUE_EVENTS) - 2 * INTERFACE_VALUES_MAX)
            return false;
        send_gap(interface, sub);
        if (sub->ended) {
            sub_drop(at);
            continue;
        }
        publish_replay(interface, sub);
        at = &sub->next;
    }
    return true;
}

bool publish_gaps(struct ipc_peer *peer)
{
    struct ipc_interface *next;

    for (struct ipc_interface *i = peer->broker->interfaces; i && peer->sub_count; i = next) {
        next = i->next;
        if (!tell_gaps(i, peer))
            return false;
        interface_maybe_free(peer->broker, i);
    }
    return true;
}

/* A frame for one subscriber, or a mark that it missed one. */
static void deliver(struct sub *sub, const struct contract_event *event, const unsigned char *head,
                    size_t head_len, const char *text, size_t len)
{
    struct ipc_peer *peer = sub->peer;

    if (peer->conn.dead)
        return;
    if (sub->dropped || !has_room(peer, head_len + len)) {
        miss(sub);
        sub->ended |= event->class == CLASS_STRICT;
        return;
    }
    peer_pass(peer, head, head_len);
    conn_send(&peer->conn, (const unsigned char *)text, len);
}

/* Header and envelope of an event's frame, valid until the end of the turn, like text. */
static unsigned char *make_head(struct broker *broker, const struct ipc_interface *interface,
                                const struct contract_event *event, size_t len, size_t *ret_len)
{
    AUTO(buf) struct buf env = {0};
    struct frame h = {.type = FRAME_EVENT};
    unsigned char *head;

    event_envelope(interface, event->name, &env);
    *ret_len = FRAME_HEADER + env.len;
    h.envlen = (uint16_t)env.len;
    h.len = (uint32_t)(env.len + len);
    head = turn_memory_get(&broker->conns.memory, *ret_len);
    frame_put(head, &h);
    memcpy(head + FRAME_HEADER, buf_str(&env), env.len);
    return head;
}

static void deliver_cut(struct ipc_interface *interface, struct sub *sub,
                        const struct contract_event *event, const struct within *within)
{
    AUTO(buf) struct buf cut = {0};
    unsigned char *head, *text;
    size_t head_len;

    within_cut(event, sub->peer, within, &cut);
    head = make_head(sub->peer->broker, interface, event, cut.len, &head_len);
    text = turn_memory_get(&sub->peer->broker->conns.memory, cut.len);
    memcpy(text, buf_str(&cut), cut.len);
    deliver(sub, event, head, head_len, (char *)text, cut.len);
}

/* text is valid until the end of the turn; within: the filter of an event with "within". */
static void distribute(struct broker *broker, struct ipc_interface *interface,
                       const struct contract_event *event, const char *text, size_t len,
                       const struct within *within)
{
    unsigned char *head = NULL;
    size_t head_len = 0;

    broker->events++;
    for (struct sub *sub = interface->subs, *next; sub; sub = next) {
        next = sub->next;
        if (!sub_matches(sub, event->name))
            continue;
        if (sub->cb) {
            sub->cb(sub->arg, interface->name, event->name, text, len);
            continue;
        }
        if (within_applies(event, sub->peer)) {
            deliver_cut(interface, sub, event, within);
            continue;
        }
        if (!head)
            head = make_head(broker, interface, event, len, &head_len);
        deliver(sub, event, head, head_len, text, len);
    }
    if (event->class == CLASS_STATE)
        interface_keep(interface, event->name, text, len);
}

int publish_event(struct ipc_peer *peer, struct ipc_interface *interface, const char *topic,
                  const struct inframe *in, struct orb_err *err)
{
    const char *text = in->payload;
    size_t len = in->len;
    const struct contract_event *event = contract_event(interface->contract, topic);
    AUTO(within) struct within within = {0};
    int r;

    if (!event)
        return orb_fail(err, ORB_E_NOT_FOUND, "the contract of %s has no event \"%.48s\"",
                        interface->name, topic);
    if (len + 256 > FRAME_MAX)
        return orb_fail(err, ORB_E_LIMIT, "an event of %zu bytes; at most %u", len,
                        FRAME_MAX - 256);
    r = offload_check(peer, interface->contract, event->payload, in, err);
    if (r == CHECK_LATER)
        return r;
    if (r == 0 && event->within)
        r = within_parse(event, text, len, &within, err);
    if (r == 0 && event->class == CLASS_STATE)
        r = interface_may_keep(interface, event->name, len, err);
    if (r < 0)
        return orb_wrap(err, "event %s/%s", interface->name, topic);
    distribute(peer->broker, interface, event, text, len, &within);
    return 0;
}

void publish_on_pub(struct ipc_peer *peer, struct inframe *in)
{
    struct ipc_interface *interface;
    struct orb_err err;
    char topic[64];
    int r = 0;

    interface = peer->contract ? interface_find(peer->broker, peer->contract->interface) : NULL;
    if (!interface || interface->provider != peer)
        r = orb_fail(&err, ORB_E_INVALID, "%s provides no interface to publish on",
                     peer->self.name);
    if (r == 0 && in->h.envlen)
        r = scan_json(in->env, in->h.envlen, NULL, &err);
    if (r == 0)
        r = inframe_string(in, "topic", topic, sizeof(topic), &err);
    if (r == 0)
        r = publish_event(peer, interface, topic, in, &err);
    if (r >= 0)
        return;
    refusal_count(peer, &err);
    refusal_log(peer, "ipc.bad-event", &err);
    if (in->h.corr)
        refusal_send(peer, in->h.corr, &err);
}
