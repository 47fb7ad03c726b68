/* The table of attacks: one name, one function attack_NAME() in hostile*.c, one expectation in
 * run.c. An attack returns 0 when it got what it wanted and a negative errno when it was refused.
 */
#ifndef TEST_HOSTILE_ATTACKS_H
#define TEST_HOSTILE_ATTACKS_H

#include <stdint.h>
#include <sys/types.h>

/* The driver's data about the host for an attack. */
struct target {
    char canary[256]; /* a file of root's, mode 0600 */
    pid_t pid;        /* a process of root's that must stay alive */
};
extern struct target target;

/* REFUSE: reports a refusal, or dies trying. CRASH: ends by itself. HANG: never ends, must be
 * killed. GARBAGE: writes rubbish to the IPC socket and stays. EARLY: forges a HELLO from the
 * constructor; attestation must refuse it (only the constructor variant exists). FORGE: exits with
 * a forged crash record. */
/* One attack a line. */
/* clang-format off */
#define ATTACK_FILES(X)          \
    X(read_shadow, REFUSE)       \
    X(read_canary, REFUSE)       \
    X(write_canary, REFUSE)      \
    X(remove_canary, REFUSE)     \
    X(read_libc, REFUSE)         \
    X(proc_self_status, REFUSE)  \
    X(proc_host_mem, REFUSE)     \
    X(proc_root, REFUSE)         \
    X(dotdot, REFUSE)            \
    X(chdir_up, REFUSE)          \
    X(openat_fds, REFUSE)        \
    X(openat2_magic, REFUSE)     \
    X(open_handle, REFUSE)       \
    X(sysrq, REFUSE)             \
    X(core_pattern, REFUSE)      \
    X(oom_score, REFUSE)         \
    X(own_text, REFUSE)          \
    X(new_file_pkg, REFUSE)      \
    X(new_file_root, REFUSE)     \
    X(tmp_file, REFUSE)          \
    X(mkdir_root, REFUSE)        \
    X(symlink_pkg, REFUSE)       \
    X(link_pkg, REFUSE)          \
    X(rename_pkg, REFUSE)        \
    X(unlink_pkg, REFUSE)        \
    X(chmod_pkg, REFUSE)         \
    X(chown_pkg, REFUSE)         \
    X(truncate_pkg, REFUSE)      \
    X(setuid_bit, REFUSE)        \
    X(dev_mem, REFUSE)           \
    X(dev_kmsg, REFUSE)          \
    X(dev_tty, REFUSE)           \
    X(mknod_disk, REFUSE)        \
    X(mknod_fifo, REFUSE)        \
    X(sys_cgroup, REFUSE)        \
    X(inherited_fds, REFUSE)     \
    X(environment, REFUSE)       \
    X(mount_tmpfs, REFUSE)       \
    X(umount_pkg, REFUSE)        \
    X(remount_rw, REFUSE)        \
    X(fsopen, REFUSE)            \
    X(open_tree, REFUSE)         \
    X(move_mount, REFUSE)        \
    X(mount_setattr, REFUSE)     \
    X(pivot_root, REFUSE)        \
    X(chroot_dot, REFUSE)        \
    X(inotify, REFUSE)           \
    X(fanotify, REFUSE)          \
    X(swapon, REFUSE)            \
    X(quotactl, REFUSE)          \
    X(acct, REFUSE)

