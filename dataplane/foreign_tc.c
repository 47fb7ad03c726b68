/* Queueing disciplines and filters. Packets sent by XDP bypass the discipline and the egress
 * filters; those sent by tcx pass both, so a port with any of them sends by tcx. Filters there that
 * may read what tcx does not provide (foreign_filter.c) leave the port to the kernel. Filters at
 * ingress beside or after our program never see packets it sends: there packets are left to the
 * kernel. */
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "dataplane/foreign.h"
#include "dataplane/dump.h"
#include "dataplane/clsact.h"
#include "dataplane/dataplane_internal.h"

#define BLOCK "a shared block of tc filters"
#define ASKS "a tc filter that may read connection or route: "
#define CLASSES 1024 /* of one interface, whose filters are looked at */

#ifndef TCA_INGRESS_BLOCK
#define TCA_INGRESS_BLOCK 13
#define TCA_EGRESS_BLOCK 14
#endif

enum where { AT_CLSACT, AT_INGRESS, AT_DISCIPLINE };

/* A queueing discipline that may have filters. */
struct filtered {
    uint32_t ifindex;
    uint32_t handle; /* AT_DISCIPLINE */
    enum where where;
    bool classes; /* … these may have some, too */
};

struct reading {
    struct foreign *foreign;
    struct buf filtered; /* struct filtered */
};

/* What distributions give every interface. They neither slow down nor sort by a configured
 * class. */
static bool is_default(const char *kind)
{
    static const char *const kinds[] = {"noqueue", "pfifo_fast", "fq_codel", "mq", "noop"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (!strcmp(kind, kinds[i]))
            return true;
    return false;
}

static struct foreign_place *place(struct foreign *foreign, enum foreign_kind kind,
                                   uint32_t ifindex, const char *what, const char *name)
{
    char why[FOREIGN_TEXT];

    snprintf(why, sizeof(why), "%s%.32s", what, name);
    return foreign_note_place(foreign, kind, NULL, ifindex, why);
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
    if (!filtered.ifindex)
        return true;
    filtered.where = !strcmp(kind, "clsact")    ? AT_CLSACT
                     : !strcmp(kind, "ingress") ? AT_INGRESS
                                                : AT_DISCIPLINE;
    filtered.handle = message->tcm_handle;
    filtered.classes = !is_default(kind);
    if (filtered.where == AT_DISCIPLINE && filtered.classes)
        place(reading->foreign, FOREIGN_QDISC, filtered.ifindex, "queueing discipline ", kind)
            ->shaped = true;
    if (in_block)
        place(reading->foreign, FOREIGN_TC, filtered.ifindex, BLOCK, "")->in = true;
    if (out_block) /* its filters are not looked at */
        place(reading->foreign, FOREIGN_TC, filtered.ifindex, BLOCK, "")->out = true;
    if (filtered.where != AT_DISCIPLINE || filtered.handle)
        buf_add(&reading->filtered, &filtered, sizeof(filtered));
    return true;
}

struct filters {
    bool own;    /* one may be Orbital's */
    bool egress; /* what they read matters */
    bool found, asks;
    char name[FOREIGN_FILTER_NAME]; /* of one that was found, or of the one that reads more */
};

static bool on_filter(void *arg, const struct nlmsghdr *h)
{
    struct filters *filters = arg;
    const struct tcmsg *message = NLMSG_DATA(h);
    int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*message));
    const struct nlattr *options = NULL;
    char kind[FOREIGN_FILTER_NAME] = "";

    if (h->nlmsg_type != RTM_NEWTFILTER || len < 0)
        return true;
    /* A filter without a handle is only its priority; its parts have one each. */
    if (filters->own && message->tcm_info >> 16 == CLSACT_PRIORITY &&
        message->tcm_handle <= CLSACT_HANDLE)
        return true;
    filters->found = true;
    for (const struct rtattr *a = TCA_RTA(message); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == TCA_KIND)
            snprintf(kind, sizeof(kind), "%.*s", (int)RTA_PAYLOAD(a), (const char *)RTA_DATA(a));
        else if ((a->rta_type & NLA_TYPE_MASK) == TCA_OPTIONS)
            options = (const void *)a;
    }
    if (filters->egress)
        filters->asks = foreign_filter_asks(kind, options, filters->name);
    else
        snprintf(filters->name, sizeof(filters->name), "%s", kind);
    return filters->egress && !filters->asks;
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

