/* Links of ports the policy no longer names, or whose mode changed, are found by their pins: those
 * of an earlier daemon, too. */
#include "dataplane/detach.h"

#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "core/base/own.h"
#include "dataplane/clsact.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/pins.h"

/* hook: "xdp", "tcx", or "cls" and "clq" (clsact.c). */
static bool is_wanted(const struct dataplane *dp, const struct port_list *ports, const char *hook,
                      uint32_t ifindex)
{
    bool xdp = !strcmp(hook, "xdp");

    if (!xdp && dp->clsact == !strcmp(hook, "tcx"))
        return false;
    for (unsigned i = 0; ports && i < ports->count; i++) {
        const struct port *port = &ports->items[i];

        if (port->ifindex == ifindex)
            return port->mode == PORT_XDP || (port->mode == PORT_TCX && !xdp);
    }
    return false;
}

static void detach_one(struct dataplane *dp, const char *path, const char *hook, uint32_t ifindex,
                       void *arg)
{
    const struct port_list *const *given = arg, *ports = *given;
    AUTO_FD int fd = -1;

    if (is_wanted(dp, ports, hook, ifindex))
        return;
    if (!strncmp(hook, "cl", 2)) {
        clsact_detach(dp, ifindex, !ports || dp->enabled);
        return;
    }
    fd = bpf_obj_get(path);
    if (fd >= 0)
        bpf_link_detach(fd);
    unlink(path);
}

void detach_others(struct dataplane *dp, const struct port_list *ports)
{
    pins_each_link(dp, detach_one, &ports);
}
