/* What conntrack and IPsec have that decides. */
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/own.h"
#include "dataplane/foreign.h"
#include "dataplane/dump.h"

#ifndef NFNL_SUBSYS_CTNETLINK_EXP
#define NFNL_SUBSYS_CTNETLINK_EXP 2
#endif
#ifndef XFRM_MSG_GETDEFAULT /* Linux 5.15 */
#define XFRM_MSG_GETDEFAULT 0x28
#endif
#define XFRM_BLOCKS 1 /* of struct xfrm_userpolicy_default */

/* The kernel lacks the feature. */
static bool is_missing(int r)
{
    return r == -EOPNOTSUPP || r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT || r == -EINVAL ||
           r == -ENOENT;
}

static bool on_expectation(void *arg, const struct nlmsghdr *h)
{
    *(bool *)arg = true;
    return false;
}

/* A helper waits for a connection that no rule may allow. */
int foreign_state_expectations(void)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_GET,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .head = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0}};
    bool found = false;
    int r = dump_run(NETLINK_NETFILTER, &request.h, on_expectation, &found);

    return found ? 1 : is_missing(r) ? 0 : r;
}

static bool on_policies(void *arg, const struct nlmsghdr *h)
{
    const char *start = (const char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(uint32_t));
    int len = (int)((const char *)h + h->nlmsg_len - start);

    if (h->nlmsg_type != XFRM_MSG_NEWSPDINFO)
        return false;
    for (const struct rtattr *a = (const void *)start; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        struct xfrmu_spdinfo info;

        if (a->rta_type != XFRMA_SPD_INFO || RTA_PAYLOAD(a) < sizeof(info))
            continue;
        memcpy(&info, RTA_DATA(a), sizeof(info));
        *(bool *)arg |= info.outcnt || info.fwdcnt;
    }
    return false;
}

static bool on_default(void *arg, const struct nlmsghdr *h)
{
    const uint8_t *action = NLMSG_DATA(h); /* in, fwd, out */

    if (h->nlmsg_type == XFRM_MSG_GETDEFAULT && h->nlmsg_len >= NLMSG_LENGTH(3))
        *(bool *)arg |= action[1] == XFRM_BLOCKS || action[2] == XFRM_BLOCKS;
    return false;
}

/* IPsec policies decide after routing; a redirect would send in the clear what they protect. */
int foreign_state_ipsec(bool *ret_found)
{
    struct {
        struct nlmsghdr h;
        uint32_t flags;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = XFRM_MSG_GETSPDINFO,
                       .nlmsg_flags = NLM_F_REQUEST},
                 .flags = ~0u};
    int r = dump_run(NETLINK_XFRM, &request.h, on_policies, ret_found);

    if (r < 0)
        return is_missing(r) ? 0 : r;
    request.h.nlmsg_type = XFRM_MSG_GETDEFAULT;
    request.flags = 0;
    r = dump_run(NETLINK_XFRM, &request.h, on_default, ret_found);
    return is_missing(r) ? 0 : r;
}