#define ATTACK_MEMORY(X)        \
    X(mmap_rwx, REFUSE)         \
    X(mprotect_wx, REFUSE)      \
    X(mprotect_text, REFUSE)    \
    X(mprotect_stack, REFUSE)   \
    X(pkey_exec, REFUSE)        \
    X(memfd, REFUSE)            \
    X(memfd_exec, REFUSE)       \
    X(shared_exec, REFUSE)      \
    X(shmget, REFUSE)           \
    X(mq_open, REFUSE)          \
    X(semget, REFUSE)           \
    X(remap_pages, REFUSE)      \
    X(userfault, REFUSE)        \
    X(mlock_all, REFUSE)        \
    X(execve_sh, REFUSE)        \
    X(execve_self, REFUSE)      \
    X(execveat_fd, REFUSE)      \
    X(int80, REFUSE)            \
    X(x32, REFUSE)              \
    X(filter_remap, REFUSE)     \
    X(filter_unmap, REFUSE)     \
    X(filter_move, REFUSE)      \
    X(filter_cover, REFUSE)     \
    X(filter_own, REFUSE)       \
    X(filter_guard, REFUSE)     \
    X(filter_forget, REFUSE)    \
    X(filter_strict, REFUSE)    \
    X(filter_listener, REFUSE)  \
    X(memory_bomb, REFUSE)      \
    X(shared_bomb, REFUSE)      \
    X(space_bomb, REFUSE)

#define ATTACK_PROCESS(X)        \
    X(ptrace_host, REFUSE)       \
    X(ptrace_traceme, REFUSE)    \
    X(kill_host, REFUSE)         \
    X(kill_all, REFUSE)          \
    X(kill_group, REFUSE)        \
    X(tgkill_host, REFUSE)       \
    X(queue_host, REFUSE)        \
    X(pidfd_host, REFUSE)        \
    X(pidfd_getfd, REFUSE)       \
    X(vm_readv, REFUSE)          \
    X(vm_writev, REFUSE)         \
    X(fork_plain, REFUSE)        \
    X(vfork_plain, REFUSE)       \
    X(clone_parent, REFUSE)      \
    X(clone_userns, REFUSE)      \
    X(clone3_plain, REFUSE)      \
    X(unshare_user, REFUSE)      \
    X(unshare_mount, REFUSE)     \
    X(unshare_net, REFUSE)       \
    X(setns_fds, REFUSE)         \
    X(nice_up, REFUSE)           \
    X(realtime, REFUSE)          \
    X(affinity_host, REFUSE)     \
    X(ioprio, REFUSE)            \
    X(prlimit_host, REFUSE)      \
    X(raise_files, REFUSE)       \
    X(raise_core, REFUSE)        \
    X(dumpable, REFUSE)          \
    X(keepcaps, REFUSE)          \
    X(no_new_privs_off, REFUSE)  \
    X(death_signal_off, REFUSE)  \
    X(securebits, REFUSE)        \
    X(mdwe_off, REFUSE)          \
    X(ambient, REFUSE)           \
    X(subreaper, REFUSE)         \
    X(timerslack, REFUSE)        \
    X(capset_all, REFUSE)        \
    X(setuid_root, REFUSE)       \
    X(setresuid_root, REFUSE)    \
    X(setfsuid_root, REFUSE)     \
    X(setgid_root, REFUSE)       \
    X(setgroups_root, REFUSE)    \
    X(personality, REFUSE)       \
    X(kcmp, REFUSE)              \
    X(setsid, REFUSE)            \
    X(fd_bomb, REFUSE)           \
    X(pipe_bomb, REFUSE)         \
    X(thread_bomb, REFUSE)       \
    X(fork_bomb, REFUSE)         \
    X(timer_bomb, REFUSE)        \
    X(migrate, REFUSE)           \
    X(madvise_host, REFUSE)      \
    X(other_name, REFUSE)        \
    X(other_title, REFUSE)       \
    X(title_writable, REFUSE)    \
    X(title_gone, REFUSE)        \
    X(title_cover, REFUSE)       \
    X(title_read, REFUSE)        \
    X(title_moved, REFUSE)       \
    X(title_write, CRASH)

