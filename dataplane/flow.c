/* Messages of conntrack's netlink: reading one connection, changing it. */
#include "dataplane/flow.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/attribute.h"

/* What a tuple says beside its ends. */
struct tuple {
    struct flow_end *ends;
    uint8_t protocol, icmp_type, icmp_code;
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

static uint32_t read_word(const struct nlattr *a)
{
    const uint8_t *p = (const uint8_t *)attribute_data(a);

    return attribute_size(a) < 4 ? 0 : (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void read_addresses(const struct nlattr *outer, struct flow_end ends[2])
{
    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        int type = attribute_type(a);
        size_t size = type == CTA_IP_V4_SRC || type == CTA_IP_V4_DST ? 4 : 16;

        if (type >= CTA_IP_V4_SRC && type <= CTA_IP_V6_DST && attribute_size(a) >= size)
            memcpy(ends[type == CTA_IP_V4_DST || type == CTA_IP_V6_DST].address, attribute_data(a),
                   size);
    }
}

static void read_protocol(const struct nlattr *outer, struct tuple *tuple)
{
    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        switch (attribute_type(a)) {
        case CTA_PROTO_NUM:
            tuple->protocol = read_byte(a);
            break;
        case CTA_PROTO_SRC_PORT:
            tuple->ends[0].port = read_port(a);
            break;
        case CTA_PROTO_DST_PORT:
            tuple->ends[1].port = read_port(a);
            break;
        case CTA_PROTO_ICMP_TYPE:
        case CTA_PROTO_ICMPV6_TYPE:
            tuple->icmp_type = read_byte(a);
            break;
        case CTA_PROTO_ICMP_CODE:
        case CTA_PROTO_ICMPV6_CODE:
            tuple->icmp_code = read_byte(a);
            break;
        default:
            break;
        }
    }
}

static struct tuple read_tuple(const struct nlattr *outer, struct flow_end ends[2])
{
    struct tuple tuple = {.ends = ends};

    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        if (attribute_type(a) == CTA_TUPLE_IP)
            read_addresses(a, ends);
        else if (attribute_type(a) == CTA_TUPLE_PROTO)
            read_protocol(a, &tuple);
    }
    return tuple;
}

static uint8_t read_tcp_state(const struct nlattr *info)
{
    const struct nlattr *tcp = attribute_find(info, CTA_PROTOINFO_TCP);
    const struct nlattr *state = tcp ? attribute_find(tcp, CTA_PROTOINFO_TCP_STATE) : NULL;

    return state ? read_byte(state) : 0;
}

static void read_attribute(const struct nlattr *a, struct flow *flow)
{
    struct tuple tuple;

    switch (attribute_type(a)) {
    case CTA_TUPLE_ORIG:
        tuple = read_tuple(a, flow->original);
        flow->tuple = a;
        flow->protocol = tuple.protocol;
        flow->icmp_type = tuple.icmp_type;
        flow->icmp_code = tuple.icmp_code;
        break;
    case CTA_TUPLE_REPLY:
        read_tuple(a, flow->reply);
        break;
    case CTA_TUPLE_MASTER:
        flow->master_protocol = read_tuple(a, flow->master).protocol;
        flow->expected = true;
        break;
    case CTA_STATUS:
        flow->status = read_word(a);
        break;
    case CTA_MARK:
        flow->mark = read_word(a);
        break;
    case CTA_ID:
        flow->id = a;
        break;
    case CTA_PROTOINFO:
        flow->tcp_state = read_tcp_state(a);
        break;
    case CTA_ZONE:
        flow->zoned = true;
        break;
    default:
        break;
    }
}

void flow_read(const struct nlmsghdr *h, struct flow *ret_flow)
{
    const struct nfgenmsg *head = NLMSG_DATA(h);
    const char *start = (const char *)head + NLMSG_ALIGN(sizeof(*head));

    memset(ret_flow, 0, sizeof(*ret_flow));
    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*head)))
        return;
    ret_flow->family = head->nfgen_family;
    EACH_ATTRIBUTE(a, start, (size_t)((const char *)h + h->nlmsg_len - start))
    {
        read_attribute(a, ret_flow);
    }
    ret_flow->expected |= (ret_flow->status & IPS_EXPECTED) != 0;
}

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * 1099511628211ull;
    return hash;
}

uint64_t flow_hash(uint8_t family, uint8_t protocol, const struct flow_end ends[2])
{
    uint64_t hash = mix(14695981039346656037ull, &family, 1);

    hash = mix(hash, &protocol, 1);
    for (int i = 0; i < 2; i++) {
        hash = mix(hash, ends[i].address, sizeof(ends[i].address));
        hash = mix(hash, &ends[i].port, sizeof(ends[i].port));
    }
    return hash;
}

static void add_message(const struct flow *flow, uint16_t type, const struct nlattr *more,
                        struct buf *b)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
    } request = {.h = {.nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type),
                       .nlmsg_flags = NLM_F_REQUEST},
                 .head = {.nfgen_family = flow->family, .version = NFNETLINK_V0}};
    size_t rest = more ? NLA_ALIGN(more->nla_len) : 0;

    request.h.nlmsg_len = (uint32_t)(sizeof(request) + NLA_ALIGN(flow->tuple->nla_len) + rest);
    buf_add(b, &request, sizeof(request));
    buf_add(b, flow->tuple, NLA_ALIGN(flow->tuple->nla_len));
    if (more)
        buf_add(b, more, rest);
}

void flow_delete(const struct flow *flow, struct buf *ret_messages)
{
    add_message(flow, IPCTNL_MSG_CT_DELETE, flow->id, ret_messages);
}

void flow_set_mark(const struct flow *flow, uint32_t mark, struct buf *ret_messages)
{
    struct {
        struct nlattr head;
        uint32_t value;
    } attribute = {{.nla_len = sizeof(attribute), .nla_type = CTA_MARK}, htonl(mark)};

    add_message(flow, IPCTNL_MSG_CT_NEW, &attribute.head, ret_messages);
}
