/* After a change of policy: established connections the new rules refuse are deleted from
 * conntrack, so that their next packet is new and meets the rules. (Rules accept what is
 * established before they look at anything else.)
 *
 * Surprise: conntrack does not remember interfaces, and zones are interfaces; they are found again
 * by asking the routes for both ends. Flows of the appliance itself are left alone.
 *
 * A connection that no rule has marked began while there were no rules: nobody allowed it, and
 * nobody translated it. Where that was possible (dp->forget) it is deleted, too; what goes on of it
 * is new and meets the rules. */
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf/classify.h"
#include "core/base/own.h"
#include "dataplane/attribute.h"
#include "dataplane/doubt.h"
#include "dataplane/fast.h"

#define RECEIVE_BYTES 65536
#define ROUTE_CACHE 4096 /* a power of two; a collision only asks again */

struct flow_end {
    uint8_t address[16];
    uint16_t port; /* host order */
};

struct flow {
    uint8_t family;
    uint8_t protocol;
    uint8_t icmp_type, icmp_code;
    struct flow_end original[2], reply[2]; /* source, destination */
    uint32_t status;
    uint32_t mark;
    const struct nlattr *tuple; /* CTA_TUPLE_ORIG as it came */
};

struct route {
    uint8_t address[16];
    uint8_t family; /* 0: free */
    bool local;
    uint32_t oif;
};

struct purge {
    int conntrack, routes;
    struct route *cache;
    const struct dataplane_plan *plan;
    const void *memory;
    struct link_list links;
    struct buf doomed; /* messages to send */
    struct doubt doubt;
    bool forget; /* also what has no mark */
    bool unmark; /* nothing is deleted, marks are */
};

static uint16_t read_port(const struct nlattr *a)
{
    const uint8_t *p = (const uint8_t *)attribute_data(a);

    return attribute_size(a) < 2 ? 0 : (uint16_t)(p[0] << 8 | p[1]);
}

static uint8_t read_byte(const struct nlattr *a)
{
    return attribute_size(a) ? *(const uint8_t *)attribute_data(a) : 0;
}

static void read_addresses(const struct nlattr *outer, struct flow_end ends[2])
{
    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        int type = attribute_type(a);
        size_t size = type == CTA_IP_V4_SRC || type == CTA_IP_V4_DST ? 4 : 16;

        if (attribute_size(a) >= size)
            memcpy(ends[type == CTA_IP_V4_DST || type == CTA_IP_V6_DST].address, attribute_data(a),
                   size);
    }
}

static void read_protocol(const struct nlattr *outer, struct flow *flow, struct flow_end ends[2])
{
    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        switch (attribute_type(a)) {
        case CTA_PROTO_NUM:
            flow->protocol = read_byte(a);
            break;
        case CTA_PROTO_SRC_PORT:
            ends[0].port = read_port(a);
            break;
        case CTA_PROTO_DST_PORT:
            ends[1].port = read_port(a);
            break;
        case CTA_PROTO_ICMP_TYPE:
        case CTA_PROTO_ICMPV6_TYPE:
            flow->icmp_type = read_byte(a);
            break;
        case CTA_PROTO_ICMP_CODE:
        case CTA_PROTO_ICMPV6_CODE:
            flow->icmp_code = read_byte(a);
            break;
        default:
            break;
        }
    }
}

static void read_tuple(const struct nlattr *outer, struct flow *flow, struct flow_end ends[2])
{
    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        if (attribute_type(a) == CTA_TUPLE_IP)
            read_addresses(a, ends);
        else if (attribute_type(a) == CTA_TUPLE_PROTO)
            read_protocol(a, flow, ends);
    }
}

