/* System calls a worker may make: those of filter_calls.c whatever their arguments, and those whose
 * arguments decide. Note: filter A allows seccomp(2) for one pointer only, see FILTER_ADDRESS. */
#include "core/sandbox/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <netinet/in.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/sandbox/filter_calls.h"
#include "core/sandbox/launch.h"

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif
#ifndef SO_PEERPIDFD /* since Linux 6.5 */
#define SO_PEERPIDFD 77
#endif

/* CLONE_VM|FS|FILES|SIGHAND|THREAD|SYSVSEM|SETTLS|PARENT_SETTID|CHILD_CLEARTID: pthread_create */
#define CLONE_THREAD_FLAGS 0x3d0f00u

struct option {
    int level, name;
};

/* Not SO_REUSEADDR: sockets are passed bound, and a second UDP service could receive half of the
 * packets. Not SO_SNDBUF and SO_RCVBUF: socket buffers are kernel memory, which no limit of the
 * process counts. */
static const struct option socket_options[] = {
    {SOL_SOCKET, SO_KEEPALIVE},      {SOL_SOCKET, SO_LINGER},      {SOL_SOCKET, SO_RCVTIMEO},
    {SOL_SOCKET, SO_SNDTIMEO},       {IPPROTO_TCP, TCP_NODELAY},   {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_KEEPIDLE},     {IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_USER_TIMEOUT}, {IPPROTO_TCP, TCP_QUICKACK},
};

#define ALLOW_IF(f, call, ...)                                                                     \
    seccomp_rule_add_array((f), SCMP_ACT_ALLOW, SCMP_SYS(call),                                    \
                           ARRAY_LEN(((struct scmp_arg_cmp[]){__VA_ARGS__})),                      \
                           (struct scmp_arg_cmp[]){__VA_ARGS__})

static int add_descriptor_calls(scmp_filter_ctx f, unsigned profile)
{
    static const int commands[] = {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC};
    static const int locks[] = {F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW};
    static const unsigned ioctls[] = {FIONBIO, FIOCLEX, FIONREAD};
    int r = 0;

    for (size_t i = 0; !r && i < ARRAY_LEN(commands); i++)
        r = ALLOW_IF(f, fcntl, SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)commands[i]));
    for (size_t i = 0; !r && (profile & FILTER_STATE) && i < ARRAY_LEN(locks); i++)
        r = ALLOW_IF(f, fcntl, SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)locks[i]));
    for (size_t i = 0; !r && i < ARRAY_LEN(ioctls); i++)
        r = ALLOW_IF(f, ioctl, SCMP_A1_32(SCMP_CMP_EQ, ioctls[i]));
    return r;
}

