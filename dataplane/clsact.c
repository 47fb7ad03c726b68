/* Ingress hook for kernels without tcx (before Linux 6.6): a direct-action filter at the clsact
 * queueing discipline. A filter persists without a process, so to show a later daemon which ports
 * have one, the program is pinned at link_cls_IFINDEX, or at link_clq_IFINDEX where the discipline
 * was created by Orbital, too.
 *
 * Note: only attach type and hook differ. The programs are of the same type, and their results are
 * the same: TCX_NEXT is TC_ACT_UNSPEC, so foreign filters after ours are still run. */
#include "dataplane/clsact.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/fastpath.skel.h"
#include "core/base/own.h"
#include "dataplane/dataplane_internal.h"

#define OUR_PRIORITY CLSACT_PRIORITY
#define OUR_HANDLE CLSACT_HANDLE

#define ATTACH_TCX_INGRESS 46 /* enum bpf_attach_type of Linux 6.6 */
#define NO_INTERFACE 0x7fffffff

static char *pin_path(const struct dataplane *dp, const char *kind, uint32_t ifindex)
{
    return buf_format("%s/%s_%u", dp->bpffs, kind, ifindex);
}

static bool is_pinned(const char *path)
{
    AUTO_FD int fd = bpf_obj_get(path);

    return fd >= 0;
}

/* A kernel with tcx looks up the interface; one without refuses the attach type. */
bool clsact_needed(const struct dataplane *dp)
{
    AUTO_FD int fd =
        bpf_link_create(dp->program[PROGRAM_TCX], NO_INTERFACE, ATTACH_TCX_INGRESS, NULL);

    return fd == -EINVAL;
}

static int put_filter(const struct dataplane *dp, const struct bpf_tc_hook *hook)
{
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = OUR_HANDLE, .priority = OUR_PRIORITY,
                .prog_fd = dp->program[PROGRAM_TCX], .flags = BPF_TC_F_REPLACE);

    return bpf_tc_attach(hook, &options);
}

static bool runs_already(const struct dataplane *dp, const struct bpf_tc_hook *hook)
{
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = OUR_HANDLE, .priority = OUR_PRIORITY);
    struct bpf_prog_info info = {0};
    uint32_t len = sizeof(info);

    return !bpf_obj_get_info_by_fd(dp->program[PROGRAM_TCX], &info, &len) &&
           !bpf_tc_query(hook, &options) && options.prog_id == info.id;
}

/* Pins this daemon's program at path, in one step where another one is pinned there. */
static int pin(const struct dataplane *dp, const char *path, uint32_t ifindex)
{
    AUTO_FREE char *fresh = pin_path(dp, "new_cls", ifindex);

    unlink(fresh);
    if (bpf_obj_pin(dp->program[PROGRAM_TCX], fresh))
        return -errno;
    return rename(fresh, path) ? -errno : 0;
}

int clsact_attach(const struct dataplane *dp, uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
    AUTO_FREE char *shared = pin_path(dp, "link_cls", ifindex);
    AUTO_FREE char *own = pin_path(dp, "link_clq", ifindex);
    int r = bpf_tc_hook_create(&hook);
    bool ours = r == 0 || is_pinned(own);

    if (r < 0 && r != -EEXIST)
        return r;
    if (runs_already(dp, &hook) && is_pinned(ours ? own : shared))
        return 0;
    unlink(ours ? shared : own);
    /* First: a filter without a pin would stay for ever. */
    r = pin(dp, ours ? own : shared, ifindex);
    return r < 0 ? r : put_filter(dp, &hook);
}

bool clsact_alive(const struct dataplane *dp, uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
    AUTO_FREE char *shared = pin_path(dp, "link_cls", ifindex);
    AUTO_FREE char *own = pin_path(dp, "link_clq", ifindex);

    return runs_already(dp, &hook) && (is_pinned(own) || is_pinned(shared));
}

/* Whether a discipline has a filter at one of its two ends; true if that cannot be read. */
static bool has_filters(uint32_t ifindex, uint32_t parent)
{
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct {
        struct nlmsghdr h;
        struct tcmsg tc;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = RTM_GETTFILTER,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .tc = {.tcm_ifindex = (int)ifindex, .tcm_parent = parent}};
    char data[8192] __attribute__((aligned(8)));
    const struct nlmsghdr *answer = (void *)data;
    ssize_t n;

    if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0)
        return true;
    n = recv(fd, data, sizeof(data), 0);
    return n < (ssize_t)sizeof(struct nlmsghdr) || answer->nlmsg_type != NLMSG_DONE;
}

/* Adding or removing a discipline stops the device for a moment and loses packets: one created by
 * Orbital is kept while the fast path is only switched off. Its pin records that. */
void clsact_detach(const struct dataplane *dp, uint32_t ifindex, bool for_good)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = OUR_HANDLE, .priority = OUR_PRIORITY);
    AUTO_FREE char *shared = pin_path(dp, "link_cls", ifindex);
    AUTO_FREE char *own = pin_path(dp, "link_clq", ifindex);
    bool ours = is_pinned(own);

    if (!ours && !is_pinned(shared))
        return;
    bpf_tc_detach(&hook, &options);
    if (ours && !for_good)
        return;
    hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS; /* both: the discipline itself */
    if (ours && !has_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) &&
        !has_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)))
        bpf_tc_hook_destroy(&hook);
    unlink(own);
    unlink(shared);
}

int clsact_update(const struct dataplane *dp, const char *path, uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
    int r = put_filter(dp, &hook);

    return r < 0 ? r : pin(dp, path, ifindex);
}
