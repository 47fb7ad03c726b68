/* What the parts of rtnl.h share. A dump that outgrows memory is cut by failing the request, never
 * by returning half of it. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/lib/rtnl_internal.h"

void *rtnl_grow(struct rtnl_grow *g)
{
    if (g->count == g->size) {
        unsigned size = g->size ? g->size * 2 : 32;
        void *items = realloc(g->items, size * g->item);

        if (!items) {
            g->failed = true;
            return NULL;
        }
        g->items = items;
        g->size = size;
    }
    return memset((char *)g->items + g->count++ * g->item, 0, g->item);
}

uint32_t rtnl_u32(const struct nlattr *attr, uint32_t otherwise)
{
    return attr && nla_len(attr) >= (int)sizeof(otherwise) ? nla_get_u32(attr) : otherwise;
}

uint8_t rtnl_u8(const struct nlattr *attr, uint8_t otherwise)
{
    return attr && nla_len(attr) >= 1 ? nla_get_u8(attr) : otherwise;
}

bool rtnl_fits(uint8_t family, uint8_t len)
{
    return len <= address_size(family) * 8;
}

bool rtnl_read_address(const struct nlattr *attr, uint8_t family, struct address *ret)
{
    if (!attr || (family != AF_INET && family != AF_INET6) ||
        nla_len(attr) < (int)address_size(family))
        return false;
    *ret = (struct address){.family = family};
    memcpy(ret->bytes, nla_data(attr), address_size(family));
    return true;
}

static void on_restart(void *arg)
{
    ((struct rtnl_grow *)arg)->count = 0;
}

int rtnl_collect(struct nl_sock *socket, int type, const void *header, size_t len,
                 netlink_each *each, struct rtnl_grow *g, const char *what, struct orb_err *err)
{
    struct netlink_reader reader = {.each = each, .restart = on_restart, .arg = g};
    int r = netlink_dump(socket, type, header, len, &reader, err);

    if (r == 0 && g->failed)
        r = orb_fail(err, ORB_E_NOMEM, "no memory for what the kernel reports");
    if (r == 0)
        return 0;
    free(g->items);
    *g = (struct rtnl_grow){.item = g->item};
    return orb_wrap(err, "cannot read the kernel's %s", what);
}

int rtnl_send(struct nl_sock *socket, struct nl_msg *message, bool fits, struct orb_err *err)
{
    if (message && fits)
        return netlink_send(socket, message, err);
    nlmsg_free(message);
    return orb_fail(err, ORB_E_NOMEM, "no memory for a netlink message");
}
