/* Shares of a peer's queue by identity. One sender must not fill the queue of a busy provider, so
 * that it is closed to others; connections are no measure, since one identity can open many in
 * sequence. */
#include "core/ipc/charge.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/xalloc.h"
#include "core/ipc/identity.h"

/* Bytes queued for a peer by one identity, over all its connections. Counted in two stretches of
 * the queue, so that what was read long ago is discounted although more arrives. */
struct charge {
    struct charge *next;
    enum peer_kind kind;
    char name[64];
    size_t bytes[2];
    uint64_t end[2]; /* of the stretch, in bytes ever queued for the peer */
};

#define CHARGED_FROM (1u << 20) /* a queue shorter than that is not charged */

static void forget_read(struct charge *c, uint64_t read)
{
    if (c->end[0] > read)
        return;
    c->bytes[0] = c->bytes[1];
    c->end[0] = c->end[1];
    c->bytes[1] = 0;
    if (c->end[0] <= read)
        c->bytes[0] = 0;
}

/* The charge of an identity, NULL: none. Charges with nothing queued are freed on the way. */
static struct charge *find(struct ipc_peer *provider, const struct principal *who)
{
    uint64_t read = provider->conn.queued_ever - conn_queued(&provider->conn);
    struct charge **at = &provider->charges, *found = NULL;

    while (*at) {
        struct charge *c = *at;

        forget_read(c, read);
        if (!c->bytes[0]) {
            *at = c->next;
            free(c);
            continue;
        }
        if (identity_same(c->kind, c->name, who->kind, who->name))
            found = c;
        at = &c->next;
    }
    return found;
}

int charge_check(struct ipc_peer *provider, const struct principal *who, size_t len,
                 struct orb_err *err)
{
    size_t bytes, most = peer_queue(provider, QUEUE_CAUSE);
    const struct charge *c;

    if (peer_is_host(provider) || who->kind == PEER_HOST || conn_queued(&provider->conn) < most)
        return 0;
    c = find(provider, who);
    bytes = c ? c->bytes[0] + c->bytes[1] : 0;
    if (bytes + len <= most)
        return 0;
    return orb_fail(err, ORB_E_BUSY,
                    "%s does not keep up: %zu bytes of %s %s wait for it; at most %zu of one",
                    provider->self.name, bytes, peer_kind_name(who->kind), who->name, most);
}

void charge_add(struct ipc_peer *provider, const struct principal *who, size_t len)
{
    struct charge *c;
    bool more;

    if (peer_is_host(provider) || who->kind == PEER_HOST ||
        conn_queued(&provider->conn) < CHARGED_FROM)
        return;
    c = find(provider, who);
    if (!c) {
        c = xcalloc(1, sizeof(*c));
        c->kind = who->kind;
        memcpy(c->name, who->name, sizeof(c->name));
        c->next = provider->charges;
        provider->charges = c;
    }
    more = c->bytes[0] != 0;
    c->bytes[more] += len;
    c->end[more] = provider->conn.queued_ever;
}

void charge_free_all(struct ipc_peer *peer)
{
    while (peer->charges) {
        struct charge *c = peer->charges;

        peer->charges = c->next;
        free(c);
    }
}