static int add_socket_calls(scmp_filter_ctx f, unsigned profile)
{
    int r = 0;

    for (size_t i = 0; !r && i < ARRAY_LEN(socket_options); i++)
        r = ALLOW_IF(f, setsockopt, SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)socket_options[i].level),
                     SCMP_A2_32(SCMP_CMP_EQ, (uint32_t)socket_options[i].name));
    /* MSG_FASTOPEN would be a connect(2) by another name. */
    if (!r)
        r = ALLOW_IF(f, sendto, SCMP_A3_32(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
    if (!r)
        r = ALLOW_IF(f, sendmsg, SCMP_A2_32(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
    if (!r)
        r = ALLOW_IF(f, sendmmsg, SCMP_A3_32(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
    /* No socketpair(2): its buffers, and descriptors on their way through it, are counted nowhere.
     * pipe(2) and eventfd(2) do for threads. */
    if (!r) /* a pidfd of the host would name it for good */
        r = ALLOW_IF(f, getsockopt, SCMP_A2_32(SCMP_CMP_NE, SO_PEERPIDFD));
    if (r || !(profile & FILTER_NETLINK))
        return r;
    r = ALLOW_IF(f, socket, SCMP_A0_32(SCMP_CMP_EQ, AF_NETLINK),
                 SCMP_A2_32(SCMP_CMP_EQ, NETLINK_ROUTE));
    if (!r)
        r = ALLOW_IF(f, setsockopt, SCMP_A1_32(SCMP_CMP_EQ, SOL_NETLINK));
    if (!r) /* libnl sets both */
        r = ALLOW_IF(f, setsockopt, SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET),
                     SCMP_A2_32(SCMP_CMP_EQ, SO_SNDBUF));
    if (!r)
        r = ALLOW_IF(f, setsockopt, SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET),
                     SCMP_A2_32(SCMP_CMP_EQ, SO_RCVBUF));
    if (!r) /* events wait there while the loop is busy; SO_RCVBUFFORCE needs CAP_NET_ADMIN */
        r = ALLOW_IF(f, setsockopt, SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET),
                     SCMP_A2_32(SCMP_CMP_EQ, SO_RCVBUFFORCE));
    if (!r) /* the only socket that is not bound yet is a netlink one */
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(bind), 0);
    return r;
}

/* Shared memory is charged to no process (RLIMIT_DATA counts private pages) and therefore
 * refused. */
static int add_memory_calls(scmp_filter_ctx f)
{
    int r = ALLOW_IF(f, mmap, SCMP_A0_64(SCMP_CMP_GE, FILTER_GUARD),
                     SCMP_A3_32(SCMP_CMP_MASKED_EQ, MAP_TYPE, MAP_PRIVATE));

    if (!r)
        r = ALLOW_IF(f, mmap, SCMP_A0_64(SCMP_CMP_EQ, 0),
                     SCMP_A3_32(SCMP_CMP_MASKED_EQ, MAP_TYPE | MAP_FIXED, MAP_PRIVATE));
    if (!r)
        r = ALLOW_IF(f, mprotect, SCMP_A0_64(SCMP_CMP_GE, FILTER_GUARD));
    if (!r)
        r = ALLOW_IF(f, munmap, SCMP_A0_64(SCMP_CMP_GE, FILTER_GUARD));
    if (!r)
        r = ALLOW_IF(f, madvise, SCMP_A0_64(SCMP_CMP_GE, FILTER_GUARD));
    if (!r)
        r = ALLOW_IF(f, mremap, SCMP_A0_64(SCMP_CMP_GE, FILTER_GUARD),
                     SCMP_A3_32(SCMP_CMP_MASKED_EQ, MREMAP_FIXED, 0));
    if (!r)
        r = ALLOW_IF(f, seccomp, SCMP_A0_32(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER),
                     SCMP_A1_32(SCMP_CMP_EQ, SECCOMP_FILTER_FLAG_TSYNC),
                     SCMP_A2_64(SCMP_CMP_EQ, FILTER_ADDRESS((unsigned long)FILTER_B)));
    return r;
}

/* Files come into being without set-user-ID and set-group-ID and get neither later. The mode counts
 * only where a file may be created; else the register holds anything. */
static int add_file_calls(scmp_filter_ctx f, unsigned profile)
{
    const uint32_t bits = S_ISUID | S_ISGID, makes = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);
    int r = ALLOW_IF(f, open, SCMP_A1_32(SCMP_CMP_MASKED_EQ, makes, 0));

    if (!r)
        r = ALLOW_IF(f, openat, SCMP_A2_32(SCMP_CMP_MASKED_EQ, makes, 0));
    if (r || !(profile & FILTER_STATE))
        return r;
    r = ALLOW_IF(f, open, SCMP_A2_32(SCMP_CMP_MASKED_EQ, bits, 0));
    if (!r)
        r = ALLOW_IF(f, openat, SCMP_A3_32(SCMP_CMP_MASKED_EQ, bits, 0));
    if (!r)
        r = ALLOW_IF(f, creat, SCMP_A1_32(SCMP_CMP_MASKED_EQ, bits, 0));
    if (!r)
        r = ALLOW_IF(f, chmod, SCMP_A1_32(SCMP_CMP_MASKED_EQ, bits, 0));
    if (!r)
        r = ALLOW_IF(f, fchmod, SCMP_A1_32(SCMP_CMP_MASKED_EQ, bits, 0));
    if (!r)
        r = ALLOW_IF(f, fchmodat, SCMP_A2_32(SCMP_CMP_MASKED_EQ, bits, 0));
    if (!r) /* a whiteout is a device node, and needs no privilege */
        r = ALLOW_IF(f, renameat2, SCMP_A4_32(SCMP_CMP_MASKED_EQ, RENAME_WHITEOUT, 0));
    /* Files grow by writing only, at a rate that the quota notices. posix_fallocate(3) falls back
     * to that. */
    if (!r)
        r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(fallocate), 0);
    return r;
}

