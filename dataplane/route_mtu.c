/* The MTU of routes. Forwarding honours it (ip_dst_mtu_maybe_forward; IPv6 in newer kernels)
 * whether it is locked or not; bpf_fib_lookup() returns locked ones only. So the smallest one of
 * the routes over an interface is in the table of interfaces, and larger packets are left to the
 * kernel. */
#include "dataplane/route_mtu.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include <string.h>
#include <sys/socket.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "dataplane/dump.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/route_label.h"
#include "dataplane/route_shared.h"

#define GONE_MS 2000  /* removed ones are searched for this long after the last read … */
#define GONE_SHARE 20 /* … and so many times longer than that took */
#define TRIES 8       /* of a list that changes while it is read */

static uint32_t word(const struct rtattr *a)
{
    uint32_t value = 0;

    if (RTA_PAYLOAD(a) >= sizeof(value))
        memcpy(&value, RTA_DATA(a), sizeof(value));
    return value;
}

/* 0: none, or a locked one. */
static uint32_t unlocked(const struct rtattr *metrics)
{
    uint32_t mtu = 0, locks = 0;
    int len = (int)RTA_PAYLOAD(metrics);

    for (const struct rtattr *a = RTA_DATA(metrics); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == RTAX_MTU)
            mtu = word(a);
        else if (a->rta_type == RTAX_LOCK)
            locks = word(a);
    }
    return locks & (1u << RTAX_MTU) ? 0 : mtu;
}

static void note(struct route_mtus *mtus, uint32_t ifindex, uint32_t mtu)
{
    unsigned i = 0;

    while (ifindex && i < mtus->count && mtus->items[i].ifindex != ifindex)
        i++;
    if (!ifindex || i == ROUTE_MTUS) {
        mtus->all = mtus->all && mtus->all < mtu ? mtus->all : mtu;
        return;
    }
    if (i == mtus->count)
        mtus->items[mtus->count++] = (struct route_mtu){.ifindex = ifindex, .mtu = mtu};
    else if (mtu < mtus->items[i].mtu)
        mtus->items[i].mtu = mtu;
}

static void note_hops(struct route_mtus *mtus, const struct rtattr *hops, uint32_t mtu)
{
    const struct rtnexthop *hop = RTA_DATA(hops);
    int len = (int)RTA_PAYLOAD(hops);

    for (; RTNH_OK(hop, len); len -= NLMSG_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
        note(mtus, (uint32_t)hop->rtnh_ifindex, mtu);
}

bool route_mtu_add(struct route_mtus *mtus, const struct nlmsghdr *h)
{
    const struct rtmsg *route = NLMSG_DATA(h);
    const struct rtattr *metrics = NULL, *hops = NULL;
    uint32_t ifindex = 0, mtu;
    int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*route));
    bool object = false;

    if ((h->nlmsg_type != RTM_NEWROUTE && h->nlmsg_type != RTM_DELROUTE) || len < 0 ||
        (route->rtm_family != AF_INET && route->rtm_family != AF_INET6) ||
        route->rtm_type != RTN_UNICAST || (route->rtm_flags & RTM_F_CLONED))
        return false;
    for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == RTA_METRICS)
            metrics = a;
        else if (a->rta_type == RTA_MULTIPATH)
            hops = a;
        else if (a->rta_type == RTA_OIF)
            ifindex = word(a);
        object |= a->rta_type == RTA_NH_ID;
    }
    mtu = metrics ? unlocked(metrics) : 0;
    if (!mtu || mtu > UINT16_MAX)
        return false;
    if (hops && !object)
        note_hops(mtus, hops, mtu);
    else
        note(mtus, object ? 0 : ifindex,
             mtu); /* where an object leads may change without an event */
    return true;
}

bool route_mtu_changes(const struct dataplane *dp, const struct nlmsghdr *h)
{
    struct route_mtus mtus = {0};

    if (route_mtu_add(&mtus, h))
        return true;
    if (route_label_suppressed(h))
        return true;
    memcpy(mtus.shares, dp->mtus.shares, sizeof(mtus.shares));
    if (route_shared_add(mtus.shares, h))
        return true;
    /* Where they are known to matter, one more changes nothing. */
    if ((route_label_shared(h) || route_label_ruled(h)) &&
        !__atomic_load_n(&dp->labels_any, __ATOMIC_SEQ_CST))
        return true;
    if (route_label_expires(h) && !__atomic_load_n(&dp->expires_any, __ATOMIC_SEQ_CST))
        return true;
    return h->nlmsg_type == RTM_NEWROUTE && (h->nlmsg_flags & NLM_F_REPLACE) &&
           __atomic_load_n(&dp->mtus_any, __ATOMIC_SEQ_CST);
}

