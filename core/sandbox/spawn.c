/* From a plan to a running worker that has not yet entered its sandbox: clone and exec of our own
 * binary. The child shares the host's memory until exec (the host waits, so nothing is copied, and
 * 64 MB of host cost no more than 1 MB); it must therefore write to nothing but its own stack. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/sandbox/sandbox_priv.h"

#define HIGH_FD 64

struct child {
    int fds[LAUNCH_FDS];
    int cgroup_fd; /* directory, -1: none */
    bool born_inside;
    char *const *argv;
    char *const *envp;
};

static void __attribute__((noreturn)) child_fail(const struct child *c, const char *step)
{
    struct crash_record record = {.magic = CRASH_MAGIC, .kind = CRASH_STEP, .number = errno};

    strncpy(record.text, step, sizeof record.text - 1);
    if (write(c->fds[LAUNCH_FD_CRASH], &record, sizeof record) < 0)
        _exit(LAUNCH_EXIT_STEP + 1);
    _exit(LAUNCH_EXIT_STEP);
}

static int child_main(void *arg)
{
    const struct child *c = arg;
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    int high[LAUNCH_FDS];

    if (c->cgroup_fd >= 0 && !c->born_inside) {
        int procs = openat(c->cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

        if (procs < 0 || write(procs, "0", 1) < 0)
            child_fail(c, "cgroup");
    }
    for (int s = 1; s < NSIG; s++)
        sigaction(s, &standard, NULL); /* signals stay blocked until the stub is in charge */
    for (int i = 0; i < LAUNCH_FDS; i++) {
        high[i] = fcntl(c->fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
        if (high[i] < 0)
            child_fail(c, "descriptors");
    }
    for (int i = 0; i < LAUNCH_FDS; i++)
        if (dup3(high[i], i, i == LAUNCH_FD_EXE ? O_CLOEXEC : 0) < 0)
            child_fail(c, "descriptors");
    if (syscall(SYS_close_range, LAUNCH_FDS, ~0u, 0) < 0)
        _exit(LAUNCH_EXIT_STEP);
    syscall(SYS_execveat, LAUNCH_FD_EXE, "", c->argv, c->envp, AT_EMPTY_PATH);
    _exit(127);
}

/* The worker's own directory: made and owned by the worker's uid before it starts. */
static int prepare_state(const struct plan *plan, struct orb_err *err)
{
    AUTO_FD int fd = -1;
    struct stat st;
    int r = dir_make(plan->state_dir, 0700, err);

    if (r < 0)
        return r;
    fd = open(plan->state_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return orb_fail(err, -errno, "cannot open the state directory %s", plan->state_dir);
    if (geteuid() == 0 && (st.st_uid != plan->uid || st.st_gid != plan->uid) &&
        fchown(fd, plan->uid, plan->uid) < 0)
        return orb_fail(err, -errno, "cannot give the state directory %s to uid %u",
                        plan->state_dir, plan->uid);
    return 0;
}

static int write_record(const struct sandbox *sandbox, const struct plan *plan, int *ret_fd,
                        struct orb_err *err)
{
    AUTO_FREE struct launch *record = xcalloc(1, sizeof *record);
    AUTO_FD int fd = -1;
    int r = launch_fill(plan, sandbox->tier, record, err);

    if (r < 0)
        return r;
    fd = memfd_create("orbital-launch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write(fd, record, sizeof *record) != (ssize_t)sizeof *record ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) < 0)
        return orb_fail(err, -errno, "cannot write the launch record");
    *ret_fd = take_fd(&fd);
    return 0;
}

/* clone3 with a stack of its own for the child, which libc does not offer. The child never returns
 * from run. */
static long clone_into(struct clone_args *args, int (*run)(void *), void *arg)
{
#if defined(__x86_64__)
    register long r __asm__("rax") = SYS_clone3;
    register void *a0 __asm__("rdi") = args;
    register size_t a1 __asm__("rsi") = sizeof *args;
    register int (*child)(void *) __asm__("r12") = run;
    register void *child_arg __asm__("r13") = arg;

    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "ud2\n"
                     "1:"
                     : "+r"(r)
                     : "r"(a0), "r"(a1), "r"(child), "r"(child_arg)
                     : "rcx", "r11", "memory", "cc");
    return r;
#elif defined(__aarch64__)
    register long r __asm__("x0") = (long)args;
    register size_t a1 __asm__("x1") = sizeof *args;
    register long number __asm__("x8") = SYS_clone3;
    register int (*child)(void *) __asm__("x9") = run;
    register void *child_arg __asm__("x10") = arg;

    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, #0\n\t"
                     "mov x0, x10\n\t"
                     "blr x9\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(r)
                     : "r"(a1), "r"(number), "r"(child), "r"(child_arg)
                     : "memory", "cc", "x30");
    return r;
#else
    (void)args;
    (void)run;
    (void)arg;
    return -ENOSYS;
#endif
}

/* The child is born in its cgroup where the kernel can do that: moving it there afterwards waits
 * for an RCU grace period (10 to 20 ms in which the host stands still). */
static long clone_child(struct sandbox *sandbox, struct child *child, int flags, int *ret_pidfd)
{
    struct clone_args args = {.flags = (unsigned)flags | CLONE_INTO_CGROUP,
                              .pidfd = (uintptr_t)ret_pidfd,
                              .exit_signal = SIGCHLD,
                              .stack = (uintptr_t)sandbox->stack,
                              .stack_size = SANDBOX_STACK,
                              .cgroup = (unsigned)child->cgroup_fd};
    long pid;

    if (child->cgroup_fd >= 0) {
        child->born_inside = true;
        pid = clone_into(&args, child_main, child);
        if (pid >= 0)
            return pid;
        child->born_inside = false;
    }
    pid = clone(child_main, sandbox->stack + SANDBOX_STACK, flags | SIGCHLD, child, ret_pidfd);
    return pid < 0 ? -errno : pid;
}

static int start(struct sandbox *sandbox, struct child *child, pid_t *ret_pid, int *ret_pidfd,
                 struct orb_err *err)
{
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
    sigset_t all, before;
    int pidfd = -1;
    long pid;

    if (sandbox->tier >= 2)
        flags |= CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = clone_child(sandbox, child, flags, &pidfd);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        return orb_fail(err, (int)pid, "cannot start a process");
    *ret_pid = (pid_t)pid;
    *ret_pidfd = pidfd;
    return 0;
}

static int pipe_in(int ret_fds[2])
{
    if (pipe2(ret_fds, O_CLOEXEC) < 0)
        return -errno;
    return fcntl(ret_fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

struct ends {
    int ipc[2], err[2], crash[2];
};

static int make_ends(struct ends *ends, struct orb_err *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->ipc) < 0 ||
        fcntl(ends->ipc[0], F_SETFL, O_NONBLOCK) < 0)
        return orb_fail(err, -errno, "cannot make a socket pair");
    if (pipe_in(ends->err) < 0 || pipe_in(ends->crash) < 0)
        return orb_fail(err, -errno, "cannot make a pipe");
    return 0;
}

static void close_ends(struct ends *ends, int which)
{
    own_close(&ends->ipc[which]);
    own_close(&ends->err[which]);
    own_close(&ends->crash[which]);
}

static int launch(struct sandbox *sandbox, const struct plan *plan, const struct ends *ends,
                  struct sandbox_child *child, struct orb_err *err)
{
    static char options[] = "ASAN_OPTIONS=detect_leaks=0";
    char *sanitized[] = {options, NULL}, *none[] = {NULL}; /* the environment is empty */
    const int *filters = sandbox->filter_fds[(plan->state_dir ? FILTER_STATE : 0) |
                                             (plan->netlink ? FILTER_NETLINK : 0)];
    const int root_fd = sandbox->root_fds[plan->state_dir != NULL];
    AUTO_FREE char *title = xasprintf("orbitald: %s", plan->service);
    char mode[] = "--worker", *argv[] = {title, mode, NULL};
    AUTO_FD int record_fd = -1, cgroup_fd = -1;
    struct child c = {.argv = argv, .envp = SANDBOX_SANITIZED ? sanitized : none};
    int r = write_record(sandbox, plan, &record_fd, err);

    if (r < 0)
        return r;
    cgroup_fd = cgroup_open_service(sandbox, plan);
    c.cgroup_fd = cgroup_fd;
    memcpy(c.fds,
           (int[LAUNCH_FDS]){sandbox->null_fd, ends->err[1], ends->err[1], ends->ipc[1], record_fd,
                             ends->crash[1], filters[FILTER_A], filters[FILTER_B],
                             sandbox->void_fd >= 0 ? sandbox->void_fd : sandbox->null_fd,
                             root_fd >= 0 ? root_fd : sandbox->null_fd, sandbox->exe_fd},
           sizeof c.fds);
    return start(sandbox, &c, &child->pid, &child->pidfd, err);
}

int sandbox_spawn(struct sandbox *sandbox, const struct plan *plan, struct sandbox_child *ret_child,
                  struct orb_err *err)
{
    struct ends ends = {{-1, -1}, {-1, -1}, {-1, -1}};
    struct sandbox_child child = {.pid = -1, .pidfd = -1};
    int r = 0;

    if (sandbox->tier < 1 || sandbox->tier < plan->min_tier)
        return orb_fail(
            err, ORB_E_DENIED,
            "%s asks for sandbox tier %d and this machine gives %d; see \"orbctl service "
            "show %s sandbox\"",
            plan->service, plan->min_tier > 1 ? plan->min_tier : 1, sandbox->tier, plan->service);
    if (plan->state_dir)
        r = prepare_state(plan, err);
    if (!r)
        r = make_ends(&ends, err);
    if (!r)
        r = launch(sandbox, plan, &ends, &child, err);
    close_ends(&ends, 1);
    if (r < 0) {
        close_ends(&ends, 0);
        return orb_wrap(err, "cannot start %s", plan->service);
    }
    child.ipc_fd = ends.ipc[0];
    child.stderr_fd = ends.err[0];
    child.crash_fd = ends.crash[0];
    snprintf(child.service, sizeof child.service, "%s", plan->service);
    *ret_child = child;
    return 0;
}
