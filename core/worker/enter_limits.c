/* Resource limits, identity and capabilities. The order inside is the point: the uid's process
 * limit before the uid, the bounding set while CAP_SETPCAP is there, and the parent-death signal
 * after the uid change, which clears it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/worker/enter.h"

#define STACK_BYTES (SANDBOX_SANITIZED ? 8u << 20 : 2u << 20)
#define SPACE_BYTES (1u << 30) /* address space on top of the memory limit */

struct limit {
    int resource;
    rlim_t value;
    const char *name;
};

/* A worker is the first to go when memory runs out. Not a limit: a refusal is no failure. */
static void raise_oom_score(void)
{
    AUTO_FD int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, "500", 3) < 0)
        return;
}

static void shrink_threads(void)
{
    pthread_attr_t attributes;

    /* Stacks count as private memory in full: 16 of the usual 8 MB would be the whole limit. */
    if (!pthread_attr_init(&attributes)) {
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        pthread_setattr_default_np(&attributes);
        pthread_attr_destroy(&attributes);
    }
    mallopt(M_ARENA_MAX, 2);
}

/* The host itself may be limited further; that limit stays. EPERM: raising a limit without
 * privileges. */
static int set_limit(__rlimit_resource_t resource, const struct rlimit *to)
{
    struct rlimit before;
    int r = prlimit(0, resource, to, &before);

    if (r < 0 ? errno != EPERM || getrlimit(resource, &before) < 0
              : before.rlim_max >= to->rlim_max)
        return r;
    before.rlim_cur = before.rlim_max;
    return setrlimit(resource, &before);
}

int enter_limits(struct enter *e)
{
    const struct limit limits[] = {
        {RLIMIT_CORE, 0, "core"},
        {RLIMIT_NOFILE, e->launch.files, "files"},
        {RLIMIT_FSIZE, e->launch.state_dir[0] ? LAUNCH_STATE_FILE : 0, "file size"},
        {RLIMIT_MEMLOCK, 0, "locked memory"},
        {RLIMIT_MSGQUEUE, 0, "message queues"},
        {RLIMIT_NICE, 0, "nice"},
        {RLIMIT_RTPRIO, 0, "real time"},
        {RLIMIT_SIGPENDING, 64, "pending signals"},
        {RLIMIT_STACK, STACK_BYTES, "stack"},
        {RLIMIT_NPROC, e->launch.threads, "threads"},
        /* The sanitizers reserve terabytes. */
        {RLIMIT_DATA, SANDBOX_SANITIZED ? RLIM_INFINITY : e->launch.memory_bytes, "memory"},
        {RLIMIT_AS, SANDBOX_SANITIZED ? RLIM_INFINITY : e->launch.memory_bytes + SPACE_BYTES,
         "address space"},
    };

    raise_oom_score();
    shrink_threads();
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error, EFBIG, and not the end */
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct rlimit to = {limits[i].value, limits[i].value};

        if (set_limit((__rlimit_resource_t)limits[i].resource, &to) < 0) {
            snprintf(e->detail, sizeof(e->detail), "%s", limits[i].name);
            return -errno;
        }
    }
    return 0;
}

static int set_capabilities(uint64_t mask)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)mask, .permitted = (uint32_t)mask},
        {.effective = (uint32_t)(mask >> 32), .permitted = (uint32_t)(mask >> 32)}};

    return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

int enter_limits_privileges(struct enter *e)
{
    int bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
               SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
               SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    uid_t id = e->launch.uid;

    for (int cap = 0; cap < 64; cap++) /* the host has dropped nearly all; it checks afterwards */
        if ((e->launch.bounding & ~e->launch.kernel_caps) >> cap & 1 &&
            prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return -errno;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return -errno;
    if (e->launch.kernel_caps)
        bits |= SECBIT_KEEP_CAPS;
    if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0)
        return -errno;
    if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
        return -errno;
    return set_capabilities(e->launch.kernel_caps);
}

/* The kernel kills the worker when the host dies. If the host died before this request, its end of
 * the socket pair is closed by now (getppid() is 0 in a pid namespace either way). */
int enter_limits_parent(struct enter *e)
{
    struct pollfd ipc = {.fd = LAUNCH_FD_IPC};

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (poll(&ipc, 1, 0) == 1 && (ipc.revents & POLLHUP))
        return -ESRCH;
    return 0;
}
