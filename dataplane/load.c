/* Programs and maps: loaded anew by each daemon, but over the pinned maps of the one before, so
 * that flows, counters and the policy in force stay. Order: version, maps, programs, the tail-call
 * tables, then the links, whose update is atomic for each port.
 *
 * Surprise: libbpf adopts a pinned map by path only when it likes its details, and a device map
 * never (the kernel adds a flag); so every map goes through bpf_map__reuse_fd after our own
 * comparison. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/classify.h"
#include "bpf/fastpath.skel.h"
#include "core/base/own.h"
#include "dataplane/fast.h"

uint32_t load_version(void)
{
    return ABI_VERSION ^ CLASSIFY_MAGIC;
}

void load_bump(struct dataplane *dp)
{
    if (!dp->control)
        return;
    if (!__atomic_add_fetch(&dp->control->epoch, 1, __ATOMIC_SEQ_CST))
        __atomic_add_fetch(&dp->control->epoch, 1, __ATOMIC_SEQ_CST);
}

static char *pin_path(const struct dataplane *dp, const char *name)
{
    return xasprintf("%s/%s", dp->bpffs, name);
}

void load_unpin(const struct dataplane *dp, bool links)
{
    DIR *dir = opendir(dp->bpffs);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        AUTO_FREE char *path = NULL;

        if (entry->d_name[0] == '.' || (!links && !strncmp(entry->d_name, "link_", 5)))
            continue;
        path = pin_path(dp, entry->d_name);
        unlink(path);
    }
    closedir(dir);
}

/* Maps with a part for each CPU. */
static void size_maps(struct fastpath *skel, int cpus)
{
    struct bpf_map *maps[] = {skel->maps.flows4, skel->maps.flows6, skel->maps.counters,
                              skel->maps.stats};

    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        bpf_map__set_max_entries(maps[i], bpf_map__max_entries(maps[i]) * (uint32_t)cpus);
}

/* libbpf's own maps (.rodata, .kconfig) belong to the programs and are made anew. */
static bool is_ours(const struct bpf_map *map)
{
    return !strchr(bpf_map__name(map), '.');
}

static bool map_fits(const struct bpf_map *map, int fd)
{
    struct bpf_map_info info = {0};
    uint32_t len = sizeof(info);

    return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == bpf_map__type(map) &&
           info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
           info.max_entries == bpf_map__max_entries(map);
}

static bool version_fits(const struct dataplane *dp)
{
    AUTO_FREE char *path = pin_path(dp, "control");
    AUTO_FD int fd = bpf_obj_get(path);
    struct fast_control control = {0};
    uint32_t zero = 0;

    return fd >= 0 && !bpf_map_lookup_elem(fd, &zero, &control) &&
           control.version == load_version();
}

/* Takes every pinned map over; false: something is missing or of another shape. */
static bool reuse_maps(struct dataplane *dp, struct fastpath *skel)
{
    struct bpf_map *map;

    if (!version_fits(dp))
        return false;
    bpf_object__for_each_map(map, skel->obj)
    {
        AUTO_FREE char *path = NULL;
        AUTO_FD int fd = -1;

        if (!is_ours(map))
            continue;
        path = pin_path(dp, bpf_map__name(map));
        fd = bpf_obj_get(path);
        if (fd < 0 || !map_fits(map, fd) || bpf_map__reuse_fd(map, fd))
            return false;
    }
    return true;
}

static int pin_maps(struct dataplane *dp, struct fastpath *skel, struct orb_err *err)
{
    struct bpf_map *map;

    bpf_object__for_each_map(map, skel->obj)
    {
        AUTO_FREE char *path = NULL;
        int r;

        if (!is_ours(map))
            continue;
        path = pin_path(dp, bpf_map__name(map));
        r = bpf_obj_pin(bpf_map__fd(map), path);
        if (r < 0)
            return orb_fail(err, -errno, "pinning a map at %s", path);
    }
    return 0;
}

static void *map_memory(const struct bpf_map *map, size_t stride)
{
    size_t size = stride * bpf_map__max_entries(map);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static int map_memories(struct dataplane *dp, struct orb_err *err)
{
    struct fastpath *skel = dp->programs;

    dp->control = map_memory(skel->maps.control, sizeof(*dp->control));
    dp->counters = map_memory(skel->maps.counters, sizeof(*dp->counters));
    dp->stats = map_memory(skel->maps.stats, sizeof(*dp->stats));
    dp->rule_ids = map_memory(skel->maps.rule_ids, sizeof(*dp->rule_ids));
    dp->port_names = map_memory(skel->maps.port_names, sizeof(*dp->port_names));
    if (!dp->control || !dp->counters || !dp->stats || !dp->rule_ids || !dp->port_names)
        return orb_fail(err, -errno, "mapping the fast path's memory");
    return 0;
}

/* The slow programs where the fast ones jump to, also those of an earlier daemon. */
static int fill_tables(struct fastpath *skel, struct orb_err *err)
{
    const struct {
        struct bpf_map *map;
        struct bpf_program *program[2];
    } tables[] = {{skel->maps.slow_xdp, {skel->progs.orb_xdp_slow4, skel->progs.orb_xdp_slow6}},
                  {skel->maps.slow_tcx, {skel->progs.orb_tcx_slow4, skel->progs.orb_tcx_slow6}}};

    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        for (uint32_t k = 0; k < 2; k++) {
            int fd = bpf_program__fd(tables[i].program[k]);

            if (bpf_map_update_elem(bpf_map__fd(tables[i].map), &k, &fd, BPF_ANY))
                return orb_fail(err, -errno, "filling the tail-call table");
        }
    return 0;
}

/* The links of an earlier daemon run the new programs from now on; no packet is lost between. A
 * link of an interface that is gone cannot be updated and goes. */
static void update_links(struct dataplane *dp)
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
        bool xdp;

        if (sscanf(entry->d_name, "link_%3[a-z]_%u", hook, &ifindex) != 2)
            continue;
        path = pin_path(dp, entry->d_name);
        if (!strncmp(hook, "cl", 2)) {
            if (clsact_update(dp, path, ifindex) < 0)
                unlink(path);
            continue;
        }
        xdp = !strcmp(hook, "xdp");
        fd = bpf_obj_get(path);
        if (fd < 0 || bpf_link_update(fd,
                                      bpf_program__fd(xdp ? dp->programs->progs.orb_xdp_fast
                                                          : dp->programs->progs.orb_tcx_fast),
                                      NULL))
            unlink(path);
    }
    closedir(dir);
}

