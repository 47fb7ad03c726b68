/* Messages of conntrack's netlink: reading one connection, changing it. */
#include "dataplane/flow.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/attribute.h"

#define HELD_S 432000 /* five days, the kernel's default for an established connection */

/* Members of a tuple beside its ends. */
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
    case CTA_TIMEOUT:
        flow->timeout_s = read_word(a);
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

/* Adds the padding: the message may end with the attribute. */
static void copy_attribute(struct buf *b, const struct nlattr *a)
{
    static const char zeros[NLA_ALIGNTO];

    buf_add(b, a, a->nla_len);
    buf_add(b, zeros, NLA_ALIGN(a->nla_len) - a->nla_len);
}

/* more: attributes, may be NULL. */
static void add_message(const struct flow *flow, uint16_t type, const void *more, size_t rest,
                        struct buf *b)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
    } request = {.h = {.nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type),
                       .nlmsg_flags = NLM_F_REQUEST},
                 .head = {.nfgen_family = flow->family, .version = NFNETLINK_V0}};

    request.h.nlmsg_len = (uint32_t)(sizeof(request) + NLA_ALIGN(flow->tuple->nla_len) + rest);
    buf_add(b, &request, sizeof(request));
    copy_attribute(b, flow->tuple);
    buf_add(b, more, rest);
}

void flow_delete(const struct flow *flow, struct buf *ret_messages)
{
    AUTO(buf) struct buf id = {0};

    if (flow->id)
        copy_attribute(&id, flow->id);
    add_message(flow, IPCTNL_MSG_CT_DELETE, id.data, id.len, ret_messages);
}

/* ---- a new connection ---- */

#define CREATED_S 30 /* it waits so long for its first packet: as UDP without an answer does */

static void add_attribute(struct buf *b, uint16_t type, const void *data, size_t size)
{
    static const char zeros[NLA_ALIGNTO];
    struct nlattr head = {.nla_len = (uint16_t)(sizeof(head) + size), .nla_type = type};

    buf_add(b, &head, sizeof(head));
    buf_add(b, data, size);
    buf_add(b, zeros, NLA_ALIGN(size) - size);
}

static void add_port(struct buf *b, uint16_t type, uint16_t port)
{
    uint16_t value = htons(port);

    add_attribute(b, type, &value, sizeof(value));
}

static void add_nest(struct buf *b, uint16_t type, const struct buf *inside)
{
    add_attribute(b, type | NLA_F_NESTED, inside->data, inside->len);
}

/* The answers to flow, as if it were not translated. */
static void add_reply(const struct flow *flow, struct buf *b)
{
    const struct flow_end *from = &flow->original[1], *to = &flow->original[0];
    AUTO(buf) struct buf addresses = {0}, ports = {0}, tuple = {0};
    bool four = flow->family == AF_INET;
    size_t size = four ? 4 : 16;

    add_attribute(&addresses, four ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, from->address, size);
    add_attribute(&addresses, four ? CTA_IP_V4_DST : CTA_IP_V6_DST, to->address, size);
    add_attribute(&ports, CTA_PROTO_NUM, &flow->protocol, 1);
    add_port(&ports, CTA_PROTO_SRC_PORT, from->port);
    add_port(&ports, CTA_PROTO_DST_PORT, to->port);
    add_nest(&tuple, CTA_TUPLE_IP, &addresses);
    add_nest(&tuple, CTA_TUPLE_PROTO, &ports);
    add_nest(b, CTA_TUPLE_REPLY, &tuple);
}

/* port 0: any. */
static void add_nat(uint16_t type, uint8_t family, const uint8_t *address, uint16_t port,
                    struct buf *b)
{
    AUTO(buf) struct buf nat = {0}, ports = {0};
    bool four = family == AF_INET;
    size_t size = four ? 4 : 16;

    add_attribute(&nat, four ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, address, size);
    add_attribute(&nat, four ? CTA_NAT_V4_MAXIP : CTA_NAT_V6_MAXIP, address, size);
    if (port) {
        add_port(&ports, CTA_PROTONAT_PORT_MIN, port);
        add_port(&ports, CTA_PROTONAT_PORT_MAX, port);
        add_nest(&nat, CTA_NAT_PROTO, &ports);
    }
    add_nest(b, type, &nat);
}

void flow_create(const struct flow *flow, const struct flow_end *destination,
                 const uint8_t source[16], struct buf *ret_messages)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
    } request = {.h = {.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL},
                 .head = {.nfgen_family = flow->family, .version = NFNETLINK_V0}};
    AUTO(buf) struct buf b = {0};
    uint32_t timeout = htonl(CREATED_S);

    buf_add(&b, flow->tuple, NLA_ALIGN(flow->tuple->nla_len));
    add_reply(flow, &b);
    add_attribute(&b, CTA_TIMEOUT, &timeout, sizeof(timeout));
    add_nat(CTA_NAT_SRC, flow->family, source, 0, &b);
    add_nat(CTA_NAT_DST, flow->family, destination->address, destination->port, &b);
    request.h.nlmsg_len = (uint32_t)(sizeof(request) + b.len);
    buf_add(ret_messages, &request, sizeof(request));
    buf_add(ret_messages, b.data, b.len);
}

/* An attribute of one word, as all of a connection's are. */
struct word {
    struct nlattr head;
    uint32_t value;
};

static struct word word_of(uint16_t type, uint32_t value)
{
    return (struct word){{.nla_len = sizeof(struct word), .nla_type = type}, htonl(value)};
}

void flow_set_mark(const struct flow *flow, uint32_t mark, struct buf *ret_messages)
{
    struct word word = word_of(CTA_MARK, mark);

    add_message(flow, IPCTNL_MSG_CT_NEW, &word, sizeof(word), ret_messages);
}

/* Two messages: the kernel refuses the second where the time is fixed already. */
void flow_hold(const struct flow *flow, uint32_t mark, struct buf *ret_messages)
{
    struct word words[] = {word_of(CTA_TIMEOUT, HELD_S),
                           word_of(CTA_STATUS, flow->status | IPS_FIXED_TIMEOUT)};

    flow_set_mark(flow, mark, ret_messages);
    add_message(flow, IPCTNL_MSG_CT_NEW, words, sizeof(words), ret_messages);
}
