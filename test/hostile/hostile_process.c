/* Attacks on other processes, on identity and on limits. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <grp.h>
#include <time.h>
#include <unistd.h>

#include "test/hostile/attacks.h"

#define TRIES(name, call)                                                                          \
    int attack_##name(void)                                                                        \
    {                                                                                              \
        return TRY(call);                                                                          \
    }

TRIES(ptrace_host, ptrace(PTRACE_SEIZE, target.pid, NULL, NULL))
TRIES(ptrace_traceme, ptrace(PTRACE_TRACEME, 0, NULL, NULL))
TRIES(kill_host, kill(target.pid, SIGUSR1))
TRIES(kill_all, kill(-1, SIGUSR1))
TRIES(kill_group, kill(-target.pid, SIGUSR1))
TRIES(tgkill_host, syscall(SYS_tgkill, target.pid, target.pid, SIGUSR1))
TRIES(queue_host, sigqueue(target.pid, SIGUSR1, (union sigval){.sival_int = 1}))
TRIES(pidfd_getfd, syscall(SYS_pidfd_getfd, 3, 0, 0))
TRIES(unshare_user, unshare(CLONE_NEWUSER))
TRIES(unshare_mount, unshare(CLONE_NEWNS))
TRIES(unshare_net, unshare(CLONE_NEWNET))
TRIES(nice_up, setpriority(PRIO_PROCESS, 0, -20))
TRIES(ioprio, syscall(SYS_ioprio_set, 1, 0, 1 << 13))
TRIES(dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
TRIES(keepcaps, prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
TRIES(no_new_privs_off, prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0))
TRIES(death_signal_off, prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0))
TRIES(securebits, prctl(PR_SET_SECUREBITS, 0, 0, 0, 0))
TRIES(mdwe_off, prctl(65, 0, 0, 0, 0))
TRIES(ambient, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0))
TRIES(subreaper, prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
TRIES(timerslack, prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0))
TRIES(other_name, prctl(PR_SET_NAME, "systemd", 0, 0, 0))
TRIES(setuid_root, setuid(0))
TRIES(setresuid_root, setresuid(0, 0, 0))
TRIES(setgid_root, setgid(0))
TRIES(setgroups_root, setgroups(1, (const gid_t[]){0}))
TRIES(personality, personality(READ_IMPLIES_EXEC))
TRIES(kcmp, syscall(SYS_kcmp, target.pid, target.pid, 0, 0, 0))
TRIES(setsid, setpgid(0, 0))
TRIES(migrate, syscall(SYS_migrate_pages, target.pid, 0ul, NULL, NULL))

/* ---- what ps shows; look.c reads it afterwards ---- */

#define TITLE ((char *)0x10200000ul)
extern void *__libc_stack_end;

/* The arguments as exec laid them out, above the first stack frame. */
int attack_other_title(void)
{
    long *end = __libc_stack_end;
    char *first = ((char **)(end + 1))[0];
    size_t room = strlen(first) + 1;

    if (end[0] > 1)
        room += strlen(((char **)(end + 1))[1]) + 1;
    memset(first, 0, room);
    strncpy(first, "/sbin/init splash", room - 1);
    return -EPERM;
}

TRIES(title_writable, mprotect(TITLE, 4096, PROT_READ | PROT_WRITE))
TRIES(title_gone, munmap(TITLE, 4096))

int attack_title_cover(void)
{
    void *at =
        mmap(TITLE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    return at == MAP_FAILED ? -errno : 0;
}

/* The kernel as the pen. */
int attack_title_read(void)
{
    int fds[2];

    if (pipe(fds) < 0 || write(fds[1], "/sbin/init splash", 18) != 18)
        return -errno;
    return TRY(read(fds[0], TITLE, 18));
}

int attack_title_moved(void)
{
    static char title[] = "/sbin/init splash";

    if (prctl(PR_SET_MM, PR_SET_MM_ARG_START, title, 0, 0) == 0)
        return 0;
    return TRY(prctl(PR_SET_MM, PR_SET_MM_ARG_END, title + sizeof(title), 0, 0));
}

int attack_title_write(void)
{
    strcpy(TITLE, "/sbin/init splash");
    return 0;
}

int attack_setfsuid_root(void)
{
    setfsuid(0);
    return setfsuid(-1) == 0 ? 0 : -EPERM;
}

int attack_pidfd_host(void)
{
    int fd = (int)syscall(SYS_pidfd_open, target.pid, 0);

    return fd < 0 ? -errno : TRY_NR(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0);
}

int attack_vm_readv(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)attack_vm_readv, 1};

    return TRY(process_vm_readv(target.pid, &here, 1, &there, 1, 0));
}