#define ATTACK_KERNEL(X)       \
    X(tcp4, REFUSE)            \
    X(udp4, REFUSE)            \
    X(tcp6, REFUSE)            \
    X(raw4, REFUSE)            \
    X(packet, REFUSE)          \
    X(netlink_route, REFUSE)   \
    X(netlink_audit, REFUSE)   \
    X(unix_stream, REFUSE)     \
    X(unix_dgram, REFUSE)      \
    X(peer_pidfd, REFUSE)      \
    X(shared_port, REFUSE)     \
    X(shared_port_too, REFUSE) \
    X(send_buffer, REFUSE)     \
    X(receive_buffer, REFUSE)  \
    X(send_buffer_force, REFUSE) \
    X(receive_buffer_force, REFUSE) \
    X(pair_unix, REFUSE)       \
    X(pin_sockets, REFUSE)     \
    X(pin_pipes, REFUSE)       \
    X(pin_flying, REFUSE)      \
    X(every_family, REFUSE)    \
    X(pair_tipc, REFUSE)       \
    X(ipc_connect, REFUSE)     \
    X(ipc_bind, REFUSE)        \
    X(ipc_fastopen, REFUSE)    \
    X(ipc_passcred, REFUSE)    \
    X(ipc_mark, REFUSE)        \
    X(bpf_prog, REFUSE)        \
    X(bpf_map, REFUSE)         \
    X(io_uring, REFUSE)        \
    X(io_uring_enter, REFUSE)  \
    X(aio, REFUSE)             \
    X(perf, REFUSE)            \
    X(add_key, REFUSE)         \
    X(keyctl, REFUSE)          \
    X(request_key, REFUSE)     \
    X(init_module, REFUSE)     \
    X(finit_module, REFUSE)    \
    X(delete_module, REFUSE)   \
    X(kexec, REFUSE)           \
    X(reboot, REFUSE)          \
    X(hostname, REFUSE)        \
    X(domainname, REFUSE)      \
    X(settime, REFUSE)         \
    X(clock_set, REFUSE)       \
    X(adjtime, REFUSE)         \
    X(iopl, REFUSE)            \
    X(ioperm, REFUSE)          \
    X(modify_ldt, REFUSE)      \
    X(syslog, REFUSE)          \
    X(vhangup, REFUSE)         \
    X(landlock_more, REFUSE)   \
    X(tty_inject, REFUSE)      \
    X(pipe_size, REFUSE)       \
    X(owner_signal, REFUSE)    \
    X(lease, REFUSE)

#define ATTACK_ENDINGS(X)        \
    X(spin, HANG)                \
    X(sleep_forever, HANG)       \
    X(ignore_term, HANG)         \
    X(block_signals, HANG)       \
    X(stderr_flood, HANG)        \
    X(threads_spin, HANG)        \
    X(segv, CRASH)               \
    X(abort_self, CRASH)         \
    X(illegal, CRASH)            \
    X(divide, CRASH)             \
    X(trap, CRASH)               \
    X(double_free, CRASH)        \
    X(stack_overflow, CRASH)     \
    X(thread_segv, CRASH)        \
    X(jump_null, CRASH)          \
    X(exit_zero, CRASH)          \
    X(exit_group_77, CRASH)      \
    X(kill_self, CRASH)          \
    X(ipc_huge, GARBAGE)         \
    X(ipc_zero, GARBAGE)         \
    X(ipc_partial, GARBAGE)      \
    X(ipc_flags, GARBAGE)        \
    X(ipc_type, GARBAGE)         \
    X(ipc_envelope, GARBAGE)     \
    X(ipc_close, GARBAGE)        \
    X(ipc_shutdown, GARBAGE)     \
    X(ipc_descriptors, GARBAGE)  \
    X(ipc_flood, GARBAGE)        \
    X(forge_step, FORGE)         \
    X(forge_fault, FORGE)        \
    X(forge_load, FORGE)         \
    X(hello_early, EARLY)        \
    X(hello_own_filter, EARLY)

/* clang-format on */
#define ATTACKS(X)                                                                                 \
    ATTACK_FILES(X) ATTACK_MEMORY(X) ATTACK_PROCESS(X) ATTACK_KERNEL(X) ATTACK_ENDINGS(X)

#define ATTACK_DECLARE(name, kind) int attack_##name(void);
ATTACKS(ATTACK_DECLARE)

/* Result of a system call as an attack's result. */
#define TRY(call) ((call) < 0 ? -errno : 0)
/* The same for a bare call number. */
#define TRY_NR(...) TRY(syscall(__VA_ARGS__))

#endif
