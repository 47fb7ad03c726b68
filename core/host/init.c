/* Duties of PID 1: file systems, orphans, power off. Note: wait() for any child would consume the
 * exit status of a worker, so the ended child is peeked at first (WNOWAIT), and a worker is passed
 * to the supervisor. */
#include "core/host/init.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/own.h"

#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define WAS_THERE 1

static const struct {
    const char *at, *type, *data;
    unsigned long flags;
} mounts[INIT_MOUNTS] = {
    {"/proc", "proc", NULL, SAFE},
    {"/sys", "sysfs", NULL, SAFE},
    {"/dev", "devtmpfs", NULL, MS_NOSUID | MS_NOEXEC},
    {"/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV},
    {"/sys/fs/bpf", "bpf", "mode=0700", SAFE},
    {"/sys/fs/cgroup", "cgroup2", NULL, SAFE},
};

/* ---- the beginning ---- */

/* PID 1 of a container may share its mounts with the parent: makes them private to it; mounts made
 * outside still propagate. PID 1 of the machine keeps its own: kernel threads (of which getpgid
 * returns 0, and the second process is one) use them, too. */
static void own_mounts(struct init *init)
{
    if (init->own_mounts || getpgid(2) == 0)
        return;
    init->own_mounts = true;
    if (unshare(CLONE_NEWNS) == 0)
        mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
}

static int mount_missing(struct init *init, unsigned i)
{
    struct statx st;

    if (mkdir(mounts[i].at, 0755) < 0 && errno != EEXIST)
        return -errno;
    if (statx(AT_FDCWD, mounts[i].at, AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
        return -errno;
    if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return WAS_THERE;
    own_mounts(init);
    if (mount(mounts[i].type, mounts[i].at, mounts[i].type, mounts[i].flags, mounts[i].data) < 0)
        return -errno;
    return 0;
}

/* Opens the missing ones of descriptors 0 to 2: messages on 2 would otherwise be written into a
 * file that happens to get this number. */
static void open_standard(const char *path)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open(path, O_RDWR | O_NOCTTY) < 0 &&
            open("/dev/null", O_RDWR) < 0 && open("/", O_RDONLY | O_DIRECTORY) < 0)
            return;
}

static int loopback_up(void)
{
    struct ifreq lo = {.ifr_name = "lo"};
    AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &lo) < 0)
        return -errno;
    lo.ifr_flags |= IFF_UP;
    return ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ? -errno : 0;
}

void init_begin(struct init *init)
{
    init->active = getpid() == 1;
    if (!init->active) {
        open_standard("/dev/null");
        return;
    }
    for (unsigned i = 0; i < INIT_MOUNTS; i++)
        init->mounts[i] = mount_missing(init, i);
    open_standard("/dev/console"); /* an initramfs without it starts init without any */
    init->loopback = loopback_up();
    reboot(RB_DISABLE_CAD); /* ctrl-alt-del becomes SIGINT; a container may not, and need not */
}

void init_log(const struct init *init, struct log_sink *log)
{
    if (!init->active)
        return;
    for (unsigned i = 0; i < INIT_MOUNTS; i++) {
        if (init->mounts[i] < 0)
            log_warn(log, "init.not-mounted", KV("at", mounts[i].at), KV("type", mounts[i].type),
                     KV("error", strerror(-init->mounts[i])));
        else if (init->mounts[i] != WAS_THERE)
            log_info(log, "init.mounted", KV("at", mounts[i].at), KV("type", mounts[i].type));
    }
    if (init->loopback < 0)
        log_warn(log, "init.no-loopback", KV("error", strerror(-init->loopback)));
}

/* ---- orphans ---- */

static void reap(struct init *init)
{
    struct orbitald *host = init->host;
    siginfo_t info = {0};
    pid_t last = 0;

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0 &&
           info.si_pid != last) {
        last = info.si_pid;
        if (host->runtime && runtime_worker_ended(host->runtime, last))
            continue; /* the supervisor has reaped it */
        waitid(P_PID, (id_t)last, &info, WEXITED | WNOHANG);
        log_debug(host->log, "init.orphan", KV("pid", last), KV("status", info.si_status));
        info.si_pid = 0;
    }
}

static void on_child(uv_signal_t *handle, int number)
{
    reap(container_of(handle, struct init, child));
}

void init_watch(struct init *init, struct orbitald *host, struct loop_scope *scope)
{
    if (!init->active)
        return;
    init->host = host;
    uv_signal_init(host->loop, &init->child);
    loop_scope_adopt(scope, (uv_handle_t *)&init->child);
    uv_signal_start(&init->child, on_child, SIGCHLD);
    reap(init); /* those that ended before the handler was set */
}

/* ---- the end ---- */

/* Leaves time to read the messages; SIGTERM or SIGINT ends the wait. */
static void linger(void)
{
    const struct timespec wait = {.tv_sec = INIT_FAIL_S};
    sigset_t asked;

    fprintf(stderr, "orbitald: PID 1 cannot continue; power off in %d s\n", INIT_FAIL_S);
    sigemptyset(&asked);
    sigaddset(&asked, SIGTERM);
    sigaddset(&asked, SIGINT);
    sigaddset(&asked, SIGPWR);
    sigprocmask(SIG_BLOCK, &asked, NULL);
    while (sigtimedwait(&asked, NULL, &wait) < 0 && errno == EINTR)
        ;
}

int init_end(const struct init *init, int code)
{
    if (!init->active)
        return code;
    if (code)
        linger();
    fprintf(stderr, "orbitald: %s\n", init->restart ? "restart" : "power off");
    kill(-1, SIGKILL); /* no process writes any more */
    sync();
    reboot(init->restart ? RB_AUTOBOOT : RB_POWER_OFF);
    fprintf(stderr, "orbitald: reboot: %s; leaving\n", strerror(errno));
    return code;
}
