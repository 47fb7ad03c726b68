/* The first frame and its answer: who the peer is, and the numbers its methods go by. */
#include <string.h>

#include "core/ipc/room.h"
#include "core/json/scan.h"

static void add_methods(struct buf *to, const struct contract *contract, bool *first)
{
    for (size_t i = 0; contract && i < contract->method_count; i++) {
        buf_addf(to, "%s\"%s/%s\"", *first ? "" : ",", contract->interface,
                 contract->methods[i].name);
        *first = false;
    }
}

static void welcome(struct ipc_peer *peer, uint32_t corr)
{
    AUTO(buf) struct buf text = {0};
    const struct principal *self = &peer->self;
    bool first = true;

    buf_addf(&text, "{\"peer\":%u,\"abi\":%d,", self->id, IPC_ABI);
    buf_adds(&text, peer->client ? "\"user\":" : "\"service\":");
    buf_add_json(&text, self->name, strlen(self->name));
    if (peer->client) {
        buf_adds(&text, ",\"role\":");
        buf_add_json(&text, self->role, strlen(self->role));
    } else {
        if (peer->contract)
            buf_addf(&text, ",\"interface\":\"%s\",\"version\":\"%s\"", peer->contract->interface,
                     peer->contract->version);
        buf_adds(&text, ",\"methods\":[");
        add_methods(&text, peer->contract, &first);
        add_methods(&text, peer->service_contract, &first);
        buf_addc(&text, ']');
    }
    buf_addf(&text,
             ",\"limits\":{\"frame\":%u,\"envelope\":%u,\"in-flight\":%d,\"in-flight-bytes\":%u,"
             "\"queue\":%u,\"routes\":%d,\"subscriptions\":%d}",
             FRAME_MAX, FRAME_MAX_ENVELOPE, LINK_MAX_REQUESTS, LINK_MAX_BYTES, PEER_QUEUE_MAX,
             PEER_MAX_ROUTES, PEER_MAX_SUBS);
    if (peer->welcome)
        buf_addf(&text, ",%s", peer->welcome);
    buf_addc(&text, '}');
    if (text.len > FRAME_MAX) {
        struct orb_err err;

        orb_fail(&err, ORB_E_LIMIT, "the welcome of %s is over %u bytes", self->name, FRAME_MAX);
        peer_end(peer, &err);
        return;
    }
    peer_send(peer, &(struct frame){.type = FRAME_WELCOME, .corr = corr}, NULL, buf_str(&text),
              text.len);
}

void peer_on_hello(struct ipc_peer *peer, struct inframe *in)
{
    struct json_slice value;
    struct orb_err err;
    int64_t abi;

    if (!in->h.envlen || !json_member(in->env, in->h.envlen, "abi", &value) ||
        json_int64(&value, &abi) < 0) {
        orb_fail(&err, ORB_E_PROTOCOL, "HELLO without \"abi\"; expected {\"abi\":%d}", IPC_ABI);
        peer_throw(peer, &err);
        return;
    }
    if (abi != IPC_ABI) {
        orb_fail(&err, ORB_E_VERSION, "this host speaks abi %d, %s speaks %lld", IPC_ABI,
                 peer->self.name, (long long)abi);
        peer_throw(peer, &err);
        return;
    }
    peer->greeted = true;
    welcome(peer, in->h.corr);
    if (peer->events && peer->events->hello)
        peer->events->hello(peer->arg);
}