static int add_process_calls(scmp_filter_ctx f)
{
    int r = ALLOW_IF(f, clone, SCMP_A0_64(SCMP_CMP_EQ, CLONE_THREAD_FLAGS));

    /* Not PR_SET_NAME: in a list of processes a worker could pass for another program. */
    if (!r)
        r = ALLOW_IF(f, prctl, SCMP_A0_32(SCMP_CMP_EQ, PR_SET_VMA));
    if (!r) /* reading own limits */
        r = ALLOW_IF(f, prlimit64, SCMP_A0_32(SCMP_CMP_EQ, 0), SCMP_A2_64(SCMP_CMP_EQ, 0));
    return r;
}

static int build_a(scmp_filter_ctx f, unsigned profile)
{
    int r = filter_calls_add(f, FILTER_CALLS_ALLOWED);

    if (!r)
        r = filter_calls_add(f, FILTER_CALLS_UNKNOWN);
    if (!r)
        r = filter_calls_add(f, FILTER_CALLS_FATAL);
    if (!r)
        r = add_descriptor_calls(f, profile);
    if (!r)
        r = add_socket_calls(f, profile);
    if (!r)
        r = add_memory_calls(f);
    if (!r)
        r = add_file_calls(f, profile);
    if (!r)
        r = add_process_calls(f);
    if (!r)
        r = filter_calls_add(f, FILTER_CALLS_LOADING);
    if (r)
        return r;
    return filter_calls_add(f, profile & FILTER_STATE ? FILTER_CALLS_STATE : FILTER_CALLS_NO_STATE);
}

/* Filters add up and the stricter result applies: B removes what A still allowed and leaves the
 * rest to it. The cost of loading depends on the length. */
static int build_b(scmp_filter_ctx f, unsigned profile)
{
    const struct scmp_arg_cmp executable = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC);
    /* A file in /state that was removed would live on in its mapping, unseen. */
    const struct scmp_arg_cmp of_file = SCMP_A3_32(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, 0);
    int r = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mmap), 1, &executable);

    if (!r)
        r = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mmap), 1, &of_file);
    if (!r)
        r = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mprotect), 1, &executable);
    if (!r)
        r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0);
    if (!r && !(profile & FILTER_STATE))
        r = filter_calls_add(f, FILTER_CALLS_LOADED_OPENS);
    if (!r && !(profile & FILTER_STATE))
        r = filter_calls_add(f, FILTER_CALLS_LOADED_READS);
    return r;
}

/* Writes the header before the program and seals the file against any change. */
static int pack(int raw_fd, enum filter_phase phase, int *ret_fd, struct orb_err *err)
{
    AUTO_FD int fd = memfd_create("orbital-filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct filter_file head = {0};
    struct sock_filter code[BPF_MAXINSNS];
    ssize_t size = pread(raw_fd, code, sizeof(code), 0);

    if (fd < 0 || size <= 0)
        return orb_fail(err, -errno, "cannot store a system call filter");
    head.program.len = (unsigned short)((size_t)size / sizeof(code[0]));
    head.program.filter = (void *)(FILTER_ADDRESS((unsigned long)phase) + sizeof(head));
    if (write(fd, &head, sizeof(head)) != (ssize_t)sizeof(head) ||
        write(fd, code, (size_t)size) != size ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) < 0)
        return orb_fail(err, -errno, "cannot store a system call filter");
    *ret_fd = take_fd(&fd);
    return 0;
}

int filter_make(unsigned profile, enum filter_phase phase, int *ret_fd, struct orb_err *err)
{
    AUTO_FD int raw_fd = memfd_create("orbital-filter-raw", MFD_CLOEXEC);
    scmp_filter_ctx f = seccomp_init(phase == FILTER_A ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
    int r;

    if (raw_fd < 0 || !f) {
        seccomp_release(f);
        return orb_fail(err, -errno, "cannot start a system call filter");
    }
    r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!r && phase == FILTER_A)
        r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree, not a list */
    if (!r)
        r = phase == FILTER_A ? build_a(f, profile) : build_b(f, profile);
    if (!r)
        r = seccomp_export_bpf(f, raw_fd);
    seccomp_release(f);
    if (r < 0)
        return orb_fail(err, r, "cannot build the system call filter of profile %u", profile);
    return pack(raw_fd, phase, ret_fd, err);
}
