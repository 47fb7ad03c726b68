/* Looks up the routes to a connection's ends. Results are cached for one walk: a hundred thousand
 * connections have few ends. */
#include "dataplane/ways.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/dump.h"
#include "dataplane/link.h"

#define ROUTE_CACHE 16384 /* a power of two; a collision costs another lookup */
#define DUMP_TRIES 8

static bool add_address(void *arg, const struct nlmsghdr *h)
{
    struct ways *ways = arg;
    const struct ifaddrmsg *message = NLMSG_DATA(h);
    struct way_address *address;
    int len = (int)IFA_PAYLOAD(h);
    size_t size;

    if (h->nlmsg_type != RTM_NEWADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
        return true;
    size = message->ifa_family == AF_INET ? 4 : 16;
    if (ways->address_count % 64 == 0)
        ways->addresses =
            xrealloc(ways->addresses, (ways->address_count + 64) * sizeof(*ways->addresses));
    address = &ways->addresses[ways->address_count];
    *address = (struct way_address){.family = message->ifa_family,
                                    .ifindex = (uint32_t)message->ifa_index};
    for (const struct rtattr *a = IFA_RTA(message); RTA_OK(a, len); a = RTA_NEXT(a, len))
        if ((a->rta_type == IFA_LOCAL || (a->rta_type == IFA_ADDRESS && size == 16)) &&
            RTA_PAYLOAD(a) >= size) {
            memcpy(address->address, RTA_DATA(a), size);
            ways->address_count += a->rta_type == IFA_LOCAL || size == 16;
            break;
        }
    return true;
}

static int read_addresses(struct ways *ways)
{
    struct {
        struct nlmsghdr h;
        struct ifaddrmsg message;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = RTM_GETADDR,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    int r = -EINTR;

    for (int i = 0; r == -EINTR && i < DUMP_TRIES; i++) {
        ways->address_count = 0;
        r = dump_run(NETLINK_ROUTE, &request.h, add_address, ways);
    }
    ways->incomplete = r == -EINTR;
    return ways->incomplete ? 0 : r; /* addresses that keep changing cause events, too */
}

int ways_open(struct ways *ways, struct orb_err *err)
{
    int r;

    *ways = (struct ways){.routes = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
    if (ways->routes < 0)
        return orb_fail(err, -errno, "a netlink socket");
    ways->cache = xcalloc(ROUTE_CACHE, sizeof(*ways->cache));
    r = link_read(&ways->links, err);
    if (r < 0)
        return r;
    r = read_addresses(ways);
    return r < 0 ? orb_fail(err, r, "reading the addresses of the interfaces") : 0;
}

void ways_close(struct ways *ways)
{
    if (ways->routes >= 0)
        close(ways->routes);
    free(ways->cache);
    free(ways->links.items);
    free(ways->addresses);
}

static void ask_route(const struct ways *ways, struct way_route *route)
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
    if (send(ways->routes, &request, request.h.nlmsg_len, 0) < 0)
        return;
    n = recv(ways->routes, data, sizeof(data), 0);
    if (n < 0 || !NLMSG_OK(h, (unsigned)n) || h->nlmsg_type != RTM_NEWROUTE ||
        h->nlmsg_len < NLMSG_LENGTH(sizeof(*answer)))
        return;
    route->local = answer->rtm_type == RTN_LOCAL || answer->rtm_type == RTN_BROADCAST ||
                   answer->rtm_type == RTN_ANYCAST || answer->rtm_type == RTN_MULTICAST;
    len = (int)RTM_PAYLOAD(h);
    for (const struct rtattr *a = RTM_RTA(answer); RTA_OK(a, len); a = RTA_NEXT(a, len))
        if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) >= sizeof(route->oif))
            memcpy(&route->oif, RTA_DATA(a), 4);
}

static struct way_route find_route(struct ways *ways, uint8_t family, const uint8_t *address)
{
    struct way_route *route;
    uint32_t hash = 2166136261u;

    for (int i = 0; i < 16; i++)
        hash = (hash ^ address[i]) * 16777619u;
    route = &ways->cache[(hash ^ hash >> 16) & (ROUTE_CACHE - 1)];
    if (route->family == family && !memcmp(route->address, address, 16))
        return *route;
    *route = (struct way_route){.family = family};
    memcpy(route->address, address, 16);
    ask_route(ways, route);
    return *route;
}

static const char *name_of(const struct ways *ways, uint32_t ifindex)
{
    for (unsigned i = 0; i < ways->links.count; i++)
        if (ways->links.items[i].ifindex == ifindex)
            return ways->links.items[i].name;
    return "";
}

bool ways_has(const struct ways *ways, const char *interface, uint8_t family,
              const uint8_t address[16])
{
    for (unsigned i = 0; i < ways->address_count; i++) {
        const struct way_address *a = &ways->addresses[i];

        if (a->family == family && !memcmp(a->address, address, 16) &&
            !strcmp(name_of(ways, a->ifindex), interface))
            return true;
    }
    return false;
}

bool ways_own(const struct ways *ways, uint8_t family, const uint8_t address[16])
{
    for (unsigned i = 0; i < ways->address_count; i++)
        if (ways->addresses[i].family == family &&
            !memcmp(ways->addresses[i].address, address, sizeof(ways->addresses[i].address)))
            return true;
    return false;
}

/* What the appliance sends has an address of its own as source, and is not what it gets: a
 * multicast address is no sender's. */
bool ways_find(struct ways *ways, const struct flow *flow, struct flow_way *ret_way)
{
    struct way_route from = find_route(ways, flow->family, flow->original[0].address);
    struct way_route to = find_route(ways, flow->family, flow->reply[0].address);

    *ret_way = (struct flow_way){.hook = from.local ? FLOW_HOOK_OUTPUT
                                         : to.local ? FLOW_HOOK_INPUT
                                                    : FLOW_HOOK_FORWARD,
                                 .in = "",
                                 .out = ""};
    ret_way->own = find_route(ways, flow->family, flow->original[1].address).local;
    if (ret_way->hook != FLOW_HOOK_OUTPUT)
        ret_way->in = name_of(ways, from.oif);
    if (ret_way->hook != FLOW_HOOK_INPUT) {
        ret_way->out = name_of(ways, to.oif);
        ret_way->hidden = ways_has(ways, ret_way->out, flow->family, flow->reply[1].address);
    }
    return !(from.local && to.local && !strcmp(ret_way->out, "lo"));
}
