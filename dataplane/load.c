/* Programs and maps: over the pinned maps of the previous daemon, so that flows, counters and the
 * policy in force are kept; and with its programs, too, when they are the same. Order: version,
 * maps, programs, the tail-call tables, then the links, whose update is atomic for each port.
 * Unneeded hooks are not loaded (hooks.c).
 *
 * Note: libbpf reuses a pinned map by path only when all details match, and a device map never (the
 * kernel adds a flag); so every map is compared here and passed to bpf_map__reuse_fd. */
#include "dataplane/load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/classify.h"
#include "bpf/fastpath.skel.h"
#include "core/base/own.h"
#include "dataplane/base.h"
#include "dataplane/bpffs.h"
#include "dataplane/libbpf_log.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/detach.h"
#include "dataplane/hooks.h"
#include "dataplane/pins.h"

void load_bump(struct dataplane *dp)
{
    if (!dp->control)
        return;
    if (!__atomic_add_fetch(&dp->control->epoch, 1, __ATOMIC_SEQ_CST))
        __atomic_add_fetch(&dp->control->epoch, 1, __ATOMIC_SEQ_CST);
}

int load_beat(const struct dataplane *dp)
{
    LIBBPF_OPTS(bpf_test_run_opts, options);

    return dp->programs ? bpf_prog_test_run_opts(dp->program[PROGRAM_BEAT], &options) : 0;
}

/* Maps with a part for each CPU. */
static void size_maps(struct fastpath *skel, int cpus)
{
    struct bpf_map *maps[] = {skel->maps.ways4,     skel->maps.ways6,    skel->maps.flows4,
                              skel->maps.flows6,    skel->maps.counters, skel->maps.stats,
                              skel->maps.flow_nexts};

    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        bpf_map__set_max_entries(maps[i], bpf_map__max_entries(maps[i]) * (uint32_t)cpus);
}

struct fastpath *load_open(int cpus)
{
    struct fastpath *skel = fastpath__open();

    if (!skel)
        return NULL;
    size_maps(skel, cpus);
    skel->rodata->jiffies_per_second = hooks_ticks();
    return skel;
}

static bool map_fits(const struct bpf_map *map, int fd)
{
    struct bpf_map_info info = {0};
    uint32_t len = sizeof(info);

    return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == bpf_map__type(map) &&
           info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
           info.max_entries == bpf_map__max_entries(map);
}

/* Takes every pinned map over; false: something is missing or of another shape. */
static bool reuse_maps(struct dataplane *dp, struct fastpath *skel)
{
    struct fast_control control;
    struct bpf_map *map;

    if (!pins_control(dp->bpffs, &control))
        return false;
    bpf_object__for_each_map(map, skel->obj)
    {
        AUTO_FREE char *path = NULL;
        AUTO_FD int fd = -1;

        if (!pins_wanted(map))
            continue;
        path = pins_path(dp, bpf_map__name(map));
        fd = bpf_obj_get(path);
        if (fd < 0 || !map_fits(map, fd) || bpf_map__reuse_fd(map, fd))
            return false;
    }
    return true;
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
    dp->suspects = map_memory(skel->maps.suspects, sizeof(*dp->suspects));
    if (!dp->suspects || !dp->control || !dp->counters || !dp->stats || !dp->rule_ids ||
        !dp->port_names)
        return orb_fail(err, -errno, "mapping the fast path's memory");
    return 0;
}

static int start_control(struct dataplane *dp, struct orb_err *err)
{
    struct fast_control *control = dp->control;

    if (getrandom(&control->seed, sizeof(control->seed), 0) != sizeof(control->seed))
        return orb_fail(err, -errno, "no random numbers");
    control->epoch = 1;
    control->enabled = 1;
    __atomic_store_n(&control->version, pins_version(), __ATOMIC_SEQ_CST);
    return 0;
}

/* Of what the kernel was or will be given to verify: other programs, other constants in them or
 * another kernel make another digest. */
static uint64_t object_digest(const struct dataplane *dp)
{
    struct utsname kernel = {0};
    uint64_t digest = DIGEST_START;
    size_t size;
    const void *bytes = fastpath__elf_bytes(&size);

    uname(&kernel);
    base_digest_mix(&digest, bytes, size);
    hooks_mix(dp, &digest);
    base_digest_mix(&digest, kernel.release, strlen(kernel.release));
    base_digest_mix(&digest, kernel.version, strlen(kernel.version));
    return digest ? digest : 1;
}

static int dup_fd(const struct bpf_program *program)
{
    return fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);
}