static int start_control(struct dataplane *dp, struct orb_err *err)
{
    struct fast_control *control = dp->control;

    if (getrandom(&control->seed, sizeof(control->seed), 0) != sizeof(control->seed))
        return orb_fail(err, -errno, "no random numbers");
    control->epoch = 1;
    control->enabled = 1;
    __atomic_store_n(&control->version, load_version(), __ATOMIC_SEQ_CST);
    return 0;
}

/* CONFIG_HZ: the resolution of a coarse clock is one tick. */
static uint32_t ticks_per_second(void)
{
    struct timespec tick = {0};

    if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0 || tick.tv_sec || tick.tv_nsec <= 0)
        return 100;
    return (uint32_t)((1000000000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

/* Opens, takes over and loads. 1: the kernel cannot run it. */
static int try_load(struct dataplane *dp, bool reuse, struct orb_err *err)
{
    AUTO(buf) struct buf complaint = {0};
    struct fastpath *skel = fastpath__open();
    int r;

    if (!skel)
        return orb_fail(err, -errno, "reading the fast path's programs");
    size_maps(skel, dp->cpus);
    skel->rodata->jiffies_per_second = ticks_per_second();
    dp->adopted = reuse && reuse_maps(dp, skel);
    if (reuse && !dp->adopted) {
        fastpath__destroy(skel);
        return try_load(dp, false, err);
    }
    complaint_listen(&complaint);
    r = fastpath__load(skel);
    complaint_listen(NULL);
    if (r < 0) {
        snprintf(dp->reason, sizeof(dp->reason),
                 "the kernel refuses the programs (%s: %.210s); nftables enforces alone",
                 strerror(-r), complaint.len ? buf_str(&complaint) : "no further word");
        fastpath__destroy(skel);
        return 1;
    }
    dp->programs = skel;
    return 0;
}

int load_programs(struct dataplane *dp, const struct dataplane_options *options,
                  struct orb_err *err)
{
    int r;

    complaint_listen(NULL);
    libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
    dp->cpus = libbpf_num_possible_cpus();
    if (dp->cpus <= 0)
        return orb_fail(err, dp->cpus, "counting CPUs");
    if (options->no_kfunc) {
        snprintf(dp->reason, sizeof(dp->reason),
                 "this kernel lets no BPF program ask conntrack (Linux 6.1 does); nftables "
                 "enforces alone");
        r = 1;
    } else {
        r = try_load(dp, true, err);
    }
    if (r < 0)
        return r;
    if (r > 0) { /* programs of another kernel's daemon would follow no policy any more */
        port_detach_others(dp, NULL);
        load_unpin(dp, true);
        return 0;
    }
    if (!dp->adopted)
        load_unpin(dp, false);
    r = dp->adopted ? 0 : pin_maps(dp, dp->programs, err);
    if (!r)
        r = map_memories(dp, err);
    if (!r && !dp->adopted)
        r = start_control(dp, err);
    if (!r)
        r = fill_tables(dp->programs, err);
    if (r < 0)
        return r;
    dp->clsact = options->no_tcx || clsact_needed(dp);
    update_links(dp);
    dp->generation = dp->control->generation;
    dp->enabled = dp->control->enabled;
    load_bump(dp);
    return 0;
}

void load_unload(struct dataplane *dp)
{
    size_t cpus = (size_t)dp->cpus;

    if (dp->control)
        munmap(dp->control, sizeof(*dp->control));
    if (dp->counters)
        munmap(dp->counters, sizeof(*dp->counters) * ABI_COUNTERS * cpus);
    if (dp->stats)
        munmap(dp->stats, sizeof(*dp->stats) * ABI_PORTS * cpus);
    if (dp->rule_ids)
        munmap(dp->rule_ids, sizeof(*dp->rule_ids) * ABI_COUNTERS);
    if (dp->port_names)
        munmap(dp->port_names, sizeof(*dp->port_names) * ABI_PORTS);
    dp->control = NULL;
    dp->counters = NULL;
    dp->stats = NULL;
    dp->rule_ids = NULL;
    dp->port_names = NULL;
    fastpath__destroy(dp->programs);
    dp->programs = NULL;
}
