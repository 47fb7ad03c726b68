/* Foreign BPF programs, at tcx of the ports and at netfilter's hooks. The kernel sends no events
 * for either; nftables' dumps do not list the second kind.
 *
 * Note: the kernel does not report the network namespace of a link at netfilter. But it lists the
 * hooks of this one with their programs; without that (no nfnetlink_hook) links of other namespaces
 * count, too. */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "dataplane/attribute.h"
#include "dataplane/foreign.h"
#include "dataplane/foreign_hook.h"
#include "dataplane/foreign_nft.h"
#include "dataplane/base.h"
#include "dataplane/dataplane_internal.h"

#define ATTACH_TCX_INGRESS 46 /* enum bpf_attach_type of Linux 6.6 */
#define ATTACH_TCX_EGRESS 47
#define LINK_NETFILTER 10 /* enum bpf_link_type of Linux 6.4 */
#define HOOK_BPF 2        /* NFNL_HOOK_TYPE_BPF of Linux 6.4 … */
#define HOOK_BPF_ID 1     /* … and NFNLA_HOOK_BPF_ID */
#define PROGRAMS_SHOWN 16 /* at one hook of one port; more are foreign anyway */

/* struct bpf_link_info of Linux 6.4, as far as it is about netfilter. */
struct netfilter_info {
    uint32_t type, id, program, pad;
    uint32_t family, hook;
    int32_t priority;
    uint32_t flags;
};

/* ---- tcx ---- */

/* Programs at a hook of an interface that are not `own`; PROGRAMS_SHOWN: these or more. */
static unsigned others(uint32_t ifindex, uint32_t hook, uint32_t own,
                       uint32_t ret_ids[PROGRAMS_SHOWN])
{
    uint32_t ids[PROGRAMS_SHOWN] = {0};
    LIBBPF_OPTS(bpf_prog_query_opts, options, .prog_ids = ids, .prog_cnt = PROGRAMS_SHOWN);
    unsigned count = 0;
    int r = bpf_prog_query_opts((int)ifindex, hook, &options);

    if (r == -ENOSPC)
        return PROGRAMS_SHOWN;
    for (unsigned i = 0; !r && i < options.prog_cnt && i < PROGRAMS_SHOWN; i++)
        if (ids[i] != own)
            ret_ids[count++] = ids[i];
    return count;
}

static uint32_t own_program(const struct dataplane *dp)
{
    struct bpf_prog_info info = {0};
    uint32_t len = sizeof(info);
    int fd =
        __atomic_load_n(&dp->program[PROGRAM_TCX], __ATOMIC_SEQ_CST); /* none yet: no port has it */

    return fd <= 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static void read_egress(struct foreign *foreign, uint32_t ifindex, uint32_t own)
{
    uint32_t ids[PROGRAMS_SHOWN] = {0};
    unsigned count = others(ifindex, ATTACH_TCX_EGRESS, own, ids);
    bool asks = count == PROGRAMS_SHOWN;

    for (unsigned i = 0; !asks && i < count; i++)
        asks = foreign_program_asks(ids[i]);
    if (asks)
        foreign_note_place(foreign, FOREIGN_BPF, NULL, ifindex,
                           "a program at tcx egress that may read a packet's route")
            ->out = true;
    else if (count)
        foreign_note_place(foreign, FOREIGN_BPF, NULL, ifindex, "another program at tcx egress")
            ->shaped = true;
}

void foreign_bpf_read_tcx(const struct dataplane *dp, struct foreign *foreign)
{
    uint32_t own = own_program(dp), ids[PROGRAMS_SHOWN];

    for (unsigned i = 0; !dp->clsact && i < dp->ports.count; i++) {
        const struct port *port = &dp->ports.items[i];

        if (!port->ifindex)
            continue;
        if (others(port->ifindex, ATTACH_TCX_INGRESS, own, ids))
            foreign_note_place(foreign, FOREIGN_BPF, NULL, port->ifindex,
                               "another program at tcx ingress")
                ->in = true;
        read_egress(foreign, port->ifindex, own);
    }
}

void foreign_bpf_mix_tcx(const struct dataplane *dp, const uint32_t *ports, unsigned count,
                         struct foreign_programs *programs, uint64_t *state)
{
    if (!programs->own)
        programs->own = own_program(dp);
    for (unsigned i = 0; !dp->clsact && i < count; i++) {
        uint32_t in[PROGRAMS_SHOWN] = {0}, out[PROGRAMS_SHOWN] = {0};
        uint32_t found[] = {ports[i], others(ports[i], ATTACH_TCX_INGRESS, programs->own, in),
                            others(ports[i], ATTACH_TCX_EGRESS, programs->own, out)};

        if (!found[1] && !found[2])
            continue;
        base_digest_mix(state, found, sizeof(found));
        base_digest_mix(state, out, sizeof(out)); /* programs at egress matter by what they read */
    }
}

/* ---- netfilter ---- */

static bool is_gone(uint32_t id)
{
    AUTO_FD int fd = bpf_link_get_fd_by_id(id);

    return fd == -ENOENT;
}

static bool decides(const struct netfilter_info *info)
{
    return info->type == LINK_NETFILTER &&
           (info->family == NFPROTO_IPV4 || info->family == NFPROTO_IPV6) &&
           (info->hook == NF_INET_PRE_ROUTING || info->hook == NF_INET_FORWARD ||
            info->hook == NF_INET_POST_ROUTING);
}

/* false: it is being made, and there the next time. */
static bool look_at(struct foreign_programs *programs, uint32_t id)
{
    AUTO_FD int fd = bpf_link_get_fd_by_id(id);
    struct netfilter_info info = {0};
    uint32_t len = sizeof(info);

    if (fd == -EAGAIN)
        return false;
    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || !decides(&info))
        return true;
    if (programs->count < FOREIGN_BPF_LINKS)
        programs->links[programs->count++] =
            (struct foreign_bpf_link){.id = id,
                                      .program = info.program,
                                      .hook = info.hook,
                                      .priority = info.priority,
                                      .ip6 = info.family == NFPROTO_IPV6};
    return true;
}

