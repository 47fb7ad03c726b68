/* The kernel's route for a packet, by RTM_GETROUTE: with an incoming interface the look-up is the
 * one for received packets, with rp_filter and the checks of addresses. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/own.h"
#include "dataplane/attribute.h"
#include "dataplane/packet_test_internal.h"

struct request {
    struct nlmsghdr h;
    struct rtmsg message;
    char attributes[128];
};

static void add(struct request *request, int type, const void *data, size_t size)
{
    struct nlattr *a = (void *)((char *)request + NLMSG_ALIGN(request->h.nlmsg_len));

    *a = (struct nlattr){.nla_len = (uint16_t)(sizeof(*a) + size), .nla_type = (uint16_t)type};
    memcpy(a + 1, data, size);
    request->h.nlmsg_len = NLMSG_ALIGN(request->h.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

/* Families before the address: RTA_VIA, an IPv6 gateway of an IPv4 route. */
static void read_via(const struct nlattr *a, struct packet_route *route)
{
    const struct rtvia *via = (const void *)attribute_data(a);
    size_t size = attribute_size(a);

    if (size != sizeof(*via) + 4 && size != sizeof(*via) + 16)
        return;
    route->gateway_family = (uint8_t)via->rtvia_family;
    memcpy(route->gateway, via->rtvia_addr, size - sizeof(*via));
}

static bool read_route(void *arg, const struct nlmsghdr *h)
{
    struct packet_route *route = arg;
    const struct rtmsg *message = NLMSG_DATA(h);
    size_t size = message->rtm_family == AF_INET ? 4 : 16;

    if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
        return false;
    route->error = 0;
    route->type = message->rtm_type;
    EACH_ATTRIBUTE(a, RTM_RTA(message), RTM_PAYLOAD(h))
    {
        if (attribute_type(a) == RTA_OIF && attribute_size(a) == sizeof(route->oif))
            memcpy(&route->oif, attribute_data(a), sizeof(route->oif));
        if (attribute_type(a) == RTA_PREFSRC && attribute_size(a) == size)
            memcpy(route->source, attribute_data(a), size);
        if (attribute_type(a) == RTA_VIA)
            read_via(a, route);
        if (attribute_type(a) == RTA_GATEWAY && attribute_size(a) == size) {
            route->gateway_family = message->rtm_family;
            memcpy(route->gateway, attribute_data(a), size);
        }
    }
    return false;
}

void packet_test_route_find(const struct packet_test *packet, const uint8_t *source,
                            const uint8_t *destination, uint16_t destination_port, uint32_t in,
                            struct packet_route *ret_route)
{
    size_t size = packet->family == AF_INET ? 4 : 16;
    struct request request = {.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                                    .nlmsg_type = RTM_GETROUTE,
                                    .nlmsg_flags = NLM_F_REQUEST},
                              .message = {.rtm_family = packet->family,
                                          .rtm_dst_len = (uint8_t)(size * 8),
                                          .rtm_src_len = source ? (uint8_t)(size * 8) : 0}};
    uint16_t from = htons(packet->source_port), to = htons(destination_port);
    int r;

    add(&request, RTA_DST, destination, size);
    if (source)
        add(&request, RTA_SRC, source, size);
    if (in)
        add(&request, RTA_IIF, &in, sizeof(in));
    if (destination_port) { /* TCP and UDP: rules of routing may name ports */
        add(&request, RTA_IP_PROTO, &packet->protocol, 1);
        add(&request, RTA_SPORT, &from, sizeof(from));
        add(&request, RTA_DPORT, &to, sizeof(to));
    }
    *ret_route = (struct packet_route){.error = -EBADMSG};
    r = dump_run(NETLINK_ROUTE, &request.h, read_route, ret_route);
    if (r < 0)
        *ret_route = (struct packet_route){.error = r};
}
