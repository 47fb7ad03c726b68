/* Refusals: answered, counted, logged within limits. */
#include "core/ipc/refusal.h"

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/ipc/broker_internal.h"

#define CLIENT_RECORDS 10 /* log records about refused clients a second */
#define LOG_EVERY_MS 1000 /* of one peer */

void refusal_envelope(const struct orb_err *err, struct buf *to)
{
    struct json_write w = json_write_to(to);

    json_write_object(&w, NULL);
    json_write_error(&w, "err", err);
    json_write_end(&w);
}

void refusal_send(struct ipc_peer *peer, uint32_t corr, const struct orb_err *err)
{
    AUTO(buf) struct buf env = {0};

    if (peer->conn.dead || peer->conn.fd < 0)
        return;
    refusal_envelope(err, &env);
    peer_send(peer, &(struct frame){.type = FRAME_ERR, .corr = corr}, buf_str(&env), NULL, 0);
}

void refusal_count(struct ipc_peer *peer, const struct orb_err *err)
{
    int row = ORB_E_INVALID - err->code;

    peer->refused++;
    if (row >= 0 && row < BROKER_REFUSAL_CODES)
        peer->broker->refused[row]++;
    if (err->code == ORB_E_DENIED)
        refusal_log(peer, "ipc.denied", err);
}

void refusal_answer(struct ipc_peer *peer, uint32_t corr, const struct orb_err *err)
{
    refusal_count(peer, err);
    refusal_send(peer, corr, err);
}

void refusal_disconnect(struct ipc_peer *peer, const struct orb_err *err)
{
    if (peer->conn.dead)
        return;
    refusal_count(peer, err);
    if (peer->client && refusal_may_log(peer->broker))
        log_notice(peer->broker->log, "ipc.client-disconnected", KV("user", peer->self.name),
                   KV("reason", err->text));
    refusal_send(peer, 0, err);
    conn_flush(&peer->conn);
    conn_end(&peer->conn, err);
}

void refusal_log(struct ipc_peer *peer, const char *event, const struct orb_err *err)
{
    uint64_t now = uv_now(peer->broker->loop);

    if (peer->complained_ms && now - peer->complained_ms < LOG_EVERY_MS)
        return;
    peer->complained_ms = now ? now : 1;
    log_warn(peer->broker->log, event, KV("peer", peer->self.name),
             KV("code", orb_code_name(err->code)), KV("path", (const char *)err->path),
             KV("text", (const char *)err->text), KV("refused", peer->refused));
}

bool refusal_may_log(struct broker *broker)
{
    uint64_t now = now_ms();

    if (now - broker->refusal_log.since_ms >= 1000) {
        broker->refusal_log.since_ms = now;
        broker->refusal_log.records = 0;
    }
    return broker->refusal_log.records++ < CLIENT_RECORDS;
}
