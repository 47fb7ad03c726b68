/* Chooses the hook of a port and attaches it. Native XDP for cards; tcx ingress for everything that
 * uses socket buffers anyway (veth, tap, bridges, VLANs): XDP there would disable or lose the
 * sender's segmentation and checksum offload.
 *
 * Note: a frame redirected out of a veth is lost unless its other end, maybe in another namespace,
 * has GRO or an XDP program. So the path is tried with test frames before it is used. */
#include "dataplane/port.h"

#include <errno.h>
#include <net/if_arp.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/fastpath.skel.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/attach.h"
#include "dataplane/clsact.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/describe.h"
#include "dataplane/detach.h"
#include "dataplane/hooks.h"
#include "dataplane/link.h"

#define PROBE_ETHERTYPE 0x88b5 /* IEEE 802, local experiments */

const char *port_mode_name(enum port_mode mode)
{
    return mode == PORT_XDP ? "xdp" : mode == PORT_TCX ? "tcx" : "off";
}

/* The port's place in `stats` and `devices`: by name, so that counters survive a new interface of
 * the same name. -1: all taken. */
static int port_index(struct dataplane *dp, const char *name, uint32_t ifindex)
{
    int found = -1;

    for (int i = 0; i < ABI_PORTS; i++) {
        if (!strcmp(dp->port_names[i].name, name)) {
            found = i;
            break;
        }
        if (found < 0 && !dp->port_names[i].name[0])
            found = i;
    }
    if (found >= 0) {
        snprintf(dp->port_names[found].name, sizeof(dp->port_names[found].name), "%s", name);
        dp->port_names[found].ifindex = ifindex;
    }
    return found;
}

static bool is_named(const struct port_list *ports, const char *name)
{
    for (unsigned i = 0; i < ports->count; i++)
        if (!strcmp(ports->items[i].name, name))
            return true;
    return false;
}

/* Places are kept for ports that may come back, until they are needed. */
static void free_indexes(struct dataplane *dp, const struct port_list *wanted)
{
    unsigned taken = 0;

    for (int i = 0; i < ABI_PORTS; i++)
        taken += dp->port_names[i].name[0] != 0;
    for (int i = 0; i < ABI_PORTS && taken + wanted->count > ABI_PORTS; i++) {
        if (!dp->port_names[i].name[0] || is_named(wanted, dp->port_names[i].name) ||
            is_named(&dp->ports, dp->port_names[i].name))
            continue;
        for (int cpu = 0; cpu < dp->cpus; cpu++)
            memset(&dp->stats[(size_t)cpu * ABI_PORTS + (size_t)i], 0, sizeof(*dp->stats));
        memset(&dp->port_names[i], 0, sizeof(dp->port_names[i]));
        taken--;
    }
}

/* Sends 8 frames of an experimental type through the device map and looks whether the other end of
 * the veth counted them. */
static bool probe_redirect(struct dataplane *dp, const struct port *port,
                           const struct link_info *link)
{
    uint8_t frame[64] = {0};
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
                .repeat = 8, .batch_size = 1, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
    int64_t before = link_statistic(port->name, "xdp_xmit"), after;

    memcpy(frame, link->mac, 6);
    memcpy(frame + 6, link->mac, 6);
    frame[12] = PROBE_ETHERTYPE >> 8;
    frame[13] = PROBE_ETHERTYPE & 255;
    frame[14] = (uint8_t)port->index;
    frame[15] = (uint8_t)(port->index >> 8);
    if (before < 0 || bpf_prog_test_run_opts(dp->program[PROGRAM_PROBE], &options))
        return false;
    after = link_statistic(port->name, "xdp_xmit");
    return after >= before + 8;
}

/* Tried before, and nothing changed on this side. */
static bool redirects_already(const struct dataplane *dp, const struct port *port)
{
    for (unsigned i = 0; i < dp->ports.count; i++)
        if (dp->ports.items[i].ifindex == port->ifindex && dp->ports.items[i].redirect &&
            dp->ports.items[i].index == port->index)
            return true;
    return false;
}

static void set_device(struct dataplane *dp, struct port *port, const struct link_info *link)
{
    int devices = bpf_map__fd(dp->programs->maps.devices);

    port->redirect = false;
    if (port->mode != PORT_XDP) {
        bpf_map_delete_elem(devices, &port->index);
        return;
    }
    if (bpf_map_update_elem(devices, &port->index, &port->ifindex, BPF_ANY)) {
        snprintf(port->reason, sizeof(port->reason), "XDP cannot send through it: %s",
                 strerror(errno));
        return;
    }
    port->redirect =
        strcmp(link->kind, "veth") || redirects_already(dp, port) || probe_redirect(dp, port, link);
    if (!port->redirect) {
        bpf_map_delete_elem(devices, &port->index);
        snprintf(port->reason, sizeof(port->reason),
                 "the other end takes no redirected frames; what leaves here takes the "
                 "kernel (there: ethtool -K NAME gro on)");
    }
}

