/* Attacks on memory: writable code in every variant, foreign code, the filter mapping, and hunger.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/hostile/attacks.h"

#define FILTER_MAP ((void *)0x10100000ul) /* where the stub keeps filter B */
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

static int try_map(size_t size, int protection, int flags, int fd)
{
    return mmap(NULL, size, protection, flags, fd, 0) == MAP_FAILED ? -errno : 0;
}

int attack_mmap_rwx(void)
{
    return try_map(4096, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* Writes a function and runs it: 0 only when it really ran. */
int attack_mprotect_wx(void)
{
    static const unsigned char code[] = {0xb8, 0x2a, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
    unsigned char *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int (*run)(void);

    if (page == MAP_FAILED)
        return -errno;
    memcpy(page, code, sizeof(code));
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0)
        return -errno;
    memcpy(&run, &page, sizeof(run));
    return run() == 42 ? 0 : -EINVAL;
}

/* Makes own code writable and executable at once. */
int attack_mprotect_text(void)
{
    void *page = (void *)((uintptr_t)attack_mprotect_text & ~(uintptr_t)4095);

    return TRY(mprotect(page, 4096, RWX));
}

int attack_mprotect_stack(void)
{
    int here = 0;
    void *page = (void *)((uintptr_t)&here & ~(uintptr_t)4095);

    return TRY(mprotect(page, 4096, RWX));
}

int attack_pkey_exec(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return TRY_NR(SYS_pkey_mprotect, page, 4096, RWX, -1);
}

int attack_memfd(void)
{
    return TRY(memfd_create("x", 0));
}

int attack_memfd_exec(void)
{
    int fd = memfd_create("x", 0);

    if (fd < 0 || write(fd, "\xc3", 1) != 1)
        return -errno;
    return try_map(4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
}

int attack_shared_exec(void)
{
    return try_map(4096, RWX, MAP_SHARED | MAP_ANONYMOUS, -1);
}

int attack_shmget(void)
{
    return TRY(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
}

int attack_mq_open(void)
{
    return TRY(mq_open("/orbt", O_CREAT | O_RDWR, 0600, NULL));
}

int attack_semget(void)
{
    return TRY(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600));
}

int attack_remap_pages(void)
{
    void *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return TRY_NR(SYS_remap_file_pages, page, 4096, 0, 1, 0);
}

int attack_userfault(void)
{
    return TRY_NR(SYS_userfaultfd, O_CLOEXEC | 1);
}

int attack_mlock_all(void)
{
    return TRY(mlockall(MCL_CURRENT | MCL_FUTURE));
}

static int try_exec(const char *path)
{
    char name[] = "x", *argv[] = {name, NULL}, *envp[] = {NULL};

    return TRY(execve(path, argv, envp));
}

int attack_execve_sh(void)
{
    return try_exec("/bin/true");
}

int attack_execve_self(void)
{
    return try_exec("/pkg/hostile.so");
}

int attack_execveat_fd(void)
{
    char *none[] = {NULL};

    return TRY_NR(SYS_execveat, 9, "", none, none, AT_EMPTY_PATH);
}

/* getpid by the 32-bit gate: other numbers, so a filter of 64-bit numbers alone does not match
 * them. */
int attack_int80(void)
{
#if defined(__x86_64__)
    long r = 20;

    __asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
    return r > 0 ? 0 : (int)r;
#else
    return -ENOSYS;
#endif
}

int attack_x32(void)
{
    return TRY_NR(0x40000000 | 39);
}

/* The next four go for the filter file the stub is about to load. */
int attack_filter_remap(void)
{
    return TRY(mprotect(FILTER_MAP, 4096, PROT_READ | PROT_WRITE));
}

int attack_filter_unmap(void)
{
    return TRY(munmap(FILTER_MAP, 4096));
}

int attack_filter_move(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, FILTER_MAP) == MAP_FAILED
               ? -errno
               : 0;
}

int attack_filter_cover(void)
{
    return mmap(FILTER_MAP, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                -1, 0) == MAP_FAILED
               ? -errno
               : 0;
}

int attack_filter_guard(void)
{
    return TRY(madvise(FILTER_MAP, 4096, 102 /* MADV_GUARD_INSTALL */));
}

int attack_filter_forget(void)
{
    return TRY(madvise(FILTER_MAP, 4096, MADV_DONTNEED));
}

static int try_filter(unsigned flags)
{
    /* Pretends to the stub that loading B succeeded. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};

    return TRY_NR(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

int attack_filter_own(void)
{
    return try_filter(SECCOMP_FILTER_FLAG_TSYNC);
}

int attack_filter_listener(void)
{
    return try_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

int attack_filter_strict(void)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, code};

    return TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
}

#define HUNGER (512ul << 20)

int attack_memory_bomb(void)
{
    for (size_t got = 0; got < HUNGER; got += 1 << 20) {
        char *piece =
            mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (piece == MAP_FAILED)
            return -errno;
        memset(piece, 1, 1 << 20);
    }
    return 0;
}

int attack_shared_bomb(void)
{
    for (size_t got = 0; got < HUNGER; got += 1 << 20) {
        char *piece =
            mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (piece == MAP_FAILED)
            return -errno;
        memset(piece, 1, 1 << 20);
    }
    return 0;
}

int attack_space_bomb(void)
{
    return try_map(64ul << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}
