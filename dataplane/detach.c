/* Links of ports the policy no longer names, or whose mode changed, are found by their pins: those
 * of an earlier daemon, too. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "core/base/own.h"
#include "dataplane/fast.h"

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

void detach_others(struct dataplane *dp, const struct port_list *ports)
{
    DIR *dir = opendir(dp->bpffs);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        AUTO_FREE char *path = NULL;
        AUTO_FD int fd = -1;
        uint32_t ifindex;
        char hook[4];

        if (sscanf(entry->d_name, "link_%3[a-z]_%u", hook, &ifindex) != 2 ||
            is_wanted(dp, ports, hook, ifindex))
            continue;
        if (!strncmp(hook, "cl", 2)) {
            clsact_detach(dp, ifindex, !ports || dp->enabled);
            continue;
        }
        path = buf_format("%s/%s", dp->bpffs, entry->d_name);
        fd = bpf_obj_get(path);
        if (fd >= 0)
            bpf_link_detach(fd);
        unlink(path);
    }
    closedir(dir);
}