/* One that went has none. */
static int unless_gone(int r)
{
    return r == -ENODEV || r == -ENOENT || r == -EINVAL || r == -EOPNOTSUPP ? 0 : r;
}

static int read_ingress(struct foreign *foreign, uint32_t ifindex, bool own)
{
    struct filters filters = {.own = own};
    int r =
        ask(RTM_GETTFILTER, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), on_filter, &filters);

    if (filters.found)
        place(foreign, FOREIGN_TC, ifindex, "tc ingress filter ", filters.name)->in = true;
    return unless_gone(r);
}

static int read_egress(struct foreign *foreign, uint32_t ifindex, uint32_t parent)
{
    struct filters filters = {.egress = true};
    int r = ask(RTM_GETTFILTER, ifindex, parent, on_filter, &filters);

    if (filters.asks)
        place(foreign, FOREIGN_TC, ifindex, ASKS, filters.name)->out = true;
    else if (filters.found)
        place(foreign, FOREIGN_TC, ifindex, "tc egress filter ", filters.name)->shaped = true;
    return unless_gone(r);
}

static bool on_class(void *arg, const struct nlmsghdr *h)
{
    struct buf *classes = arg;
    const struct tcmsg *message = NLMSG_DATA(h);

    if (h->nlmsg_type == RTM_NEWTCLASS && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*message)))
        buf_add(classes, &message->tcm_handle, sizeof(message->tcm_handle));
    return classes->len < CLASSES * sizeof(message->tcm_handle);
}

static int read_classes(struct foreign *foreign, uint32_t ifindex)
{
    AUTO(buf) struct buf classes = {0};
    uint32_t handle;
    int r = unless_gone(ask(RTM_GETTCLASS, ifindex, 0, on_class, &classes));

    if (classes.len >= CLASSES * sizeof(handle)) {
        place(foreign, FOREIGN_TC, ifindex, "more classes than are looked at", "")->out = true;
        return r;
    }
    for (size_t at = 0; !r && at < classes.len; at += sizeof(handle)) {
        memcpy(&handle, classes.data + at, sizeof(handle));
        r = read_egress(foreign, ifindex, handle);
    }
    return r;
}

/* asked: the classes of the interface were dumped. */
static int read_filtered(struct foreign *foreign, const struct filtered *filtered, bool own,
                         bool asked)
{
    int r;

    if (filtered->where == AT_DISCIPLINE) {
        r = read_egress(foreign, filtered->ifindex, filtered->handle);
        return !r && filtered->classes && !asked ? read_classes(foreign, filtered->ifindex) : r;
    }
    r = read_ingress(foreign, filtered->ifindex, own);
    return !r && filtered->where == AT_CLSACT
               ? read_egress(foreign, filtered->ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS))
               : r;
}

int foreign_tc_read(struct foreign *foreign, bool clsact)
{
    struct reading reading = {.foreign = foreign};
    uint32_t last = 0; /* the kernel lists an interface's disciplines together */
    int r = ask(RTM_GETQDISC, 0, 0, on_discipline, &reading);

    if (r == -EOPNOTSUPP) /* a kernel without any */
        r = 0;
    for (size_t at = 0; !r && at < reading.filtered.len; at += sizeof(struct filtered)) {
        struct filtered filtered;

        memcpy(&filtered, reading.filtered.data + at, sizeof(filtered));
        r = read_filtered(foreign, &filtered, clsact, filtered.ifindex == last);
        if (filtered.where == AT_DISCIPLINE && filtered.classes)
            last = filtered.ifindex;
    }
    buf_fini(&reading.filtered);
    return r;
}
