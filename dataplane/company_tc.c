/* Queueing disciplines and filters. What XDP sends passes neither the discipline nor the filters of
 * the way out; what tcx sends passes both, so a port that has some of somebody's choice sends by
 * tcx. Filters at ingress stand beside our program or behind it, and are never asked about what it
 * sends: there the kernel decides. */
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "dataplane/company.h"
#include "dataplane/dump.h"
#include "dataplane/fast.h"

#define BLOCK "a shared block of tc filters"

#ifndef TCA_INGRESS_BLOCK
#define TCA_INGRESS_BLOCK 13
#define TCA_EGRESS_BLOCK 14
#endif

/* An interface with clsact or ingress. */
struct filtered {
    uint32_t ifindex;
    bool egress; /* clsact has filters there, too */
};

struct reading {
    struct company *company;
    struct buf filtered; /* struct filtered */
};

/* What distributions give every interface. They neither slow down nor sort by what somebody set. */
static bool is_default(const char *kind)
{
    static const char *const kinds[] = {"noqueue", "pfifo_fast", "fq_codel", "mq", "noop"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (!strcmp(kind, kinds[i]))
            return true;
    return false;
}

static struct company_place *place(struct company *company, enum company_kind kind,
                                   uint32_t ifindex, const char *what, const char *name)
{
    char why[COMPANY_TEXT];

    snprintf(why, sizeof(why), "%s%.32s", what, name);
    return company_place(company, kind, NULL, ifindex, why);
}

static bool on_discipline(void *arg, const struct nlmsghdr *h)
{
    struct reading *reading = arg;
    const struct tcmsg *message = NLMSG_DATA(h);
    int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*message));
    struct filtered filtered = {0};
    uint32_t in_block = 0, out_block = 0;
    char kind[32] = "";

    if (h->nlmsg_type != RTM_NEWQDISC || len < 0)
        return true;
    filtered.ifindex = (uint32_t)message->tcm_ifindex;
    for (const struct rtattr *a = TCA_RTA(message); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == TCA_KIND)
            snprintf(kind, sizeof(kind), "%.*s", (int)RTA_PAYLOAD(a), (const char *)RTA_DATA(a));
        else if (a->rta_type == TCA_INGRESS_BLOCK && RTA_PAYLOAD(a) >= 4)
            memcpy(&in_block, RTA_DATA(a), 4);
        else if (a->rta_type == TCA_EGRESS_BLOCK && RTA_PAYLOAD(a) >= 4)
            memcpy(&out_block, RTA_DATA(a), 4);
    }
    if (!filtered.ifindex || is_default(kind))
        return true;
    filtered.egress = !strcmp(kind, "clsact");
    if (!filtered.egress && strcmp(kind, "ingress") != 0) {
        place(reading->company, COMPANY_QDISC, filtered.ifindex, "queueing discipline ", kind)
            ->shaped = true;
        return true;
    }
    if (in_block)
        place(reading->company, COMPANY_TC, filtered.ifindex, BLOCK, "")->in = true;
    if (out_block)
        place(reading->company, COMPANY_TC, filtered.ifindex, BLOCK, "")->shaped = true;
    buf_add(&reading->filtered, &filtered, sizeof(filtered));
    return true;
}

struct filters {
    bool own; /* one may be ours */
    bool found;
    char kind[32];
};

static bool on_filter(void *arg, const struct nlmsghdr *h)
{
    struct filters *filters = arg;
    const struct tcmsg *message = NLMSG_DATA(h);
    int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*message));

    if (h->nlmsg_type != RTM_NEWTFILTER || len < 0)
        return true;
    /* A filter without a handle is only its priority; its parts have one each. */
    if (filters->own && message->tcm_info >> 16 == CLSACT_PRIORITY &&
        message->tcm_handle <= CLSACT_HANDLE)
        return true;
    filters->found = true;
    for (const struct rtattr *a = TCA_RTA(message); RTA_OK(a, len); a = RTA_NEXT(a, len))
        if (a->rta_type == TCA_KIND)
            snprintf(filters->kind, sizeof(filters->kind), "%.*s", (int)RTA_PAYLOAD(a),
                     (const char *)RTA_DATA(a));
    return false;
}

static int ask(uint16_t type, uint32_t ifindex, uint32_t parent, dump_fn *each, void *arg)
{
    struct {
        struct nlmsghdr h;
        struct tcmsg message;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = type,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .message = {.tcm_ifindex = (int)ifindex, .tcm_parent = parent}};

    return dump_run(NETLINK_ROUTE, &request.h, each, arg);
}

static int read_filters(struct company *company, uint32_t ifindex, bool egress, bool own)
{
    struct filters filters = {.own = own && !egress};
    int r = ask(RTM_GETTFILTER, ifindex,
                TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS), on_filter,
                &filters);

    if (filters.found && egress)
        place(company, COMPANY_TC, ifindex, "tc egress filter ", filters.kind)->shaped = true;
    if (filters.found && !egress)
        place(company, COMPANY_TC, ifindex, "tc ingress filter ", filters.kind)->in = true;
    /* one that went has none */
    return r == -ENODEV || r == -ENOENT || r == -EINVAL || r == -EOPNOTSUPP ? 0 : r;
}

int company_read_tc(struct company *company, bool clsact)
{
    struct reading reading = {.company = company};
    int r = ask(RTM_GETQDISC, 0, 0, on_discipline, &reading);

    if (r == -EOPNOTSUPP) /* a kernel without any */
        r = 0;
    for (size_t at = 0; !r && at < reading.filtered.len; at += sizeof(struct filtered)) {
        struct filtered filtered;

        memcpy(&filtered, reading.filtered.data + at, sizeof(filtered));
        r = read_filters(company, filtered.ifindex, false, clsact);
        if (!r && filtered.egress)
            r = read_filters(company, filtered.ifindex, true, clsact);
    }
    buf_fini(&reading.filtered);
    return r;
}
