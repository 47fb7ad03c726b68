/* Content of the data plane's bpffs: maps by name, programs (prog_NAME) and the links of ports. It
 * outlives the daemon and shows the next one what there is to take over. */
#include "dataplane/pins.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/classify.h"
#include "bpf/fastpath.skel.h"
#include "core/base/own.h"
#include "dataplane/bpffs.h"
#include "dataplane/clsact.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/found.h"

static const char *const program_names[PROGRAMS] = {[PROGRAM_XDP] = "prog_xdp",
                                                    [PROGRAM_TCX] = "prog_tcx",
                                                    [PROGRAM_PROBE] = "prog_probe",
                                                    [PROGRAM_BEAT] = "prog_beat"};

uint32_t pins_version(void)
{
    return ABI_VERSION ^ CLASSIFY_MAGIC;
}

char *pins_path(const struct dataplane *dp, const char *name)
{
    return buf_format("%s/%s", dp->bpffs, name);
}

void pins_remove(const struct dataplane *dp, bool links)
{
    DIR *dir = opendir(dp->bpffs);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        AUTO_FREE char *path = NULL;

        if (entry->d_name[0] == '.' || (!links && !strncmp(entry->d_name, "link_", 5)))
            continue;
        path = pins_path(dp, entry->d_name);
        unlink(path);
    }
    closedir(dir);
}

/* libbpf's internal maps (.rodata, .kconfig) belong to the programs and are created again. */
bool pins_wanted(const struct bpf_map *map)
{
    return !strchr(bpf_map__name(map), '.');
}

bool pins_control(const char *bpffs, struct fast_control *ret_control)
{
    AUTO_FREE char *path = buf_format("%s/control", bpffs);
    AUTO_FD int fd = bpf_obj_get(path);
    uint32_t zero = 0;

    memset(ret_control, 0, sizeof(*ret_control));
    return fd >= 0 && !bpf_map_lookup_elem(fd, &zero, ret_control) &&
           ret_control->version == pins_version();
}

bool pins_left(const struct dataplane_options *options, uint64_t digest)
{
    struct fast_control control;
    uint64_t noted;

    if (pins_control(options->bpffs, &control))
        noted = control.rules_digest;
    else if (!found_table(options->found, &noted))
        return false;
    return !noted || noted == digest;
}

/* Loaded when it is needed (hooks.c). */
static bool is_of_hook(enum program program)
{
    return program == PROGRAM_XDP || program == PROGRAM_TCX;
}

const char *pins_program_name(enum program program)
{
    return program_names[program];
}

bool pins_programs(struct dataplane *dp, uint64_t digest)
{
    struct fast_control control;
    bool all = pins_control(dp->bpffs, &control) && control.object_digest == digest;

    for (int i = 0; i < PROGRAMS && all; i++) {
        AUTO_FREE char *path = pins_path(dp, program_names[i]);
        int fd = bpf_obj_get(path);

        dp->program[i] = fd > 0 ? fd : 0;
        all = fd > 0 || is_of_hook(i);
    }
    for (int i = 0; i < PROGRAMS && !all; i++) {
        if (dp->program[i] > 0)
            close(dp->program[i]);
        dp->program[i] = 0;
    }
    return all;
}

/* replace: what is pinned there is another one's. */
static int pin(const struct dataplane *dp, const char *name, int fd, bool replace,
               struct orb_err *err)
{
    AUTO_FREE char *path = pins_path(dp, name);

    if (replace)
        unlink(path);
    if (!bpf_obj_pin(fd, path) || errno == EEXIST)
        return 0;
    return orb_fail(err, -errno, "pinning at %s", path);
}

static void unpin(const struct dataplane *dp, const char *name)
{
    AUTO_FREE char *path = pins_path(dp, name);

    unlink(path);
}

int pins_put(struct dataplane *dp, struct orb_err *err)
{
    bool fresh = dp->control && !dp->control->object_digest;
    struct bpf_map *map;
    int r = bpffs_mount(dp->bpffs, err);

    bpf_object__for_each_map(map, dp->programs->obj)
    {
        if (!r && pins_wanted(map))
            r = pin(dp, bpf_map__name(map), bpf_map__fd(map), false, err);
    }
    for (int i = 0; i < PROGRAMS && !r; i++) {
        if (dp->program[i] > 0)
            r = pin(dp, program_names[i], dp->program[i], fresh, err);
        else if (fresh)
            unpin(dp, program_names[i]);
    }
    return r;
}

bool pins_whole(const struct dataplane *dp)
{
    struct bpf_map *map;
    bool whole = true;

    bpf_object__for_each_map(map, dp->programs->obj)
    {
        AUTO_FREE char *path = pins_path(dp, bpf_map__name(map));

        whole &= !pins_wanted(map) || !access(path, F_OK);
    }
    for (int i = 0; i < PROGRAMS; i++) {
        AUTO_FREE char *path = pins_path(dp, program_names[i]);

        whole &= dp->program[i] <= 0 || !access(path, F_OK);
    }
    return whole;
}

void pins_each_link(struct dataplane *dp, pins_link_fn *fn, void *arg)
{
    DIR *dir = opendir(dp->bpffs);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        AUTO_FREE char *path = NULL;
        uint32_t ifindex;
        char hook[4];

        if (sscanf(entry->d_name, "link_%3[a-z]_%u", hook, &ifindex) != 2)
            continue;
        path = pins_path(dp, entry->d_name);
        fn(dp, path, hook, ifindex, arg);
    }
    closedir(dir);
}

static void update_link(struct dataplane *dp, const char *path, const char *hook, uint32_t ifindex,
                        void *arg)
{
    const unsigned *which = arg;
    bool xdp = !strcmp(hook, "xdp");
    AUTO_FD int fd = -1;

    if (!(*which & (xdp ? HOOK_XDP : HOOK_TCX)))
        return;
    if (!strncmp(hook, "cl", 2)) {
        if (clsact_update(dp, path, ifindex) < 0)
            unlink(path);
        return;
    }
    fd = bpf_obj_get(path);
    if (fd < 0 || bpf_link_update(fd, dp->program[xdp ? PROGRAM_XDP : PROGRAM_TCX], NULL))
        unlink(path);
}

void pins_update_links(struct dataplane *dp, unsigned which)
{
    pins_each_link(dp, update_link, &which);
}
