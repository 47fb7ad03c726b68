/* Records of what is in flight, made with the first request. */
#include "core/ipc/inflight.h"

#include "core/base/json_write.h"
#include "core/base/xalloc.h"
#include "core/ipc/broker_internal.h"

/* Sends PEER to a provider at the first request of who: its identity and rights. */
static void announce(const struct principal *who, struct ipc_peer *provider)
{
    char *const *granted = who->kind == PEER_SERVICE ? who->owner->capabilities : NULL;
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);

    json_write_object(&w, NULL);
    json_write_integer(&w, "id", who->id);
    json_write_string(&w, "kind", peer_kind_name(who->kind));
    json_write_string(&w, "name", who->name);
    json_write_string(&w, "role", peer_kind_is_user(who->kind) ? who->role : "service");
    json_write_integer(&w, "opened-us", (int64_t)who->opened_us);
    if (who->made_us)
        json_write_integer(&w, "made-us", who->made_us);
    json_write_array(&w, "grants");
    for (unsigned i = 0; granted && granted[i]; i++)
        json_write_string(&w, NULL, granted[i]);
    json_write_end(&w);
    json_write_end(&w);
    peer_send(provider, &(struct frame){.type = FRAME_PEER, .src = who->id}, NULL, buf_str(&text),
              text.len);
}

struct inflight *inflight_find(const struct principal *who, const struct ipc_peer *provider)
{
    struct inflight *record = who->inflight;

    while (record && record->provider != provider)
        record = record->next;
    return record;
}

struct inflight *inflight_get(struct principal *who, struct ipc_peer *provider)
{
    struct inflight *record = inflight_find(who, provider);

    if (record)
        return record;
    record = xcalloc(1, sizeof(*record));
    record->provider = provider;
    record->next = who->inflight;
    who->inflight = record;
    provider->owed += FRAME_HEADER; /* reserve for its GONE */
    announce(who, provider);
    return record;
}

void inflight_close(struct principal *who)
{
    while (who->inflight) {
        struct inflight *record = who->inflight;

        who->inflight = record->next;
        record->provider->owed -= FRAME_HEADER;
        peer_send(record->provider, &(struct frame){.type = FRAME_GONE, .src = who->id}, NULL, NULL,
                  0);
        free(record);
    }
}

static void drop(struct principal *who, struct ipc_peer *provider)
{
    struct inflight **at = &who->inflight;

    while (*at) {
        struct inflight *record = *at;

        if (record->provider == provider) {
            *at = record->next;
            free(record);
        } else {
            at = &record->next;
        }
    }
}

void inflight_leave(struct broker *broker, struct ipc_peer *provider)
{
    drop(&broker->host->self, provider);
    for (struct ipc_peer *peer = broker->peers; peer; peer = peer->next) {
        drop(&peer->self, provider);
        for (struct principal *s = peer->sessions; s; s = s->next_session)
            drop(s, provider);
    }
}
