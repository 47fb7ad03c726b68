/* Ids of principals, and which of them a frame may name. */
#include "core/ipc/principal.h"

#include "core/ipc/identity.h"
#include "core/ipc/broker_internal.h"

void principal_add(struct principal_table *table, struct principal *who)
{
    struct principal **bucket;

    do
        who->id = ++table->last_id;
    while (who->id == 0 || principal_find(table, who->id));
    who->opened_us = uv_hrtime() / 1000;
    bucket = &table->buckets[who->id % PRINCIPAL_BUCKETS];
    who->next_in_bucket = *bucket;
    *bucket = who;
}

void principal_remove(struct principal_table *table, struct principal *who)
{
    struct principal **at = &table->buckets[who->id % PRINCIPAL_BUCKETS];

    while (*at && *at != who)
        at = &(*at)->next_in_bucket;
    if (*at)
        *at = who->next_in_bucket;
}

struct principal *principal_find(const struct principal_table *table, uint32_t id)
{
    struct principal *who = table->buckets[id % PRINCIPAL_BUCKETS];

    while (who && who->id != id)
        who = who->next_in_bucket;
    return who;
}

struct principal *principal_of(struct ipc_peer *peer, uint32_t src, struct orb_err *err)
{
    struct principal *who;

    if (src == 0)
        return &peer->self;
    who = principal_find(&peer->broker->principals, src);
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

bool principal_is_same(const struct principal *a, const struct principal *b)
{
    return identity_same(a->kind, a->name, b->kind, b->name);
}
