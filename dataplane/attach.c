/* BPF links of Orbital's programs at interfaces: created, pinned, found again. A link outlives its
 * pins while another mount of the BPF file system or another process has a reference; then it is
 * found by its program, and pinned again. */
#include "dataplane/attach.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/base/own.h"
#include "dataplane/dataplane_internal.h"

#define ATTACH_TCX_INGRESS 46 /* enum bpf_attach_type of Linux 6.6 */
#define LOOKED_AT 16          /* that are looked at, at one hook of one interface */
#define RELEASE_TRIES 20
#define RELEASE_US 10000

static char *link_path(const struct dataplane *dp, bool xdp, uint32_t ifindex)
{
    return buf_format("%s/link_%s_%u", dp->bpffs, xdp ? "xdp" : "tcx", ifindex);
}

static int own_program(const struct dataplane *dp, bool xdp)
{
    return dp->program[xdp ? PROGRAM_XDP : PROGRAM_TCX];
}

/* Number and name of a program. */
static bool describe(int fd, struct bpf_prog_info *ret_info)
{
    uint32_t len = sizeof(*ret_info);

    memset(ret_info, 0, sizeof(*ret_info));
    return !bpf_obj_get_info_by_fd(fd, ret_info, &len);
}

/* tcx has the interface at the same offset; 0 when it is gone. */
static bool is_alive(int fd, uint32_t ifindex)
{
    struct bpf_link_info info = {0};
    uint32_t len = sizeof(info);

    return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.xdp.ifindex == ifindex;
}

/* The BPF link by which a program is attached to the interface, with or without pins; -ENOENT:
 * there is none. The kernel does not report the network namespace, so the program must be known to
 * belong to this one. */
static int find_link(uint32_t program, uint32_t ifindex)
{
    for (uint32_t id = 0; !bpf_link_get_next_id(id, &id);) {
        AUTO_FD int fd = bpf_link_get_fd_by_id(id);
        struct bpf_link_info info = {0};
        uint32_t len = sizeof(info);

        if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.prog_id == program &&
            info.xdp.ifindex == ifindex)
            return take_fd(&fd);
    }
    return -ENOENT;
}

/* Numbers of the programs at the interface; at most LOOKED_AT. */
static unsigned programs_at(bool xdp, uint32_t ifindex, uint32_t ret_ids[LOOKED_AT])
{
    LIBBPF_OPTS(bpf_prog_query_opts, options, .prog_ids = ret_ids, .prog_cnt = LOOKED_AT);

    if (xdp)
        return !bpf_xdp_query_id((int)ifindex, 0, ret_ids) && ret_ids[0] ? 1 : 0;
    return bpf_prog_query_opts((int)ifindex, ATTACH_TCX_INGRESS, &options) ? 0 : options.prog_cnt;
}

/* Is it the program of a daemon before? */
static bool is_earlier(uint32_t id, const struct bpf_prog_info *own)
{
    AUTO_FD int fd = bpf_prog_get_fd_by_id(id);
    struct bpf_prog_info info;

    return fd >= 0 && describe(fd, &info) && !strcmp(info.name, own->name);
}

/* Takes over a link without a pin here: of this program, or of an earlier daemon's, which is
 * replaced. -ENOENT: there is none. */
static int take_over(const struct dataplane *dp, bool xdp, uint32_t ifindex)
{
    uint32_t ids[LOOKED_AT] = {0};
    unsigned count = programs_at(xdp, ifindex, ids);
    struct bpf_prog_info own;

    for (unsigned i = 0; i < count && describe(own_program(dp, xdp), &own); i++) {
        AUTO_FD int link = -1;

        if (ids[i] != own.id && !is_earlier(ids[i], &own))
            continue;
        link = find_link(ids[i], ifindex);
        if (link >= 0 && (ids[i] == own.id || !bpf_link_update(link, own_program(dp, xdp), NULL)))
            return take_fd(&link);
    }
    return -ENOENT;
}

static bool is_own(const struct dataplane *dp, uint32_t id)
{
    struct bpf_prog_info own;

    return describe(own_program(dp, true), &own) && own.id == id;
}

/* A program can be attached to an interface only once. -EEXIST: it is attached by a link that
 * cannot be opened; the kernel frees one some time after its last pin is gone. -EBUSY: another
 * program has the interface's XDP. */
static int create_link(const struct dataplane *dp, bool xdp, uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = xdp ? XDP_FLAGS_DRV_MODE : 0);

    for (int tries = 0;; tries++) {
        uint32_t ids[LOOKED_AT] = {0};
        int fd = take_over(dp, xdp, ifindex);

        if (fd >= 0)
            return fd;
        fd = bpf_link_create(own_program(dp, xdp), (int)ifindex, xdp ? BPF_XDP : ATTACH_TCX_INGRESS,
                             xdp ? &options : NULL);
        if (xdp && fd < 0 && programs_at(true, ifindex, ids))
            fd = is_own(dp, ids[0]) ? -EEXIST : -EBUSY;
        if (fd != -EEXIST || tries == RELEASE_TRIES)
            return fd;
        usleep(RELEASE_US);
    }
}

int attach_link(const struct dataplane *dp, bool xdp, uint32_t ifindex)
{
    AUTO_FREE char *path = link_path(dp, xdp, ifindex);
    AUTO_FD int fd = bpf_obj_get(path);

    if (fd >= 0) {
        if (is_alive(fd, ifindex))
            return 0;
        unlink(path); /* the interface is gone */
        close(take_fd(&fd));
    }
    fd = create_link(dp, xdp, ifindex);
    if (fd < 0)
        return fd;
    return bpf_obj_pin(fd, path) ? -errno : 0;
}

void attach_undo(const struct dataplane *dp, bool xdp, uint32_t ifindex)
{
    AUTO_FREE char *path = link_path(dp, xdp, ifindex);
    AUTO_FD int fd = bpf_obj_get(path);

    if (fd >= 0)
        bpf_link_detach(fd);
    unlink(path);
}

bool attach_holds(const struct dataplane *dp, bool xdp, uint32_t ifindex)
{
    AUTO_FREE char *path = link_path(dp, xdp, ifindex);
    AUTO_FD int fd = bpf_obj_get(path);

    return fd >= 0 && is_alive(fd, ifindex);
}