static bool has_vlans(const struct link_list *links, uint32_t ifindex)
{
    for (unsigned i = 0; i < links->count; i++)
        if (links->items[i].lower == ifindex && !strcmp(links->items[i].kind, "vlan"))
            return true;
    return false;
}

static bool may_have_xdp(enum policy_fast wanted, const struct link_info *link)
{
    return wanted == POLICY_FAST_XDP || (wanted == POLICY_FAST_AUTO && !link->kind[0]);
}

/* The hook to try first; the reason when it is not the configured one. */
static enum port_mode choose(const struct port *port, const struct link_info *link,
                             const struct link_list *links, char *reason, size_t size)
{
    if (port->wanted == POLICY_FAST_OFF)
        return PORT_OFF;
    if (link->type != ARPHRD_ETHER) {
        snprintf(reason, size, "it has no Ethernet frames");
        return PORT_OFF;
    }
    if (link->master) {
        snprintf(reason, size, "it belongs to a bridge, bond or VRF; that one may be a port");
        return PORT_OFF;
    }
    if (!may_have_xdp(port->wanted, link))
        return PORT_TCX;
    if (has_vlans(links, link->ifindex) || !link_keep_tags(link->name)) {
        snprintf(reason, size, "VLAN tags are removed before XDP");
        return PORT_TCX;
    }
    return PORT_XDP;
}

/* Hooks whose programs the ports of policy may need; tcx follows XDP, too. */
static unsigned hooks_wanted(const struct dataplane *dp, const struct policy *policy,
                             const struct link_list *links)
{
    unsigned wanted = 0;

    for (unsigned i = 0; dp->programs && dp->enabled && i < policy->port_count; i++) {
        const struct link_info *link = link_find(links, policy->ports[i].name);

        if (!link || link->type != ARPHRD_ETHER || link->master ||
            policy->ports[i].fast == POLICY_FAST_OFF)
            continue;
        wanted |= HOOK_TCX | (may_have_xdp(policy->ports[i].fast, link) ? HOOK_XDP : 0);
    }
    return wanted;
}

void port_prepare(struct dataplane *dp, const struct policy *policy)
{
    AUTO(link_list) struct link_list links = {0};

    if (!dp->programs)
        return;
    dp->reason[0] = 0; /* what failed is tried again */
    dp->hooks_failed = 0;
    if (link_read(&links, NULL) == 0)
        hooks_load(dp, hooks_wanted(dp, policy, &links), NULL);
}

/* The programs of the port's hook could not be loaded. */
static void fall_back(const struct dataplane *dp, struct port *port)
{
    if (port->mode == PORT_XDP && dp->program[PROGRAM_XDP] <= 0)
        port->mode = PORT_TCX;
    else if (port->mode != PORT_TCX || dp->program[PROGRAM_TCX] > 0)
        return;
    if (port->mode == PORT_TCX && dp->program[PROGRAM_TCX] <= 0)
        port->mode = PORT_OFF;
    snprintf(port->reason, sizeof(port->reason), "%s", dp->reason);
}

/* shaped: what leaves there must go through its queueing discipline. ret_yields: that takes XDP
 * away from it. */
static void attach_port(struct dataplane *dp, struct port *port, const struct link_info *link,
                        const struct link_list *links, bool shaped, bool *ret_yields)
{
    int r;

    port->mode = choose(port, link, links, port->reason, sizeof(port->reason));
    *ret_yields = port->mode == PORT_XDP && shaped;
    if (*ret_yields)
        port->mode = PORT_TCX;
    fall_back(dp, port);
    if (port->mode == PORT_XDP) {
        r = attach_link(dp, true, link->ifindex);
        if (r < 0) {
            port->undone = r == -EEXIST;
            port->busy = r == -EBUSY;
            port->mode = PORT_TCX;
            snprintf(port->reason, sizeof(port->reason),
                     port->busy ? "another XDP program is attached there (`bpftool net show` names "
                                  "it); once it is gone, XDP is used"
                                : "no native XDP here: %s",
                     strerror(-r));
        }
    }
    if (port->mode != PORT_XDP)
        attach_undo(dp, true, link->ifindex);
    if (port->mode == PORT_OFF) {
        attach_undo(dp, false, link->ifindex);
        clsact_detach(dp, link->ifindex, dp->enabled);
        return;
    }
    /* After XDP, too: for packets to a port XDP cannot send through. */
    r = dp->clsact ? clsact_attach(dp, link->ifindex) : attach_link(dp, false, link->ifindex);
    port->behind = r == 0 && port->mode == PORT_XDP;
    port->undone = port->undone || (!dp->clsact && r == -EEXIST);
    if (r < 0 && port->mode == PORT_TCX) {
        port->mode = PORT_OFF;
        snprintf(port->reason, sizeof(port->reason), "%s cannot be attached: %s",
                 dp->clsact ? "a clsact filter" : "tcx", strerror(-r));
    } else if (dp->clsact && port->mode == PORT_TCX && !port->reason[0]) {
        snprintf(port->reason, sizeof(port->reason),
                 "attached by clsact: this kernel has no tcx (Linux 6.6)");
    }
}