struct hook {
    struct foreign_programs *programs;
    uint32_t number;
    bool ip6;
};

/* Which program it is, 0: none of BPF. */
static uint32_t program_of(const struct nlattr *chain)
{
    const struct nlattr *type = attribute_find(chain, NFNLA_HOOK_INFO_TYPE);
    const struct nlattr *about = attribute_find(chain, NFNLA_HOOK_INFO_DESC);
    const struct nlattr *id = type && about && foreign_chain_word(type) == HOOK_BPF
                                  ? attribute_find(about, HOOK_BPF_ID)
                                  : NULL;

    return id ? foreign_chain_word(id) : 0;
}

/* One function at a hook of this namespace. */
static bool on_hook(void *arg, const struct nlmsghdr *h)
{
    struct hook *hook = arg;
    uint32_t program = 0, priority = 0;
    size_t size;
    const char *start = foreign_chain_attributes(h, &size);

    EACH_ATTRIBUTE(a, start, size)
    {
        if (attribute_type(a) == NFNLA_HOOK_PRIORITY)
            priority = foreign_chain_word(a);
        else if (attribute_type(a) == NFNLA_HOOK_CHAIN_INFO)
            program = program_of(a);
    }
    for (unsigned i = 0; program && i < hook->programs->count; i++) {
        struct foreign_bpf_link *link = &hook->programs->links[i];

        link->here |= link->program == program && link->hook == hook->number &&
                      link->ip6 == hook->ip6 && link->priority == (int32_t)priority;
    }
    return true;
}

/* Where the hook's functions cannot be listed each link counts. */
static void look_at_hook(struct hook *hook)
{
    int r = foreign_hook_dump(hook->ip6 ? NFPROTO_IPV6 : NFPROTO_IPV4, hook->number, on_hook, hook);

    for (unsigned i = 0; r < 0 && i < hook->programs->count; i++) {
        struct foreign_bpf_link *link = &hook->programs->links[i];

        link->here |= link->hook == hook->number && link->ip6 == hook->ip6;
    }
}

void foreign_bpf_links_here(struct foreign_programs *programs)
{
    for (unsigned i = 0; i < programs->count; i++)
        programs->links[i].here = false;
    for (unsigned i = 0; i < programs->count; i++) {
        const struct foreign_bpf_link *link = &programs->links[i];
        struct hook hook = {.programs = programs, .number = link->hook, .ip6 = link->ip6};
        bool asked = false;

        for (unsigned k = 0; k < i; k++)
            asked |= programs->links[k].hook == link->hook && programs->links[k].ip6 == link->ip6;
        if (!asked)
            look_at_hook(&hook);
    }
}

void foreign_bpf_links_look(struct foreign_programs *programs)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < programs->count; i++)
        if (!is_gone(programs->links[i].id))
            programs->links[kept++] = programs->links[i];
    programs->count = kept;
    for (uint32_t id = programs->last; !bpf_link_get_next_id(id, &id) && look_at(programs, id);)
        programs->last = id;
    foreign_bpf_links_here(programs);
}

void foreign_bpf_read_links(struct foreign *foreign)
{
    struct foreign_programs programs = {0};

    foreign_bpf_links_look(&programs);
    for (unsigned i = 0; i < programs.count; i++)
        if (programs.links[i].here)
            foreign_note(foreign, FOREIGN_BPF,
                         programs.links[i].ip6 ? FOREIGN_IP6 | FOREIGN_NEW6
                                               : FOREIGN_IP4 | FOREIGN_NEW4,
                         "a BPF program at netfilter's hooks");
}
