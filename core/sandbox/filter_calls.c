/* The system calls whose arguments do not matter to the filters, by class: allowed; refused with an
 * errno that common libraries handle (EPERM, or ENOSYS and EACCES where they probe); and fatal, for
 * calls that only an attack makes. What is in no list is EPERM unless filter.c allows it. */
#include "core/sandbox/filter_calls.h"

#include <errno.h>
#include <stddef.h>

#include "core/base/own.h"

/* The event loop, memory, time, own identity, descriptors already held. */
static const int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(close),
    SCMP_SYS(shutdown),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(listen),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(sendfile),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(pipe2),
    SCMP_SYS(pipe),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(futex),
    SCMP_SYS(brk),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(membarrier),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getcpu),
    SCMP_SYS(getrandom),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(getrusage),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrlimit),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(rseq),
};

/* What dlopen needs on top; Landlock restricts which directories may be read. */
static const int allowed_loading[] = {
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(pread64), SCMP_SYS(getcwd), SCMP_SYS(readlink),
};

/* fs.state, confined to /state by the mount tree and Landlock. No links and no device nodes: the
 * host finds plain files only. */
static const int allowed_state[] = {
    SCMP_SYS(access),          SCMP_SYS(faccessat), SCMP_SYS(faccessat2),      SCMP_SYS(rename),
    SCMP_SYS(renameat),        SCMP_SYS(unlink),    SCMP_SYS(unlinkat),        SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),         SCMP_SYS(rmdir),     SCMP_SYS(fsync),           SCMP_SYS(fdatasync),
    SCMP_SYS(ftruncate),       SCMP_SYS(truncate),  SCMP_SYS(getdents64),      SCMP_SYS(fadvise64),
    SCMP_SYS(flock),           SCMP_SYS(utimensat), SCMP_SYS(pread64),         SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),          SCMP_SYS(pwritev),   SCMP_SYS(copy_file_range), SCMP_SYS(getcwd),
    SCMP_SYS(umask),           SCMP_SYS(statx),     SCMP_SYS(statfs),          SCMP_SYS(fstatfs),
    SCMP_SYS(sync_file_range), SCMP_SYS(readlink),  SCMP_SYS(readlinkat),
};

/* Calls libraries probe for and have a way around. */
static const int unknown[] = {
    SCMP_SYS(clone3),      SCMP_SYS(io_uring_setup), SCMP_SYS(openat2),
    SCMP_SYS(close_range), SCMP_SYS(futex_waitv),
};

/* Used only by attacks: the worker is killed by SIGSYS, which it cannot catch. */
static const int fatal[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(bpf),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(fsconfig),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(modify_ldt),
    SCMP_SYS(setuid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setregid),
    SCMP_SYS(setgroups),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsgid),
    SCMP_SYS(capset),
    SCMP_SYS(quotactl),
    SCMP_SYS(acct),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(personality),
    SCMP_SYS(syslog),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(process_madvise),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(vhangup),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(remap_file_pages),
};

/* Without fs.state: newer than what libraries fall back to. */
static const int no_state[] = {SCMP_SYS(statx), SCMP_SYS(faccessat2)};

/* Without fs.state, once the package is loaded. */
static const int loaded_opens[] = {
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(creat),
};
static const int loaded_reads[] = {SCMP_SYS(pread64), SCMP_SYS(getcwd), SCMP_SYS(readlink)};

#define LIST(action, list)                                                                         \
    {                                                                                              \
        (action), (list), ARRAY_LEN(list)                                                          \
    }

int filter_calls_add(scmp_filter_ctx filter, enum filter_calls which)
{
    static const struct {
        uint32_t action;
        const int *calls;
        size_t count;
    } lists[] = {
        [FILTER_CALLS_ALLOWED] = LIST(SCMP_ACT_ALLOW, allowed),
        [FILTER_CALLS_UNKNOWN] = LIST(SCMP_ACT_ERRNO(ENOSYS), unknown),
        [FILTER_CALLS_FATAL] = LIST(SCMP_ACT_KILL_PROCESS, fatal),
        [FILTER_CALLS_LOADING] = LIST(SCMP_ACT_ALLOW, allowed_loading),
        [FILTER_CALLS_STATE] = LIST(SCMP_ACT_ALLOW, allowed_state),
        [FILTER_CALLS_NO_STATE] = LIST(SCMP_ACT_ERRNO(ENOSYS), no_state),
        [FILTER_CALLS_LOADED_OPENS] = LIST(SCMP_ACT_ERRNO(EACCES), loaded_opens),
        [FILTER_CALLS_LOADED_READS] = LIST(SCMP_ACT_ERRNO(EPERM), loaded_reads),
    };
    int r;

    for (size_t i = 0; i < lists[which].count; i++) {
        r = seccomp_rule_add(filter, lists[which].action, lists[which].calls[i], 0);
        if (r < 0 && r != -EDOM) /* EDOM: this architecture has no such call */
            return r;
    }
    return 0;
}
