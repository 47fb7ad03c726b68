/* Reads foreign state from the kernel and publishes it to the programs.
 *
 * Note: between a change and the end of the next read the state is unknown. The event itself sets
 * FOREIGN_READING (foreign_watch.c), and all packets are left to the kernel; a read clears it only
 * if nothing changed while it ran. */

#include "dataplane/foreign.h"

#include <errno.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/foreign_hook.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/route_shared.h"
#include "dataplane/load.h"
#include "dataplane/port.h"
#include "dataplane/route_mtu.h"

#define TRIES 8 /* of lists that change while they are read */

static int gather(struct dataplane *dp, struct foreign *foreign)
{
    const uint32_t fresh = FOREIGN_NEW4 | FOREIGN_NEW6, all = fresh | FOREIGN_IP4 | FOREIGN_IP6;
    bool ipsec = false;
    int r = foreign_nft_read(foreign), expected = foreign_state_expectations();

    if (!r)
        r = foreign_tc_read(foreign, dp->clsact);
    if (!r)
        r = foreign_state_ipsec(&ipsec);
    if (r < 0 || expected < 0)
        return r < 0 ? r : expected;
    foreign_legacy_read(foreign);
    foreign_bpf_read_tcx(dp, foreign);
    foreign_bpf_read_links(foreign);
    foreign_hook_read(dp, foreign);
    if (ipsec)
        foreign_note(foreign, FOREIGN_IPSEC, all, "IPsec policies");
    if (expected)
        foreign_note(foreign, FOREIGN_EXPECTATION, fresh, "conntrack expectations");
    foreign_settings_read(dp, foreign);
    return 0;
}

/* Foreign state of an interface applies to all packets where the fast path's table of interfaces
 * lacks it. */
static uint32_t flags_of(const struct dataplane *dp, bool described)
{
    uint32_t flags = dp->foreign.flags;

    if (dp->mtus.label_rules || (dp->mtus.shared6 && dp->foreign.by_label))
        flags |= FOREIGN_LABELS;
    if (dp->forgets >= 0)
        flags |= FOREIGN_TOLD4;
    if (dp->forgets >= 0 && !dp->mtus.expires6 && dp->ports.count <= FOREIGN_MTUS)
        flags |= FOREIGN_TOLD6;
    return flags | (!described && dp->foreign.count ? FOREIGN_IP4 | FOREIGN_IP6 : 0);
}

static void publish(struct dataplane *dp, uint32_t changes, bool known)
{
    uint32_t flags = flags_of(dp, dp->current != NULL); /* a policy describes its interfaces */

    pthread_mutex_lock(&dp->lock);
    if (!known || changes != dp->foreign_changes)
        flags |= FOREIGN_READING;
    __atomic_store_n(&dp->control->foreign, flags, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&dp->lock);
    load_bump(dp);
}

void foreign_described(struct dataplane *dp, bool described)
{
    pthread_mutex_lock(&dp->lock);
    __atomic_store_n(&dp->control->foreign,
                     flags_of(dp, described) | (dp->control->foreign & FOREIGN_READING),
                     __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&dp->lock);
}

/* Taken before the read, so that changes during it show as a difference. */
static uint64_t unseen_now(struct dataplane *dp)
{
    AUTO_FREE uint32_t *ports = xcalloc(POLICY_MAX_PORTS, sizeof(*ports));
    struct foreign_seen seen = {0};
    unsigned count = 0;
    uint64_t state;

    for (unsigned i = 0; i < dp->ports.count; i++)
        if (dp->ports.items[i].ifindex)
            ports[count++] = dp->ports.items[i].ifindex;
    state = foreign_poll_unseen(dp, ports, count, &seen);
    foreign_poll_forget(&seen);
    return state;
}

int foreign_read(struct dataplane *dp)
{
    struct foreign fresh = {0};
    uint64_t unseen;
    uint32_t changes;
    int r = -EINTR;

    if (!dp->programs)
        return 0;
    unseen = unseen_now(dp);
    pthread_mutex_lock(&dp->lock);
    changes = dp->foreign_changes;
    dp->foreign_unseen = unseen;
    pthread_mutex_unlock(&dp->lock);
    for (int i = 0; r == -EINTR && i < TRIES; i++) {
        foreign_note_free(&fresh);
        r = gather(dp, &fresh);
    }
    r = r < 0 ? r : route_mtu_read(dp);
    if (!r && dp->mtus.suppressed6)
        foreign_note(&fresh, FOREIGN_RULE, FOREIGN_IP6 | FOREIGN_NEW6,
                     "an ip -6 rule with suppress_prefixlength or suppress_ifgroup");
    route_shared_note(dp, &fresh);
    if (r < 0) {
        foreign_note_free(&fresh);
        publish(dp, changes, false);
        return r;
    }
    foreign_note_free(&dp->foreign);
    dp->foreign = fresh;
    port_refresh(dp, NULL);
    publish(dp, changes, true);
    return 0;
}
