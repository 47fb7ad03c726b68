/* Between clone and exec. The child shares the host's memory while the host continues, so the loop
 * does not wait for exec, and the cost does not depend on the size of the host. Therefore the child
 * may touch nothing but its own struct child until exec – no libc, whose errno and lazily bound
 * symbols belong to the host's thread. The kernel clears `busy` when the child has left that
 * memory. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/child.h"
#include "core/sandbox/sandbox_internal.h"

#define HIGH_FD 64
#define LEAVE_MS 2000

/* A system call that leaves errno alone: the result or a negative errno. */
static inline long raw(long number, long a, long b, long c, long d, long e)
{
#if defined(__x86_64__)
    long r;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;

    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return r;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
#else
#error "core/sandbox/child.c: a system call without libc is missing for this processor"
#endif
}

static void __attribute__((noreturn)) leave(int status)
{
    for (;;)
        raw(SYS_exit_group, status, 0, 0, 0, 0);
}

static void __attribute__((noreturn)) fail(struct child *c, const char *step, long r)
{
    c->record.number = (int32_t)-r;
    for (size_t i = 0; step[i] && i + 1 < sizeof(c->record.text); i++)
        c->record.text[i] = step[i];
    r = raw(SYS_write, c->fds[LAUNCH_FD_CRASH], (long)&c->record, sizeof(c->record), 0, 0);
    leave(r < 0 ? LAUNCH_EXIT_STEP + 1 : LAUNCH_EXIT_STEP);
}

static void join_cgroup(struct child *c)
{
    long procs = raw(SYS_openat, c->cgroup_fd, (long)"cgroup.procs", O_WRONLY | O_CLOEXEC, 0, 0);
    long r = procs < 0 ? procs : raw(SYS_write, procs, (long)"0", 1, 0, 0);

    if (r < 0)
        fail(c, "cgroup", r);
}

/* exec resets handled signals to their default action but keeps ignored ones. They stay blocked
 * until the stub unblocks them. */
static void reset_ignored_signals(const struct child *c)
{
    static const struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } standard; /* the kernel's layout */

    for (int s = 1; s <= 64; s++)
        if (c->ignored >> (s - 1) & 1)
            raw(SYS_rt_sigaction, s, (long)&standard, 0, sizeof(standard.mask), 0);
}

static void place_descriptors(struct child *c)
{
    long r = 0;

    for (int i = 0; r >= 0 && i < LAUNCH_FDS; i++)
        if (c->fds[i] < LAUNCH_FDS) { /* would be overwritten */
            r = raw(SYS_fcntl, c->fds[i], F_DUPFD_CLOEXEC, HIGH_FD, 0, 0);
            if (r >= 0)
                c->fds[i] = (int)r;
        }
    for (int i = 0; r >= 0 && i < LAUNCH_FDS; i++)
        r = raw(SYS_dup3, c->fds[i], i, i == LAUNCH_FD_EXE ? O_CLOEXEC : 0, 0, 0);
    if (r < 0)
        fail(c, "descriptors", r);
}

static int child_main(void *arg)
{
    struct child *c = arg;
    long r;

    if (c->cgroup_fd >= 0 && !c->born_inside)
        join_cgroup(c);
    reset_ignored_signals(c);
    place_descriptors(c);
    c->fds[LAUNCH_FD_CRASH] = LAUNCH_FD_CRASH;
    r = raw(SYS_close_range, LAUNCH_FDS, (long)~0u, 0, 0, 0);
    if (r < 0)
        fail(c, "descriptors", r);
    r = raw(SYS_execveat, LAUNCH_FD_EXE, (long)"", (long)c->argv, (long)c->envp, AT_EMPTY_PATH);
    fail(c, "exec", r);
}

/* clone3 with a stack of its own for the child, which libc does not offer. The child never returns
 * from run. */
static long clone_into(struct clone_args *args, int (*run)(void *), void *arg)
{
#if defined(__x86_64__)
    register long r __asm__("rax") = SYS_clone3;
    register void *a0 __asm__("rdi") = args;
    register size_t a1 __asm__("rsi") = sizeof(*args);
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
#else
    register long r __asm__("x0") = (long)args;
    register size_t a1 __asm__("x1") = sizeof(*args);
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
#endif
}

/* The child is born in its cgroup where the kernel can do that: moving it there afterwards waits
 * for an RCU grace period (10 to 20 ms, then spent by the child). */
static long clone_child(struct child *child, int flags, int *ret_pidfd)
{
    struct clone_args args = {.flags = (unsigned)flags | CLONE_INTO_CGROUP,
                              .pidfd = (uintptr_t)ret_pidfd,
                              .child_tid = (uintptr_t)&child->busy,
                              .exit_signal = SIGCHLD,
                              .stack = (uintptr_t)child->stack,
                              .stack_size = sizeof(child->stack),
                              .cgroup = (unsigned)child->cgroup_fd};
    long pid;

    if (child->cgroup_fd >= 0) {
        child->born_inside = true;
        pid = clone_into(&args, child_main, child);
        if (pid >= 0)
            return pid;
        child->born_inside = false;
    }
    pid = clone(child_main, child->stack + sizeof(child->stack), flags | SIGCHLD, child, ret_pidfd,
                NULL, &child->busy);
    return pid < 0 ? -errno : pid;
}

struct child *child_take(struct sandbox *sandbox)
{
    struct child *c = sandbox->children;

    while (c && __atomic_load_n(&c->busy, __ATOMIC_ACQUIRE))
        c = c->next;
    if (!c) {
        c = xcalloc(1, sizeof(*c));
        c->next = sandbox->children;
        sandbox->children = c;
    }
    c->record = (struct crash_record){.magic = CRASH_MAGIC, .kind = CRASH_STEP};
    c->ignored = sandbox->ignored;
    return c;
}

int child_start(const struct sandbox *sandbox, struct child *child, pid_t *ret_pid, int *ret_pidfd)
{
    int flags = CLONE_VM | CLONE_PIDFD | CLONE_CHILD_CLEARTID;
    sigset_t all, before;
    int pidfd = -1;
    long pid;

    if (SANDBOX_SANITIZED) /* their run time keeps a shadow of every stack and takes no part in this
                            */
        flags |= CLONE_VFORK;
    if (sandbox->tier >= 2)
        flags |= CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    child->busy = 1;
    pid = clone_child(child, flags, &pidfd);
    if (pid < 0)
        child->busy = 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        return (int)pid;
    *ret_pid = (pid_t)pid;
    *ret_pidfd = pidfd;
    return 0;
}

void child_free_all(struct sandbox *sandbox)
{
    const struct timespec wait = {.tv_sec = LEAVE_MS / 1000};
    struct child *c, *next;

    for (c = sandbox->children; c; c = next) {
        next = c->next;
        if (__atomic_load_n(&c->busy, __ATOMIC_ACQUIRE))
            syscall(SYS_futex, &c->busy, FUTEX_WAIT, 1, &wait, NULL, 0);
        if (!__atomic_load_n(&c->busy, __ATOMIC_ACQUIRE))
            free(c); /* else: lost, but never pulled away from under a process */
    }
    sandbox->children = NULL;
}
