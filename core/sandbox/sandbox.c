/* Made once for all workers: the open executable, the empty network namespace, the root file
 * system, the filters and the cgroup. Note: the empty namespace is made by entering it – the main
 * thread unshares, keeps a descriptor and returns; no helper process remains. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/cgroup.h"
#include "core/sandbox/child.h"
#include "core/sandbox/listeners.h"
#include "core/sandbox/root.h"
#include "core/sandbox/sandbox_internal.h"

#define LANDLOCK_VERSION_FLAG 1u

static int make_void(struct sandbox *sandbox, struct orb_err *err)
{
    AUTO_FD int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    struct stat st;
    int r = 0;

    if (home < 0)
        return orb_fail(err, -errno, "cannot open the own network namespace (is /proc mounted?)");
    if (unshare(CLONE_NEWNET) < 0)
        return orb_fail(err, -errno, "cannot make an empty network namespace");
    sandbox->void_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (sandbox->void_fd < 0 || fstat(sandbox->void_fd, &st) < 0)
        r = orb_fail(err, -errno, "cannot open the empty network namespace");
    else
        sandbox->void_inode = st.st_ino;
    if (setns(home, CLONE_NEWNET) < 0)
        abort(); /* going on in a namespace without interfaces would look like a dead network */
    return r;
}

/* Each capability a worker drops itself costs 1.5 us at every start; dropped here it costs that
 * once, and no process started from here can regain it from a file. Root keeps its capabilities
 * over exec by the inheritable set, which the stub clears with the rest. Errors are ignored: the
 * stub drops what is left. */
static uint64_t narrow_bounding(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    uint64_t left = 0;
    bool carried = syscall(SYS_capget, &head, data) == 0;

    for (size_t i = 0; carried && i < ARRAY_LEN(data); i++)
        data[i].inheritable = data[i].permitted;
    carried = carried && syscall(SYS_capset, &head, data) == 0;
    for (int cap = 0; cap < 64; cap++) {
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
            continue;
        if (!carried || cap == CAP_NET_ADMIN || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            left |= 1ull << cap;
    }
    return left;
}

static unsigned own_filters(void)
{
    AUTO_FILE FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    unsigned count = 0;

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "Seccomp_filters: %u", &count) == 1)
            break;
    return count;
}

/* Queries the size of the struct only. EINVAL: a kernel without CONFIG_CHECKPOINT_RESTORE. */
static bool can_seal_title(void)
{
    unsigned size = 0;

    return prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) == 0 &&
           size == sizeof(struct prctl_mm_map);
}

