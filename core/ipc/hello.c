/* HELLO and WELCOME. */
#include "core/ipc/hello.h"

#include "core/base/json_write.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/inflight.h"
#include "core/ipc/refusal.h"
#include "core/ipc/resolve.h"
#include "core/ipc/subscribe.h"
#include "core/json/scan.h"

static void write_methods(struct json_write *w, const struct contract *contract)
{
    for (size_t i = 0; contract && i < contract->method_count; i++)
        json_write_format(w, NULL, "%s/%s", contract->interface, contract->methods[i].name);
}

static void write_limits(const struct ipc_peer *peer, struct json_write *w)
{
    json_write_object(w, "limits");
    json_write_integer(w, "frame", FRAME_MAX);
    json_write_integer(w, "envelope", FRAME_MAX_ENVELOPE);
    json_write_integer(w, "in-flight", INFLIGHT_MAX_REQUESTS);
    json_write_integer(w, "in-flight-bytes", INFLIGHT_MAX_BYTES);
    json_write_integer(w, "queue", (int64_t)peer->conn.queue_max);
    json_write_integer(w, "routes", HANDLES_MAX);
    json_write_integer(w, "subscriptions", SUBSCRIBE_MAX);
    json_write_end(w);
}

static void welcome(struct ipc_peer *peer, uint32_t corr)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);
    const struct principal *self = &peer->self;

    json_write_object(&w, NULL);
    json_write_integer(&w, "peer", self->id);
    json_write_integer(&w, "abi", IPC_ABI);
    json_write_string(&w, peer->client ? "user" : "service", self->name);
    if (peer->client) {
        json_write_string(&w, "role", self->role);
    } else {
        if (peer->contract) {
            json_write_string(&w, "interface", peer->contract->interface);
            json_write_string(&w, "version", peer->contract->version);
        }
        json_write_array(&w, "methods");
        write_methods(&w, peer->contract);
        write_methods(&w, peer->service_contract);
        json_write_end(&w);
    }
    write_limits(peer, &w);
    if (peer->events && peer->events->welcome)
        peer->events->welcome(peer->arg, &w);
    json_write_end(&w);
    if (text.len > FRAME_MAX) {
        struct orb_err err;

        orb_fail(&err, ORB_E_LIMIT, "the welcome of %s is over %u bytes", self->name, FRAME_MAX);
        conn_end(&peer->conn, &err);
        return;
    }
    peer_send(peer, &(struct frame){.type = FRAME_WELCOME, .corr = corr}, NULL, buf_str(&text),
              text.len);
}

void hello_on_frame(struct ipc_peer *peer, struct inframe *in)
{
    struct json_slice value;
    struct orb_err err;
    int64_t abi;

    if (!in->h.envlen || !json_member(in->env, in->h.envlen, "abi", &value) ||
        json_int64(&value, &abi) < 0) {
        orb_fail(&err, ORB_E_PROTOCOL, "HELLO without \"abi\"; expected {\"abi\":%d}", IPC_ABI);
        refusal_disconnect(peer, &err);
        return;
    }
    if (abi != IPC_ABI) {
        orb_fail(&err, ORB_E_VERSION, "this host has abi %d, %s has %lld", IPC_ABI, peer->self.name,
                 (long long)abi);
        refusal_disconnect(peer, &err);
        return;
    }
    peer->greeted = true;
    welcome(peer, in->h.corr);
    if (peer->events && peer->events->hello)
        peer->events->hello(peer->arg);
}
