/* Callers are identities: kind and name, over all their connections. Users without a name in the
 * user database (uid-N) count as one, as for the host. */
#include "plugins/firewall/relay.h"

#include <string.h>

#include "core/base/nameless.h"

static bool are_same(const struct orb_peer *a, const struct orb_peer *b)
{
    return !strcmp(a->kind, b->kind) &&
           (!strcmp(a->name, b->name) ||
            (!strcmp(a->kind, "user") && nameless_is(a->name) && nameless_is(b->name)));
}

int relay_begin(struct relay **list, struct relay *relay, struct orb_req *req, struct orb_err *err)
{
    const struct orb_peer *peer = orb_req_peer(req);
    unsigned own = 0, all = 0;

    for (const struct relay *r = *list; r; r = r->next) {
        own += are_same(orb_req_peer(r->req), peer);
        all++;
    }
    if (own >= RELAY_OF_ONE)
        return orb_fail(err, ORB_E_BUSY,
                        "%u requests of \"%s\" wait for the data plane, the limit; try again "
                        "when one is answered",
                        own, peer->name);
    if (all >= RELAY_ALL)
        return orb_fail(err, ORB_E_BUSY,
                        "%u requests wait for the data plane, the limit; try again when one is "
                        "answered",
                        all);
    relay->req = req;
    relay->next = *list;
    *list = relay;
    return 0;
}

void relay_end(struct relay **list, struct relay *relay)
{
    while (*list && *list != relay)
        list = &(*list)->next;
    if (*list)
        *list = relay->next;
}