static uint64_t ignored_signals(void)
{
    struct sigaction now;
    uint64_t mask = 0;

    for (int s = 1; s < NSIG; s++)
        if (sigaction(s, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            mask |= 1ull << (s - 1);
    return mask;
}

static int make_filters(struct sandbox *sandbox, struct orb_err *err)
{
    int r;

    for (unsigned profile = 0; profile < FILTER_PROFILES; profile++)
        for (unsigned phase = 0; phase < FILTER_PHASES; phase++) {
            r = filter_make(profile, (enum filter_phase)phase, &sandbox->filter_fds[profile][phase],
                            err);
            if (r < 0)
                return r;
        }
    return 0;
}

static int open_all(struct sandbox *sandbox, const struct sandbox_options *options,
                    struct orb_err *err)
{
    const char *exe = options->exe ? options->exe : "/proc/self/exe";

    sandbox->exe_fd = open(exe, O_RDONLY | O_CLOEXEC);
    if (sandbox->exe_fd < 0)
        return orb_fail(err, -errno, "cannot open %s, which workers run", exe);
    sandbox->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (sandbox->null_fd < 0)
        return orb_fail(err, -errno, "cannot open /dev/null");
    sandbox->landlock_abi =
        (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION_FLAG);
    sandbox->tier = sandbox->landlock_abi < 1 ? 0 : geteuid() == 0 ? 2 : 1;
    if (sandbox->tier < 2)
        return 0;
    sandbox->bounding = narrow_bounding();
    for (int state = 0; state < 2; state++) {
        int r = root_make(state, &sandbox->root_fds[state], err);

        if (r < 0)
            return r;
    }
    return make_void(sandbox, err);
}

int sandbox_new(const struct sandbox_options *options, struct sandbox **ret_sandbox,
                struct orb_err *err)
{
    static const struct sandbox_options defaults;
    struct sandbox *sandbox = xcalloc(1, sizeof(*sandbox));
    int r;

    if (!options)
        options = &defaults;
    sandbox->exe_fd = sandbox->null_fd = sandbox->void_fd = -1;
    memset(sandbox->root_fds, -1, sizeof(sandbox->root_fds));
    memset(sandbox->filter_fds, -1, sizeof(sandbox->filter_fds));
    sandbox->base_filters = own_filters();
    sandbox->ignored = ignored_signals();
    sandbox->sealed_title = can_seal_title();
    r = open_all(sandbox, options, err);
    if (!r)
        r = make_filters(sandbox, err);
    if (r < 0) {
        sandbox_free(sandbox);
        return orb_wrap(err, "sandbox");
    }
    cgroup_open(sandbox, options->cgroup_root, options->instance);
    *ret_sandbox = sandbox;
    return 0;
}

void sandbox_free(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    for (unsigned profile = 0; profile < FILTER_PROFILES; profile++)
        for (unsigned phase = 0; phase < FILTER_PHASES; phase++)
            own_close(&sandbox->filter_fds[profile][phase]);
    own_close(&sandbox->root_fds[0]);
    own_close(&sandbox->root_fds[1]);
    own_close(&sandbox->void_fd);
    own_close(&sandbox->null_fd);
    own_close(&sandbox->exe_fd);
    listeners_close(sandbox);
    cgroup_close(sandbox);
    child_free_all(sandbox);
    free(sandbox);
}

int sandbox_tier(const struct sandbox *sandbox, struct buf *ret_reason)
{
    if (!ret_reason)
        return sandbox->tier;
    if (sandbox->tier == 0)
        buf_adds(ret_reason,
                 "tier 1 needs a kernel with Landlock (5.13, CONFIG_SECURITY_LANDLOCK)");
    else if (sandbox->tier == 1)
        buf_adds(ret_reason, "tier 2 needs root: namespaces, a uid and a cgroup of its own");
    else
        buf_adds(ret_reason,
                 "tier 3 needs BPF LSM programs keyed by cgroup, which this version does "
                 "not load");
    if (sandbox->landlock_abi > 0 && sandbox->landlock_abi < 6)
        buf_addf(ret_reason, "; Landlock version %d of this kernel lacks %s", sandbox->landlock_abi,
                 sandbox->landlock_abi < 4 ? "TCP and signal rules" : "signal rules");
    if (sandbox->cgroup_why[0])
        buf_addf(ret_reason, "; %s: memory and thread limits are per process", sandbox->cgroup_why);
    return sandbox->tier;
}

void sandbox_given_up(const struct sandbox *sandbox,
                      void (*each)(void *arg, const char *feature, const char *reason), void *arg)
{
    AUTO_FREE char *landlock = NULL;
    AUTO_FREE char *cgroup = NULL;

    if (!sandbox)
        return;
    if (sandbox->tier == 0)
        each(arg, "sandbox", "it needs a kernel with Landlock (5.13, CONFIG_SECURITY_LANDLOCK)");
    else if (sandbox->tier == 1)
        each(arg, "sandbox tier 2",
             "it needs root: namespaces, a uid and a cgroup of its own for each service");
    landlock = buf_format("Landlock of this kernel is version %d", sandbox->landlock_abi);
    if (sandbox->landlock_abi > 0 && sandbox->landlock_abi < 4)
        each(arg, "Landlock rules for TCP (version 4, Linux 6.7)", landlock);
    if (sandbox->landlock_abi > 0 && sandbox->landlock_abi < 6)
        each(arg, "Landlock rules for signals (version 6, Linux 6.12)", landlock);
    if (sandbox->tier > 0 && !sandbox->sealed_title)
        each(arg, "arguments of workers in a list of processes that hold",
             "it needs a kernel with CONFIG_CHECKPOINT_RESTORE");
    cgroup = buf_format("%s: limits of memory and threads are per process", sandbox->cgroup_why);
    if (sandbox->cgroup_why[0])
        each(arg, sandbox->cgroup_dir[0] ? "some limits by cgroup" : "limits by cgroup", cgroup);
}