static uint32_t read_word(const struct nlattr *a)
{
    const uint8_t *p = (const uint8_t *)attribute_data(a);

    return attribute_size(a) < 4 ? 0 : (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void read_flow(const struct nlmsghdr *h, struct flow *flow)
{
    const struct nfgenmsg *head = NLMSG_DATA(h);
    const char *start = (const char *)head + NLMSG_ALIGN(sizeof(*head));

    memset(flow, 0, sizeof(*flow));
    flow->family = head->nfgen_family;
    EACH_ATTRIBUTE(a, start, (size_t)((const char *)h + h->nlmsg_len - start))
    {
        struct flow reply = {0}; /* ICMP types of the answer are not wanted */

        if (attribute_type(a) == CTA_TUPLE_ORIG) {
            flow->tuple = a;
            read_tuple(a, flow, flow->original);
        } else if (attribute_type(a) == CTA_TUPLE_REPLY) {
            read_tuple(a, &reply, flow->reply);
        } else if (attribute_type(a) == CTA_STATUS) {
            flow->status = read_word(a);
        } else if (attribute_type(a) == CTA_MARK) {
            flow->mark = read_word(a);
        }
    }
}

static void ask_route(struct purge *purge, struct route *route)
{
    size_t size = route->family == AF_INET ? 4 : 16;
    struct {
        struct nlmsghdr h;
        struct rtmsg message;
        struct rtattr attribute;
        uint8_t address[16];
    } request = {.h = {.nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST},
                 .message = {.rtm_family = route->family, .rtm_dst_len = (uint8_t)(size * 8)},
                 .attribute = {.rta_type = RTA_DST, .rta_len = (uint16_t)RTA_LENGTH(size)}};
    char data[4096] __attribute__((aligned(8)));
    const struct nlmsghdr *h = (void *)data;
    const struct rtmsg *answer = NLMSG_DATA(h);
    ssize_t n;
    int len;

    memcpy(request.address, route->address, size);
    request.h.nlmsg_len = (uint32_t)(offsetof(__typeof__(request), address) + size);
    if (send(purge->routes, &request, request.h.nlmsg_len, 0) < 0)
        return;
    n = recv(purge->routes, data, sizeof(data), 0);
    if (n < 0 || !NLMSG_OK(h, (unsigned)n) || h->nlmsg_type != RTM_NEWROUTE)
        return;
    route->local = answer->rtm_type == RTN_LOCAL;
    len = (int)RTM_PAYLOAD(h);
    for (const struct rtattr *a = RTM_RTA(answer); RTA_OK(a, len); a = RTA_NEXT(a, len))
        if (a->rta_type == RTA_OIF)
            memcpy(&route->oif, RTA_DATA(a), 4);
}

static const struct route *find_route(struct purge *purge, uint8_t family, const uint8_t *address)
{
    struct route *route;
    uint32_t hash = 2166136261u;

    for (int i = 0; i < 16; i++)
        hash = (hash ^ address[i]) * 16777619u;
    route = &purge->cache[(hash ^ hash >> 16) & (ROUTE_CACHE - 1)];
    if (route->family == family && !memcmp(route->address, address, 16))
        return route;
    memset(route, 0, sizeof(*route));
    route->family = family;
    memcpy(route->address, address, 16);
    ask_route(purge, route);
    return route;
}

static uint8_t zone_of(const struct purge *purge, uint32_t ifindex)
{
    for (unsigned i = 0; i < purge->links.count; i++)
        if (purge->links.items[i].ifindex == ifindex)
            return (uint8_t)policy_interface_zone(&purge->plan->policy, purge->links.items[i].name);
    return 0;
}

/* Both ends as the forward chain sees them: before source NAT, after destination NAT. */
static bool is_refused(struct purge *purge, const struct flow *flow)
{
    const struct flow_end *source = &flow->original[0], *destination = &flow->reply[0];
    const struct route *route;
    struct classify_header header = {.family = flow->family, .protocol = flow->protocol};
    const struct policy_rule *rule;
    int found;

    if ((flow->family != AF_INET && flow->family != AF_INET6) || (flow->status & IPS_EXPECTED))
        return false;
    route = find_route(purge, flow->family, source->address);
    if (route->local)
        return false;
    header.zone_from = zone_of(purge, route->oif);
    route = find_route(purge, flow->family, destination->address);
    if (route->local)
        return false;
    header.zone_to = zone_of(purge, route->oif);
    memcpy(header.source, source->address, 16);
    memcpy(header.destination, destination->address, 16);
    header.source_port = source->port;
    header.destination_port = destination->port;
    if (flow->protocol == IPPROTO_ICMP || flow->protocol == IPPROTO_ICMPV6) {
        header.source_port = 0;
        header.destination_port = (uint16_t)(flow->icmp_type << 8 | flow->icmp_code);
    }
    found = classify_lookup(purge->memory, CLASSIFY_BLOB_BYTES, &header);
    if (found < 0)
        return purge->plan->policy.forward != POLICY_ACCEPT;
    rule = &purge->plan->policy.rules[found];
    return policy_rule_unsure(rule) ? doubt_refuses(&purge->doubt, &header, flow->mark)
                                    : rule->action != POLICY_ACCEPT;
}

static void doom(struct purge *purge, const struct flow *flow)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
    } request = {.h = {.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
                       .nlmsg_flags = NLM_F_REQUEST},
                 .head = {.nfgen_family = flow->family, .version = NFNETLINK_V0}};

    request.h.nlmsg_len = (uint32_t)(sizeof(request) + NLA_ALIGN(flow->tuple->nla_len));
    buf_add(&purge->doomed, &request, sizeof(request));
    buf_add(&purge->doomed, flow->tuple, NLA_ALIGN(flow->tuple->nla_len));
}