void route_mtu_gone(struct dataplane *dp, const struct nlmsghdr *h)
{
    if (h->nlmsg_type == RTM_NEWRULE ||
        (h->nlmsg_type == RTM_NEWROUTE && !(h->nlmsg_flags & NLM_F_REPLACE)))
        return;
    if (__atomic_load_n(&dp->shares_any, __ATOMIC_SEQ_CST) ||
        __atomic_load_n(&dp->expires_any, __ATOMIC_SEQ_CST) ||
        __atomic_load_n(&dp->labels_any, __ATOMIC_SEQ_CST))
        __atomic_store_n(&dp->mtus_gone, true, __ATOMIC_SEQ_CST);
}

bool route_mtu_due(struct dataplane *dp)
{
    uint64_t pause = dp->mtus_took_ms * GONE_SHARE;

    if (!__atomic_load_n(&dp->mtus_gone, __ATOMIC_SEQ_CST) ||
        now_ms() - dp->mtus_ms < (pause > GONE_MS ? pause : GONE_MS))
        return false;
    __atomic_store_n(&dp->mtus_unread, true, __ATOMIC_SEQ_CST);
    return true;
}

static bool on_route(void *arg, const struct nlmsghdr *h)
{
    struct route_mtus *mtus = arg;

    route_mtu_add(mtus, h);
    mtus->shared6 |= route_label_shared(h);
    mtus->label_rules |= route_label_ruled(h);
    mtus->suppressed6 |= route_label_suppressed(h);
    mtus->expires6 |= route_label_expires(h);
    route_shared_add(mtus->shares, h);
    return true;
}

static int dump(uint16_t type, uint8_t family, struct route_mtus *mtus)
{
    struct {
        struct nlmsghdr h;
        struct rtmsg message; /* a rule's begins like it */
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = type,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .message = {.rtm_family = family}};

    return dump_run(NETLINK_ROUTE, &request.h, on_route, mtus);
}

int route_mtu_read(struct dataplane *dp)
{
    struct route_mtus fresh = {0};
    uint64_t begun = now_ms();
    int r = -EINTR;

    if (!__atomic_exchange_n(&dp->mtus_unread, false, __ATOMIC_SEQ_CST))
        return 0;
    __atomic_store_n(&dp->mtus_gone, false, __ATOMIC_SEQ_CST);
    for (int i = 0; r == -EINTR && i < TRIES; i++) {
        fresh = (struct route_mtus){0};
        r = dump(RTM_GETROUTE, AF_INET, &fresh);
        if (!r)
            r = dump(RTM_GETROUTE, AF_INET6, &fresh);
        if (!r)
            r = dump(RTM_GETRULE, AF_INET6, &fresh);
        r = r == -EOPNOTSUPP || r == -EAFNOSUPPORT ? 0 : r; /* no IPv6 */
    }
    if (r < 0 && r != -EINTR) { /* changes of routes with an MTU cause events, too */
        __atomic_store_n(&dp->mtus_unread, true, __ATOMIC_SEQ_CST);
        return r;
    }
    pthread_mutex_lock(&dp->lock);
    dp->mtus = fresh;
    pthread_mutex_unlock(&dp->lock);
    dp->mtus_ms = now_ms();
    dp->mtus_took_ms = dp->mtus_ms - begun;
    __atomic_store_n(&dp->mtus_any, fresh.count || fresh.all, __ATOMIC_SEQ_CST);
    __atomic_store_n(&dp->expires_any, fresh.expires6, __ATOMIC_SEQ_CST);
    __atomic_store_n(&dp->labels_any, fresh.shared6 || fresh.label_rules, __ATOMIC_SEQ_CST);
    return 0;
}

uint32_t route_mtu_of(const struct route_mtus *mtus, uint32_t ifindex)
{
    for (unsigned i = 0; i < mtus->count; i++)
        if (mtus->items[i].ifindex == ifindex && (!mtus->all || mtus->items[i].mtu < mtus->all))
            return mtus->items[i].mtu;
    return mtus->all;
}