int attack_vm_writev(void)
{
    char byte = 0;
    struct iovec here = {&byte, 1}, there = {&target, 1};

    return TRY(process_vm_writev(target.pid, &here, 1, &there, 1, 0));
}

int attack_madvise_host(void)
{
    struct iovec there = {&target, 4096};

    return TRY_NR(SYS_process_madvise, 3, &there, 1, 4, 0);
}

/* A child that exists is the success; it ends at once. */
static int child_result(long pid)
{
    if (pid < 0)
        return -errno;
    if (pid == 0)
        _exit(0);
    return 0;
}

int attack_fork_plain(void)
{
    return child_result(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

int attack_vfork_plain(void)
{
#ifdef SYS_fork
    return child_result(syscall(SYS_fork));
#else
    return -ENOSYS;
#endif
}

int attack_clone_parent(void)
{
    return child_result(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0));
}

int attack_clone_userns(void)
{
    return child_result(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

int attack_clone3_plain(void)
{
    struct clone_args args = {.exit_signal = SIGCHLD};

    return child_result(syscall(SYS_clone3, &args, sizeof(args)));
}

int attack_setns_fds(void)
{
    for (int fd = 0; fd < 64; fd++)
        if (setns(fd, 0) == 0)
            return 0;
    return -errno;
}

int attack_realtime(void)
{
    struct sched_param param = {.sched_priority = 10};

    return TRY(sched_setscheduler(0, SCHED_FIFO, &param));
}

int attack_affinity_host(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(0, &one);
    return TRY(sched_setaffinity(target.pid, sizeof(one), &one));
}

int attack_prlimit_host(void)
{
    struct rlimit limit;

    return TRY(prlimit(target.pid, RLIMIT_NOFILE, NULL, &limit));
}

static int raise_limit(__rlimit_resource_t resource)
{
    struct rlimit limit = {100000, 100000};

    return TRY(setrlimit(resource, &limit));
}

int attack_raise_files(void)
{
    return raise_limit(RLIMIT_NOFILE);
}

int attack_raise_core(void)
{
    return raise_limit(RLIMIT_CORE);
}

int attack_capset_all(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{~0u, ~0u, ~0u}, {~0u, ~0u, ~0u}};

    return TRY_NR(SYS_capset, &head, data);
}

int attack_fd_bomb(void)
{
    for (int i = 0; i < 4096; i++)
        if (dup(2) < 0)
            return -errno;
    return 0;
}

int attack_pipe_bomb(void)
{
    int fds[2];

    for (int i = 0; i < 1024; i++)
        if (pipe(fds) < 0)
            return -errno;
    return 0;
}

static void *on_sleep(void *arg)
{
    struct timespec long_time = {1000, 0};

    nanosleep(&long_time, NULL);
    return arg;
}

int attack_thread_bomb(void)
{
    pthread_attr_t small;
    pthread_t thread;
    int r = 0;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (int i = 0; i < 200 && !r; i++)
        r = pthread_create(&thread, &small, on_sleep, NULL);
    return -r;
}

int attack_fork_bomb(void)
{
    int r = -EPERM;

    for (int i = 0; i < 64; i++)
        if (child_result(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) == 0)
            r = 0;
    return r;
}

int attack_timer_bomb(void)
{
    timer_t timer;

    for (int i = 0; i < 200; i++)
        if (timer_create(CLOCK_MONOTONIC, NULL, &timer) < 0)
            return -errno;
    return 0;
}
