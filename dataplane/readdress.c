
#include "dataplane/readdress.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/own.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/conntrack.h"
#include "dataplane/ways.h"

struct search {
    struct gone_addresses gone;
    struct ways ways;
    const struct policy *policy;
    struct buf messages;
};

static void take(struct dataplane *dp, struct gone_addresses *ret_gone)
{
    pthread_mutex_lock(&dp->lock);
    *ret_gone = dp->gone;
    dp->gone = (struct gone_addresses){0};
    pthread_mutex_unlock(&dp->lock);
}

bool readdress_waits(struct dataplane *dp)
{
    bool waits;

    pthread_mutex_lock(&dp->lock);
    waits = dp->gone.count || dp->gone.unknown;
    pthread_mutex_unlock(&dp->lock);
    return waits;
}

static void give_back(struct dataplane *dp, struct gone_addresses *gone)
{
    pthread_mutex_lock(&dp->lock);
    for (unsigned i = 0; i < gone->count; i++)
        gone_add(&dp->gone, gone->items[i].family, gone->items[i].address);
    dp->gone.unknown |= gone->unknown;
    pthread_mutex_unlock(&dp->lock);
    gone_fini(gone);
}

static bool masquerades(const struct policy *policy)
{
    for (unsigned i = 0; i < policy->nat_count; i++)
        if (policy->nat[i].action == POLICY_NAT_MASQUERADE)
            return true;
    return false;
}

static bool is_target(const struct policy *policy, uint8_t family, const uint8_t address[16])
{
    size_t size = family == AF_INET ? 4 : 16;

    for (unsigned i = 0; i < policy->nat_count; i++) {
        const struct policy_nat *nat = &policy->nat[i];

        if (nat->source && nat->action == POLICY_NAT_TRANSLATE &&
            nat->to_address.family == family && memcmp(nat->to_address.lo, address, size) <= 0 &&
            memcmp(nat->to_address.hi, address, size) >= 0)
            return true;
    }
    return false;
}

static bool each_flow(void *arg, const struct nlmsghdr *h)
{
    struct search *search = arg;
    const uint8_t *address;
    struct flow flow;

    flow_read(h, &flow);
    address = flow.reply[1].address;
    if (!flow.tuple || flow.zoned || !(flow.status & IPS_SRC_NAT) ||
        !(search->gone.unknown || gone_has(&search->gone, flow.family, address)) ||
        ways_own(&search->ways, flow.family, address) ||
        is_target(search->policy, flow.family, address))
        return true;
    flow_delete(&flow, &search->messages);
    return true;
}

static int walk(struct search *search, struct orb_err *err)
{
    int r = ways_open(&search->ways, err);

    if (!r && search->ways.incomplete)
        r = orb_fail(err, ORB_E_BUSY, "the addresses of the interfaces change all the time");
    if (!r)
        r = conntrack_dump(each_flow, search, err);
    ways_close(&search->ways);
    return r < 0 ? r : conntrack_send(&search->messages, err);
}

int readdress_tend(struct dataplane *dp, struct orb_err *err)
{
    struct search search = {.policy = dp->current ? &dp->current->policy : NULL};
    int r = 0;

    if (!search.policy)
        return 0;
    take(dp, &search.gone);
    if ((search.gone.count || search.gone.unknown) && masquerades(search.policy))
        r = walk(&search, err);
    buf_fini(&search.messages);
    if (r < 0)
        give_back(dp, &search.gone);
    gone_fini(&search.gone);
    return r;
}
