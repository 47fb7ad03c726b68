/* The fast path's table of interfaces: zone, whether it is a port, address.
 *
 * Note: each of the two policies has space for ABI_IFACES / 2 of them, and more are no error:
 * packets of an interface without an entry are left to the kernel. */
#include "dataplane/describe.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/route_mtu.h"

/* How much a description is needed: ports first, then what the policy names, then the rest. */
#define RANKS 3
static uint8_t rank(const struct policy *policy, const struct port_list *ports,
                    const struct link_info *link)
{
    for (unsigned i = 0; i < ports->count; i++)
        if (ports->items[i].ifindex == link->ifindex)
            return 0;
    return policy_interface_zone(policy, link->name) ? 1 : 2;
}

static int describe_link(struct dataplane *dp, int ifaces, const struct policy *policy,
                         uint32_t slot, const struct link_info *link, const struct link_list *links,
                         const struct port_list *ports)
{
    struct foreign_sum sum = foreign_port_sum(dp, link, links);
    struct fast_iface_key key = {.ifindex = link->ifindex, .policy = slot};
    struct fast_iface iface = {.port = ABI_NO_PORT, .redirect = ABI_NO_PORT};

    iface.flags = (sum.in ? IFACE_IN : 0) | (sum.out ? IFACE_OUT : 0);
    iface.flags |= route_mtu_of(&dp->mtus, link->ifindex) << IFACE_MTU_SHIFT;
    iface.zone = (uint8_t)policy_interface_zone(policy, link->name);
    memcpy(iface.mac, link->mac, 6);
    for (unsigned k = 0; k < ports->count; k++)
        if (ports->items[k].ifindex == link->ifindex) {
            iface.port = (uint16_t)ports->items[k].index;
            iface.redirect = ports->items[k].redirect ? iface.port : ABI_NO_PORT;
            iface.flags |= ports->items[k].mode == PORT_XDP ? IFACE_XDP : 0;
        }
    return bpf_map_update_elem(ifaces, &key, &iface, BPF_ANY) ? -errno : 0;
}

/* Removes entries of the other slot, and those of either for interfaces that are gone. */
static void forget(int ifaces, uint32_t slot, const struct link_list *links, const bool *chosen)
{
    AUTO_FREE struct fast_iface_key *keys = xcalloc(ABI_IFACES, sizeof(*keys));
    struct fast_iface_key *last = NULL;
    unsigned count = 0;

    while (count < ABI_IFACES && !bpf_map_get_next_key(ifaces, last, &keys[count]))
        last = &keys[count++];
    for (unsigned i = 0; i < count; i++) {
        bool wanted = false;

        for (unsigned k = 0; k < links->count && !wanted; k++)
            wanted =
                links->items[k].ifindex == keys[i].ifindex && (keys[i].policy != slot || chosen[k]);
        if (!wanted)
            bpf_map_delete_elem(ifaces, &keys[i]);
    }
}

/* One entry for each interface: zones apply to interfaces that are no ports, too. Packets from and
 * to one that does not fit are left to the kernel. */
void describe_links(struct dataplane *dp, int ifaces, const struct policy *policy, uint32_t slot,
                    const struct link_list *links, struct port_list *ports)
{
    AUTO_FREE bool *chosen = xcalloc(links->count + 1, sizeof(*chosen));
    AUTO_FREE uint8_t *ranks = xcalloc(links->count + 1, 1);
    unsigned count = 0;

    for (unsigned i = 0; i < links->count; i++)
        ranks[i] = rank(policy, ports, &links->items[i]);
    for (unsigned turn = 0; turn < RANKS; turn++)
        for (unsigned i = 0; i < links->count && count < ABI_IFACES / 2; i++)
            if (ranks[i] == turn) {
                chosen[i] = true;
                count++;
            }
    forget(ifaces, slot, links, chosen);
    ports->undescribed = 0;
    for (unsigned i = 0; i < links->count; i++)
        if ((!chosen[i] ||
             describe_link(dp, ifaces, policy, slot, &links->items[i], links, ports) < 0) &&
            !ports->undescribed++)
            memcpy(ports->undescribed_name, links->items[i].name, IFNAMSIZ);
}
