/* Addresses of the kernel's links: see rtnl.h. */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "plugins/lib/rtnl_internal.h"

bool rtnl_addr_read(struct nlmsghdr *header, struct rtnl_addr *ret_addr)
{
    struct ifaddrmsg *m = nlmsg_data(header);
    struct nlattr *a[IFA_MAX + 1];
    struct rtnl_addr r = {0};

    if ((header->nlmsg_type != RTM_NEWADDR && header->nlmsg_type != RTM_DELADDR) ||
        nlmsg_parse(header, sizeof(*m), a, IFA_MAX, NULL) < 0)
        return false;
    /* On point-to-point links IFA_ADDRESS is the peer and IFA_LOCAL the local address. */
    if (!rtnl_read_address(a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS], m->ifa_family,
                           &r.prefix.address) ||
        !rtnl_fits(m->ifa_family, m->ifa_prefixlen))
        return false;
    r.index = (int)m->ifa_index;
    r.prefix.len = m->ifa_prefixlen;
    r.network = r.prefix;
    rtnl_read_address(a[IFA_ADDRESS], m->ifa_family, &r.network.address);
    r.flags = rtnl_u32(a[IFA_FLAGS], m->ifa_flags);
    r.protocol = rtnl_u8(a[IFA_PROTO], 0);
    *ret_addr = r;
    return true;
}

static void on_addr(void *arg, struct nlmsghdr *header)
{
    struct rtnl_addr addr, *to;

    if (rtnl_addr_read(header, &addr) && (to = rtnl_grow(arg)))
        *to = addr;
}

int rtnl_addr_list(struct nl_sock *socket, struct rtnl_addrs *ret_addrs, struct orb_err *err)
{
    struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
    struct rtnl_grow g = {.item = sizeof(struct rtnl_addr)};
    int r =
        rtnl_collect(socket, RTM_GETADDR, &header, sizeof(header), on_addr, &g, "addresses", err);

    if (r == 0)
        *ret_addrs = (struct rtnl_addrs){g.items, g.count};
    return r;
}

/* protocol and more: for RTM_NEWADDR. */
static int change_addr(struct nl_sock *socket, int type, int flags, int index,
                       const struct prefix *prefix, uint8_t protocol, uint32_t more,
                       struct orb_err *err)
{
    const struct address *address = &prefix->address;
    struct nl_msg *message = nlmsg_alloc_simple(type, flags);
    struct ifaddrmsg m = {.ifa_family = address->family,
                          .ifa_prefixlen = prefix->len,
                          .ifa_scope = RT_SCOPE_UNIVERSE,
                          .ifa_index = (uint32_t)index};
    struct prefix all = prefix_network(prefix);
    int size = (int)address_size(address->family);
    bool fits;

    if (address_is_link_local(address))
        m.ifa_scope = RT_SCOPE_LINK;
    fits = message && nlmsg_append(message, &m, sizeof(m), NLMSG_ALIGNTO) == 0 &&
           nla_put(message, IFA_LOCAL, size, address->bytes) == 0 &&
           nla_put(message, IFA_ADDRESS, size, address->bytes) == 0;
    if (fits && type == RTM_NEWADDR)
        fits = nla_put_u8(message, IFA_PROTO, protocol) == 0 &&
               (!more || nla_put_u32(message, IFA_FLAGS, more) == 0);
    if (fits && type == RTM_NEWADDR && address->family == AF_INET && prefix->len < 31) {
        for (unsigned bit = prefix->len; bit < 32; bit++)
            all.address.bytes[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
        fits = nla_put(message, IFA_BROADCAST, size, all.address.bytes) == 0;
    }
    return rtnl_send(socket, message, fits, err);
}

int rtnl_addr_add_as(struct nl_sock *socket, int index, const struct prefix *prefix,
                     uint8_t protocol, uint32_t flags, struct orb_err *err)
{
    return change_addr(socket, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, prefix, protocol,
                       flags, err);
}

int rtnl_addr_add(struct nl_sock *socket, int index, const struct prefix *prefix,
                  struct orb_err *err)
{
    return rtnl_addr_add_as(socket, index, prefix, NETLINK_OURS, 0, err);
}

int rtnl_addr_delete(struct nl_sock *socket, int index, const struct prefix *prefix,
                     struct orb_err *err)
{
    return change_addr(socket, RTM_DELADDR, 0, index, prefix, 0, 0, err);
}
