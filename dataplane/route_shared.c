/* Multipath routes. With net.ipv4.fib_multipath_hash_policy=1 (and IPv6's) the kernel chooses the
 * next hop by the hash that a network card or the sending socket gave the packet (skb->l4_hash),
 * which bpf_fib_lookup() does not have: it would choose another one, in the middle of a connection.
 * With 2 (IPv6) and 3 (with ports in fib_multipath_hash_fields) it chose another one, too, on Linux
 * 6.18. So packets over such a next hop are left to the kernel, unless the policy is 0:
 * addresses, and IPv6's flow label, which both go by. */
#include "dataplane/route_shared.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf/abi.h"
#include "dataplane/foreign.h"
#include "dataplane/dataplane_internal.h"

#define BY_ADDRESSES 0 /* of fib_multipath_hash_policy */

/* Adds an interface; false: it is there. 0: any, or there is no room for more. */
static bool add(struct route_shares *shares, uint32_t ifindex)
{
    for (unsigned i = 0; i < shares->count; i++)
        if (shares->items[i] == ifindex)
            return false;
    if (ifindex && shares->count < ROUTE_SHARES) {
        shares->items[shares->count++] = ifindex;
        return true;
    }
    if (shares->any)
        return false;
    return shares->any = true;
}

bool route_shared_add(struct route_shares shares[2], const struct nlmsghdr *h)
{
    const struct rtmsg *route = NLMSG_DATA(h);
    const struct rtattr *hops = NULL;
    int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*route));
    bool object = false, added = false;
    struct route_shares *family;

    if (h->nlmsg_type != RTM_NEWROUTE || len < 0 ||
        (route->rtm_family != AF_INET && route->rtm_family != AF_INET6) ||
        route->rtm_type != RTN_UNICAST || (route->rtm_flags & RTM_F_CLONED))
        return false;
    family = &shares[route->rtm_family == AF_INET6];
    for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == RTA_MULTIPATH)
            hops = a;
        object |= a->rta_type == RTA_NH_ID;
    }
    if (object) /* it may become a group, without an event of the route */
        return add(family, 0);
    if (!hops)
        return false;
    len = (int)RTA_PAYLOAD(hops);
    for (const struct rtnexthop *hop = RTA_DATA(hops); RTNH_OK(hop, len);
         len -= NLMSG_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
        added |= add(family, (uint32_t)hop->rtnh_ifindex);
    return added;
}

void route_shared_note(struct dataplane *dp, struct foreign *foreign)
{
    static const char *const why[] = {
        "next hops that share a route, with net.ipv4.fib_multipath_hash_policy other than 0",
        "next hops that share a route, with net.ipv6.fib_multipath_hash_policy other than 0"};
    static const uint32_t flags[] = {FOREIGN_IP4 | FOREIGN_NEW4, FOREIGN_IP6 | FOREIGN_NEW6};

    bool taken = false;

    for (unsigned f = 0; f < 2; f++) {
        const struct route_shares *shares = &dp->mtus.shares[f];
        uint32_t policy = f ? foreign->hash6 : foreign->hash4;

        if (policy == BY_ADDRESSES)
            continue;
        taken |= shares->any || shares->count;
        if (shares->any)
            foreign_note(foreign, FOREIGN_SETTING, flags[f], why[f]);
        for (unsigned i = 0; i < shares->count; i++)
            foreign_note_place(foreign, FOREIGN_SETTING, NULL, shares->items[i], why[f])->out =
                true;
    }
    __atomic_store_n(&dp->shares_any, taken, __ATOMIC_SEQ_CST);
}
