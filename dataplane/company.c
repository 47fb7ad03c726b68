/* What else decides, gathered from the kernel and published to the programs.
 *
 * Surprise: between a change and the end of the next reading it is unknown what holds. The event
 * itself sets COMPANY_READING (company_watch.c), and everything is the kernel's; a reading takes it
 * away only if nothing changed while it went on. */

#include "dataplane/company.h"

#include <errno.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/company_hook.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/route_shared.h"
#include "dataplane/load.h"
#include "dataplane/port.h"
#include "dataplane/route_mtu.h"

#define TRIES 8 /* of lists that change while they are read */

static int gather(struct dataplane *dp, struct company *company)
{
    const uint32_t fresh = COMPANY_NEW4 | COMPANY_NEW6, all = fresh | COMPANY_IP4 | COMPANY_IP6;
    bool ipsec = false;
    int r = company_nft_read(company), expected = company_state_expectations();

    if (!r)
        r = company_tc_read(company, dp->clsact);
    if (!r)
        r = company_state_ipsec(&ipsec);
    if (r < 0 || expected < 0)
        return r < 0 ? r : expected;
    company_legacy_read(company);
    company_bpf_read_tcx(dp, company);
    company_bpf_read_links(company);
    company_hook_read(dp, company);
    if (ipsec)
        company_note(company, COMPANY_IPSEC, all, "IPsec policies");
    if (expected)
        company_note(company, COMPANY_EXPECTATION, fresh, "conntrack expectations");
    company_settings_read(dp, company);
    return 0;
}

/* What is about interfaces is about everything where the fast path's table of interfaces does not
 * say it. */
static uint32_t flags_of(const struct dataplane *dp, bool described)
{
    uint32_t flags = dp->company.flags;

    if (dp->mtus.label_rules || (dp->mtus.shared6 && dp->company.by_label))
        flags |= COMPANY_LABELS;
    return flags | (!described && dp->company.count ? COMPANY_IP4 | COMPANY_IP6 : 0);
}

static void publish(struct dataplane *dp, uint32_t changes, bool known)
{
    uint32_t flags = flags_of(dp, dp->current != NULL); /* a policy describes its interfaces */

    pthread_mutex_lock(&dp->lock);
    if (!known || changes != dp->company_changes)
        flags |= COMPANY_READING;
    __atomic_store_n(&dp->control->company, flags, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&dp->lock);
    load_bump(dp);
}

void company_described(struct dataplane *dp, bool described)
{
    pthread_mutex_lock(&dp->lock);
    __atomic_store_n(&dp->control->company,
                     flags_of(dp, described) | (dp->control->company & COMPANY_READING),
                     __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&dp->lock);
}

/* Before it is read: what changes meanwhile is seen as a difference. */
static uint64_t unseen_now(struct dataplane *dp)
{
    AUTO_FREE uint32_t *ports = xcalloc(POLICY_MAX_PORTS, sizeof(*ports));
    struct company_programs programs = {0};
    unsigned count = 0;

    for (unsigned i = 0; i < dp->ports.count; i++)
        if (dp->ports.items[i].ifindex)
            ports[count++] = dp->ports.items[i].ifindex;
    return company_poll_unseen(dp, ports, count, &programs);
}

int company_read(struct dataplane *dp)
{
    struct company fresh = {0};
    uint64_t unseen;
    uint32_t changes;
    int r = -EINTR;

    if (!dp->programs)
        return 0;
    unseen = unseen_now(dp);
    pthread_mutex_lock(&dp->lock);
    changes = dp->company_changes;
    dp->company_unseen = unseen;
    pthread_mutex_unlock(&dp->lock);
    for (int i = 0; r == -EINTR && i < TRIES; i++) {
        company_note_free(&fresh);
        r = gather(dp, &fresh);
    }
    r = r < 0 ? r : route_mtu_read(dp);
    if (!r && dp->mtus.suppressed6)
        company_note(&fresh, COMPANY_RULE, COMPANY_IP6 | COMPANY_NEW6,
                     "an ip -6 rule with suppress_prefixlength or suppress_ifgroup");
    route_shared_note(dp, &fresh);
    if (r < 0) {
        company_note_free(&fresh);
        publish(dp, changes, false);
        return r;
    }
    company_note_free(&dp->company);
    dp->company = fresh;
    port_refresh(dp, NULL);
    publish(dp, changes, true);
    return 0;
}