static void decide(struct dataplane *dp, struct port *port, const struct link_list *links)
{
    const struct link_info *link = link_find(links, port->name);
    struct foreign_sum sum;
    int index;

    if (!link) {
        snprintf(port->reason, sizeof(port->reason), "there is no such interface");
        return;
    }
    if (!dp->programs || !dp->enabled) {
        snprintf(port->reason, sizeof(port->reason), "%.310s",
                 dp->programs ? "the fast path is switched off" : dp->reason);
        return;
    }
    if (dp->illiberal) {
        snprintf(port->reason, sizeof(port->reason), "%.310s",
                 dp->problems[DATAPLANE_PROBLEM_SETTINGS]);
        return;
    }
    index = port_index(dp, port->name, link->ifindex);
    if (index < 0) {
        snprintf(port->reason, sizeof(port->reason), "the fast path has room for %d ports",
                 ABI_PORTS);
        return;
    }
    port->index = (uint32_t)index;
    port->ifindex = link->ifindex;
    sum = foreign_port_sum(dp, link, links);
    attach_port(dp, port, link, links, sum.shaped, &sum.shaped);
    set_device(dp, port, link);
    if (port->mode != PORT_OFF)
        port->foreign = foreign_port_explain(dp, &sum, port->reason, sizeof(port->reason));
}

int port_apply(struct dataplane *dp, const struct policy *policy, uint32_t slot,
               struct port_list *ret_ports, struct orb_err *err)
{
    AUTO(link_list) struct link_list links = {0};
    int r = link_read(&links, err);

    memset(ret_ports, 0, sizeof(*ret_ports));
    if (r < 0)
        return r;
    for (unsigned i = 0; i < policy->port_count && i < POLICY_MAX_PORTS; i++) {
        struct port *port = &ret_ports->items[ret_ports->count++];

        memcpy(port->name, policy->ports[i].name, sizeof(port->name));
        port->wanted = policy->ports[i].fast;
    }
    hooks_load(dp, hooks_wanted(dp, policy, &links) & ~dp->hooks_failed,
               NULL); /* a new interface */
    if (dp->programs)
        free_indexes(dp, ret_ports);
    for (unsigned i = 0; i < ret_ports->count; i++)
        decide(dp, &ret_ports->items[i], &links);
    if (dp->programs)
        describe_links(dp, bpf_map__fd(dp->programs->maps.ifaces), policy, slot, &links, ret_ports);
    return 0;
}

int port_refresh(struct dataplane *dp, struct orb_err *err)
{
    AUTO_FREE struct port_list *ports = xcalloc(1, sizeof(*ports));
    int r;

    if (!dp->current || dp->detached)
        return 0;
    r = port_apply(dp, &dp->current->policy, dp->control ? dp->control->policy : 0, ports, err);
    if (r < 0)
        return r;
    detach_others(dp, ports);
    port_set(dp, ports);
    return 0;
}

void port_set(struct dataplane *dp, const struct port_list *ports)
{
    pthread_mutex_lock(&dp->lock);
    if (ports)
        dp->ports = *ports;
    else
        dp->ports.count = 0;
    pthread_mutex_unlock(&dp->lock);
}

bool port_xdp_free(const struct port *port)
{
    uint32_t id = 0;

    return port->busy && !bpf_xdp_query_id((int)port->ifindex, 0, &id) && !id;
}

bool port_alive(const struct dataplane *dp, const struct port *port)
{
    if (port->undone)
        return false;
    if (port->mode == PORT_OFF)
        return true;
    if (port->mode == PORT_XDP && !attach_holds(dp, true, port->ifindex))
        return false;
    if (port->mode == PORT_XDP && !port->behind)
        return true;
    return dp->clsact ? clsact_alive(dp, port->ifindex) : attach_holds(dp, false, port->ifindex);
}
