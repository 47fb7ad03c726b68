/* Accounting of connections, and which client is closed when all places are taken. A user does not
 * lose connections in use because others open many: up to CLIENTS_KEPT of each user are kept. */
#include "core/ipc/account.h"

#include <string.h>

#include "core/ipc/broker_internal.h"
#include "core/ipc/identity.h"

#define CLIENTS_KEPT 4 /* of one user, which no other user takes */

unsigned account_connections(const struct broker *broker, const char *user)
{
    unsigned n = 0;

    for (const struct ipc_peer *p = broker->peers; p; p = p->next)
        n +=
            p->accepted && !p->conn.dead && identity_same(PEER_USER, p->self.name, PEER_USER, user);
    return n;
}

static bool is_idle(const struct ipc_peer *p)
{
    return !p->call_count && !p->sub_count;
}

/* Is a, of a user with so many connections, to go before b? Those that do nothing go first, of them
 * the oldest. */
static bool is_before(const struct ipc_peer *a, unsigned a_count, const struct ipc_peer *b,
                      unsigned b_count)
{
    if (!b || a_count != b_count)
        return !b || a_count > b_count;
    return is_idle(a) != is_idle(b) ? is_idle(a) : a->self.id < b->self.id;
}

/* Never sent HELLO, or is not there any more. */
static bool is_silent(const struct ipc_peer *p)
{
    return !p->greeted || p->conn.leaving;
}

/* One of the user who has most connections, of those that are silent. */
static struct ipc_peer *one_of_most(struct broker *broker, bool silent, bool admins,
                                    unsigned *ret_count)
{
    struct ipc_peer *most = NULL;

    *ret_count = 0;
    for (struct ipc_peer *p = broker->peers; p; p = p->next) {
        unsigned count;

        if (!p->accepted || p->conn.dead || (silent && !is_silent(p)) ||
            (!admins && p->self.rank == RANK_CONFIGURE))
            continue;
        count = account_connections(broker, p->self.name);
        if (!is_before(p, count, most, *ret_count))
            continue;
        most = p;
        *ret_count = count;
    }
    return most;
}

struct ipc_peer *account_gives_way(struct broker *broker, const char *user, unsigned limit,
                                   struct orb_err *err)
{
    unsigned own = account_connections(broker, user), count, kept = own + 1;
    const char *origin = limit == LISTEN_CLIENTS ? ""
                         : own                   ? " for users who have one"
                                                 : " for others than administrators";
    struct ipc_peer *leaves = one_of_most(broker, true, true, &count);

    if (leaves) {
        orb_fail(err, ORB_E_BUSY,
                 leaves->greeted ? "it hung up, and other clients are waiting"
                                 : "no HELLO was received, and other clients are waiting");
        return leaves;
    }
    leaves = one_of_most(broker, false, limit == LISTEN_CLIENTS, &count);
    if (limit < LISTEN_CLIENTS && kept < CLIENTS_KEPT)
        kept = CLIENTS_KEPT;
    if (count <= kept) {
        orb_fail(err, ORB_E_BUSY, "%u clients are connected; at most %u%s", broker->listen.clients,
                 limit, origin);
        return NULL;
    }
    orb_fail(err, ORB_E_BUSY, "%s has %u connections, and other clients are waiting",
             leaves->self.name, count);
    return leaves;
}