static void unmark(struct purge *purge, const struct flow *flow)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
        struct nlattr mark;
        uint32_t value;
    } request = {.h = {.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
                       .nlmsg_flags = NLM_F_REQUEST},
                 .head = {.nfgen_family = flow->family, .version = NFNETLINK_V0},
                 .mark = {.nla_len = sizeof(struct nlattr) + 4, .nla_type = CTA_MARK}};

    request.h.nlmsg_len = (uint32_t)(sizeof(request) + NLA_ALIGN(flow->tuple->nla_len));
    buf_add(&purge->doomed, &request, sizeof(request));
    buf_add(&purge->doomed, flow->tuple, NLA_ALIGN(flow->tuple->nla_len));
}

/* No rule has marked it, or the kernel's translation never saw its first packet: the chains of
 * translation are always there with the rules. The mark alone does not tell: a packet of such a
 * flow that no answer came to is new to the rules, and they mark it a moment before this looks. */
static bool began_without(const struct flow *flow)
{
    const uint32_t seen = IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE;

    return !flow->mark || (flow->status & seen) != seen;
}

static void judge(struct purge *purge, const struct flow *flow)
{
    if (!flow->tuple)
        return;
    if (purge->unmark) {
        if (flow->mark)
            unmark(purge, flow);
        return;
    }
    if ((purge->forget && began_without(flow)) || is_refused(purge, flow))
        doom(purge, flow);
}

static int dump(struct purge *purge, struct orb_err *err)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .head = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0}};
    AUTO_FREE char *data = xcalloc(1, RECEIVE_BYTES);

    if (send(purge->conntrack, &request, sizeof(request), 0) < 0)
        return orb_fail(err, -errno, "asking conntrack for its connections");
    for (;;) {
        ssize_t n = recv(purge->conntrack, data, RECEIVE_BYTES, 0);
        unsigned len = (unsigned)n;

        if (n < 0)
            return orb_fail(err, -errno, "reading conntrack's connections");
        for (const struct nlmsghdr *h = (void *)data; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
            struct flow flow;

            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR)
                return orb_fail(err, ((const struct nlmsgerr *)NLMSG_DATA(h))->error,
                                "reading conntrack's connections");
            read_flow(h, &flow);
            judge(purge, &flow);
        }
    }
}

static int send_all(struct purge *purge, struct orb_err *err)
{
    size_t at = 0;

    while (at < purge->doomed.len) {
        struct nlmsghdr head;

        memcpy(&head, purge->doomed.data + at, sizeof(head));
        /* One that ended by itself meanwhile answers with an error nobody reads. */
        if (send(purge->conntrack, purge->doomed.data + at, head.nlmsg_len, 0) < 0)
            return orb_fail(err, -errno, "changing connections in conntrack");
        at += head.nlmsg_len;
    }
    return 0;
}

int flows_purge(struct dataplane *dp, const struct dataplane_plan *plan, struct orb_err *err)
{
    AUTO_FD int conntrack = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    AUTO_FD int routes = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    AUTO_FREE struct route *cache = xcalloc(ROUTE_CACHE, sizeof(*cache));
    struct purge purge = {
        .conntrack = conntrack,
        .routes = routes,
        .cache = cache,
        .plan = plan,
        .memory = plan->memory,
        .forget = dp->forget,
        .doubt = {.now = &plan->policy, .before = dp->previous ? &dp->previous->policy : NULL}};
    int r;

    if (conntrack < 0 || routes < 0)
        return orb_fail(err, -errno, "a netlink socket");
    r = link_read(&purge.links, err);
    if (!r)
        r = dump(&purge, err);
    if (!r)
        r = send_all(&purge, err);
    buf_fini(&purge.doomed);
    doubt_fini(&purge.doubt);
    free(purge.links.items);
    return r;
}

int flows_unmark(struct orb_err *err)
{
    AUTO_FD int conntrack = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    struct purge purge = {.conntrack = conntrack, .unmark = true};
    int r;

    if (conntrack < 0)
        return orb_fail(err, -errno, "a netlink socket");
    r = dump(&purge, err);
    if (!r)
        r = send_all(&purge, err);
    buf_fini(&purge.doomed);
    return r;
}
