/* The forwarding programs, for native XDP and tcx, over the maps that load.c created or took over.
 * Verifying them costs more than everything else at start, so those of a hook are loaded when a
 * port needs that hook, or when links of an earlier daemon exist there; before the port is
 * switched.
 *
 * Note: both hooks are loaded together if both are needed: libbpf reads the types of the whole
 * kernel for each load. */
#include "dataplane/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/fastpath.skel.h"
#include "bpf/hooks.skel.h"
#include "core/base/file.h"
#include "core/base/own.h"
#include "dataplane/base.h"
#include "dataplane/clsact.h"
#include "dataplane/libbpf_log.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/pins.h"

/* Lockdown for confidentiality takes the helper away that reads the kernel's memory. */
static bool may_read_kernel(void)
{
    AUTO(buf) struct buf text = {0};

    return file_read("/sys/kernel/security/lockdown", 256, &text, NULL) < 0 ||
           !strstr(buf_str(&text), "[confidentiality]");
}

/* CONFIG_HZ: the resolution of a coarse clock is one tick. */
uint32_t hooks_ticks(void)
{
    struct timespec tick = {0};

    if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0 || tick.tv_sec || tick.tv_nsec <= 0)
        return 100;
    return (uint32_t)((1000000000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

void hooks_mix(const struct dataplane *dp, uint64_t *digest)
{
    uint32_t constants[] = {hooks_ticks(), (uint32_t)dp->cpus, may_read_kernel()};
    size_t size;
    const void *bytes = hooks__elf_bytes(&size);

    base_digest_mix(digest, bytes, size);
    base_digest_mix(digest, constants, sizeof(constants));
}

static int share_maps(const struct fastpath *maps, const struct hooks *skel)
{
    struct bpf_map *map;

    bpf_object__for_each_map(map, skel->obj)
    {
        const struct bpf_map *made = bpf_object__find_map_by_name(maps->obj, bpf_map__name(map));
        int r = made && pins_wanted(map) ? bpf_map__reuse_fd(map, bpf_map__fd(made)) : 0;

        if (r)
            return r;
    }
    return 0;
}

static void choose(struct hooks *skel, unsigned which)
{
    bool xdp = which & HOOK_XDP, tcx = which & HOOK_TCX;

    bpf_program__set_autoload(skel->progs.orb_xdp_fast, xdp);
    bpf_program__set_autoload(skel->progs.orb_xdp_slow4, xdp);
    bpf_program__set_autoload(skel->progs.orb_xdp_slow6, xdp);
    bpf_program__set_autoload(skel->progs.orb_tcx_fast, tcx);
    bpf_program__set_autoload(skel->progs.orb_tcx_slow4, tcx);
    bpf_program__set_autoload(skel->progs.orb_tcx_slow6, tcx);
}

/* The slow programs where the fast ones jump to, also those of an earlier daemon. */
static int fill_table(const struct bpf_map *table, const struct bpf_program *slow4,
                      const struct bpf_program *slow6)
{
    int fds[] = {bpf_program__fd(slow4), bpf_program__fd(slow6)};

    for (uint32_t k = 0; k < ARRAY_LEN(fds); k++)
        if (bpf_map_update_elem(bpf_map__fd(table), &k, &fds[k], BPF_ANY))
            return -errno;
    return 0;
}

static int fill_tables(const struct hooks *skel, unsigned which)
{
    int r = 0;

    if (which & HOOK_XDP)
        r = fill_table(skel->maps.slow_xdp, skel->progs.orb_xdp_slow4, skel->progs.orb_xdp_slow6);
    if (!r && (which & HOOK_TCX))
        r = fill_table(skel->maps.slow_tcx, skel->progs.orb_tcx_slow4, skel->progs.orb_tcx_slow6);
    return r;
}

/* From now on they belong to this daemon; foreign_poll.c reads them on its own thread. */
static int keep(struct dataplane *dp, enum program which, const struct bpf_program *program)
{
    AUTO_FREE char *pin = pins_path(dp, pins_program_name(which));
    int fd = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);

    if (fd < 0)
        return -errno;
    unlink(pin); /* it would have been taken over if it were one of these */
    __atomic_store_n(&dp->program[which], fd, __ATOMIC_SEQ_CST);
    return 0;
}

static int take_over(struct dataplane *dp, const struct hooks *skel, unsigned which,
                     struct orb_err *err)
{
    int r = 0;

    if (which & HOOK_XDP)
        r = keep(dp, PROGRAM_XDP, skel->progs.orb_xdp_fast);
    if (!r && (which & HOOK_TCX))
        r = keep(dp, PROGRAM_TCX, skel->progs.orb_tcx_fast);
    if (r < 0)
        return orb_fail(err, r, "taking the fast path's programs over");
    hooks_look(dp);
    return pins_put(dp, err);
}

int hooks_open(const struct fastpath *maps, int cpus, unsigned which, struct hooks **ret_skel,
               struct orb_err *err)
{
    AUTO(buf) struct buf messages = {0};
    struct hooks *skel = hooks__open();
    int r;

    if (!skel)
        return orb_fail(err, -errno, "reading the fast path's programs");
    skel->rodata->jiffies_per_second = hooks_ticks();
    skel->rodata->may_read_kernel = may_read_kernel();
    skel->rodata->processors = (uint32_t)cpus;
    choose(skel, which);
    libbpf_log_capture(&messages);
    r = share_maps(maps, skel);
    if (!r)
        r = hooks__load(skel);
    libbpf_log_capture(NULL);
    if (r < 0)
        orb_fail(err, r, "the kernel refuses the programs (%s: %.150s)", strerror(-r),
                 messages.len ? buf_str(&messages) : "no message from libbpf");
    else if ((r = fill_tables(skel, which)) < 0)
        orb_fail(err, r, "joining the fast path's programs");
    if (r < 0)
        hooks__destroy(skel);
    else
        *ret_skel = skel;
    return r;
}

static int load(struct dataplane *dp, unsigned which, struct orb_err *err)
{
    struct hooks *skel;
    int r = hooks_open(dp->programs, dp->cpus, which, &skel, err);

    if (r < 0)
        return r;
    r = take_over(dp, skel, which, err);
    hooks__destroy(skel);
    return r;
}

static unsigned missing(const struct dataplane *dp, unsigned wanted)
{
    unsigned there = (dp->program[PROGRAM_XDP] > 0 ? HOOK_XDP : 0) |
                     (dp->program[PROGRAM_TCX] > 0 ? HOOK_TCX : 0);

    return wanted & ~there;
}

int hooks_load(struct dataplane *dp, unsigned wanted, struct orb_err *err)
{
    unsigned which = missing(dp, wanted);
    struct orb_err why = {0};
    int r;

    if (!which)
        return 0;
    dp->reason[0] = 0;
    dp->hooks_failed &= ~which;
    r = load(dp, which, &why);
    if (r < 0) {
        dp->hooks_failed |= which;
        snprintf(dp->reason, sizeof(dp->reason), "%.285s; nftables enforces alone", why.text);
        return orb_fail(err, why.code, "%s", why.text);
    }
    pins_update_links(dp, which);
    return 0;
}

void hooks_look(struct dataplane *dp)
{
    if (dp->program[PROGRAM_TCX] > 0)
        dp->clsact = dp->no_tcx || clsact_needed(dp);
}

unsigned hooks_linked(const struct dataplane *dp)
{
    DIR *dir = opendir(dp->bpffs);
    const struct dirent *entry;
    unsigned which = 0;

    if (!dir)
        return 0;
    while ((entry = readdir(dir)))
        if (!strncmp(entry->d_name, "link_", 5))
            which |= strncmp(entry->d_name, "link_xdp", 8) ? HOOK_TCX : HOOK_XDP;
    closedir(dir);
    return which;
}