static int verify(struct dataplane *dp, struct fastpath *skel)
{
    AUTO(buf) struct buf messages = {0};
    int r;

    libbpf_log_capture(&messages);
    r = fastpath__load(skel);
    libbpf_log_capture(NULL);
    if (r >= 0)
        return 0;
    snprintf(dp->reason, sizeof(dp->reason),
             "the kernel refuses the programs (%s: %.210s); nftables enforces alone", strerror(-r),
             messages.len ? buf_str(&messages) : "no message from libbpf");
    return 1;
}

/* Opens, takes over and loads. 1: the kernel does not support it. Pinned programs that are the same
 * are used as they are: the kernel has verified them. */
static int try_load(struct dataplane *dp, bool reuse, struct orb_err *err)
{
    struct fastpath *skel = load_open(dp->cpus);
    int r = 0;

    if (!skel)
        return orb_fail(err, -errno, "reading the fast path's programs");
    dp->adopted = reuse && reuse_maps(dp, skel);
    if (reuse && !dp->adopted) {
        fastpath__destroy(skel);
        return try_load(dp, false, err);
    }
    dp->verified = !dp->adopted || !pins_programs(dp, object_digest(dp));
    if (dp->verified)
        r = verify(dp, skel);
    if (r) {
        fastpath__destroy(skel);
        return r;
    }
    dp->programs = skel;
    if (dp->verified) {
        dp->program[PROGRAM_PROBE] = dup_fd(skel->progs.orb_probe);
        dp->program[PROGRAM_BEAT] = dup_fd(skel->progs.orb_beat);
        if (dp->program[PROGRAM_PROBE] < 0 || dp->program[PROGRAM_BEAT] < 0)
            return orb_fail(err, -errno, "keeping the fast path's programs");
    }
    return 0;
}

/* Updates maps, tail-call tables and links to this daemon's programs; last, the version by which
 * the next one compares. */
static int take_over(struct dataplane *dp, struct orb_err *err)
{
    int r;

    if (!dp->adopted)
        pins_remove(dp, false);
    r = map_memories(dp, err);
    if (!r) /* until foreign state was read */
        __atomic_or_fetch(&dp->control->foreign, FOREIGN_READING, __ATOMIC_SEQ_CST);
    if (!r && dp->verified)
        dp->control->object_digest = 0;
    if (!r && !dp->adopted)
        r = start_control(dp, err);
    if (!r)
        r = pins_put(dp, err);
    if (!r && load_beat(dp) < 0)
        r = orb_fail(err, -errno, "running the fast path's heartbeat");
    if (r < 0)
        return r;
    hooks_look(dp);
    r = hooks_load(dp, hooks_linked(dp), err);
    if (r < 0)
        return r;
    dp->control->object_digest = object_digest(dp);
    dp->generation = dp->control->generation;
    dp->enabled = dp->control->enabled;
    load_bump(dp);
    return 0;
}

/* What fails here costs speed and nothing else. 1. */
static int give_up(struct dataplane *dp, const struct orb_err *why)
{
    load_unload(dp);
    dp->adopted = false;
    snprintf(dp->reason, sizeof(dp->reason),
             "the fast path cannot be made (%.230s); nftables "
             "enforces alone",
             why->text);
    return 1;
}

int load_programs(struct dataplane *dp, const struct dataplane_options *options,
                  struct orb_err *err)
{
    struct orb_err why = {0};
    int r;

    dp->clsact = dp->no_tcx = options->no_tcx;
    libbpf_log_capture(NULL);
    libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
    dp->cpus = libbpf_num_possible_cpus();
    if (dp->cpus <= 0)
        return orb_fail(err, dp->cpus, "counting CPUs");
    if (bpffs_mount(dp->bpffs, &why) < 0) {
        r = give_up(dp, &why);
    } else if (options->no_kfunc) {
        snprintf(dp->reason, sizeof(dp->reason),
                 "this kernel has no conntrack lookup for BPF programs (Linux 6.1 has); nftables "
                 "enforces alone");
        r = 1;
    } else {
        r = try_load(dp, true, &why);
        if (r == 0)
            r = take_over(dp, &why);
        if (r < 0)
            r = give_up(dp, &why);
    }
    if (r > 0) { /* programs of another kernel's daemon would follow no policy any more */
        detach_others(dp, NULL);
        pins_remove(dp, true);
    }
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
    if (dp->suspects)
        munmap(dp->suspects, sizeof(*dp->suspects) * ABI_SUSPECTS);
    dp->suspects = NULL;
    dp->control = NULL;
    dp->counters = NULL;
    dp->stats = NULL;
    dp->rule_ids = NULL;
    dp->port_names = NULL;
    for (int i = 0; i < PROGRAMS; i++)
        if (dp->program[i] > 0)
            close(dp->program[i]);
    memset(dp->program, 0, sizeof(dp->program));
    fastpath__destroy(dp->programs);
    dp->programs = NULL;
}
