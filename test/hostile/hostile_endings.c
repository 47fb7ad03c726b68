/* Attacks that do not come back: hangs, crashes, rubbish on the wire, forged records. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/sandbox/launch.h"
#include "test/hostile/attacks.h"

#define IPC 3
#define CRASH 5

static void __attribute__((noreturn)) stay(void)
{
    for (;;) {
        struct timespec long_time = {1000, 0};

        nanosleep(&long_time, NULL);
    }
}

static void __attribute__((noreturn)) burn(void)
{
    for (volatile unsigned long i = 0;; i++)
        ;
}

int attack_spin(void)
{
    burn();
}

int attack_sleep_forever(void)
{
    stay();
}

int attack_ignore_term(void)
{
    for (int s = 1; s < 64; s++)
        signal(s, SIG_IGN);
    stay();
}

int attack_block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    stay();
}

int attack_stderr_flood(void)
{
    char page[4096];

    memset(page, 'x', sizeof(page));
    for (;;)
        if (write(2, page, sizeof(page)) < 0 && errno != EINTR)
            stay();
}

static void *on_burn(void *arg)
{
    burn();
    return arg;
}

int attack_threads_spin(void)
{
    pthread_t thread;

    for (int i = 0; i < 3; i++)
        pthread_create(&thread, NULL, on_burn, NULL);
    stay();
}

int attack_segv(void)
{
    volatile uintptr_t nowhere = 16;

    *(volatile int *)nowhere = 1;
    return 0;
}

static void *on_segv(void *arg)
{
    attack_segv();
    return arg;
}

int attack_thread_segv(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, on_segv, NULL))
        return -EAGAIN;
    stay();
}

int attack_abort_self(void)
{
    abort();
}

int attack_illegal(void)
{
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#else
    __builtin_trap();
#endif
    return 0;
}

int attack_divide(void)
{
    volatile int zero = 0, result = 1;

    result /= zero;
    raise(SIGFPE); /* architectures where a division by zero is no fault */
    return result ? 0 : 0;
}

int attack_trap(void)
{
#if defined(__x86_64__)
    __asm__ volatile("int3");
#endif
    _exit(1); /* the first process of a pid namespace survives SIGTRAP's default action */
}

int attack_double_free(void)
{
    void *volatile p = malloc(100), *volatile q = p;

    free(p);
    free(q);
    _exit(1);
}

static int sink(volatile char *from)
{
    volatile char page[4096];

    page[0] = from[0];
    return sink(page) + page[0];
}

int attack_stack_overflow(void)
{
    volatile char start = 0;

    return sink(&start);
}

int attack_jump_null(void)
{
    void (*volatile nowhere)(void) = NULL;

    nowhere();
    return 0;
}

int attack_exit_zero(void)
{
    exit(0);
}

int attack_exit_group_77(void)
{
    _exit(77);
}

/* Ignored for the first process of a pid namespace, so the attack ends by exit. */
int attack_kill_self(void)
{
    raise(SIGKILL);
    _exit(1);
}

static int put(const void *data, size_t len)
{
    if (write(IPC, data, len) < 0)
        _exit(1);
    stay();
}

/* len, envlen, type, flags, then route, corr, src, deadline */
struct head {
    uint32_t len;
    uint16_t envlen;
    uint8_t type, flags;
    uint32_t rest[4];
};

int attack_ipc_huge(void)
{
    return put(&(struct head){0xffffffffu, 0, 6, 0, {0}}, sizeof(struct head));
}

int attack_ipc_zero(void)
{
    return put((char[4096]){0}, 4096);
}

int attack_ipc_partial(void)
{
    return put("\x10", 1);
}

int attack_ipc_flags(void)
{
    return put(&(struct head){0, 0, 1, 255, {0}}, sizeof(struct head));
}

int attack_ipc_type(void)
{
    return put(&(struct head){0, 0, 250, 0, {0}}, sizeof(struct head));
}

int attack_ipc_envelope(void)
{
    return put(&(struct head){4, 60000, 5, 0, {0}}, sizeof(struct head));
}

int attack_ipc_close(void)
{
    close(IPC);
    stay();
}

int attack_ipc_shutdown(void)
{
    shutdown(IPC, SHUT_RDWR);
    stay();
}

/* Unrequested descriptors must not arrive in the host. */
int attack_ipc_descriptors(void)
{
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memset(CMSG_DATA(head), 0, sizeof(int));
    for (int i = 0; i < 16; i++)
        if (sendmsg(IPC, &message, MSG_DONTWAIT) < 0)
            break;
    stay();
}

int attack_ipc_flood(void)
{
    struct head log = {2, 0, 17, 0, {0}};
    char frame[sizeof(log) + 2];

    memcpy(frame, &log, sizeof(log));
    memcpy(frame + sizeof(log), "{}", 2);
    for (;;)
        if (send(IPC, frame, sizeof(frame), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            stay();
}

static int forge(enum crash_kind kind, int number, const char *text)
{
    struct crash_record record = {
        .magic = CRASH_MAGIC, .kind = kind, .number = number, .frame_count = 99};

    memcpy(record.text, text, strlen(text));
    if (write(CRASH, &record, sizeof(record)) < 0)
        _exit(1);
    _exit(0);
}

int attack_forge_step(void)
{
    return forge(CRASH_STEP, EIO, "forged");
}

int attack_forge_fault(void)
{
    return forge(CRASH_FAULT, SIGSEGV, "forged");
}

int attack_forge_load(void)
{
    return forge(CRASH_LOAD, EIO, "forged\n\033[2J");
}

static int hello(void)
{
    static const char text[] = "{\"abi\":1,\"name\":\"hostile\"}";
    struct head head = {sizeof(text) - 1, sizeof(text) - 1, 1, 0, {0}};
    char frame[sizeof(head) + sizeof(text) - 1];

    memcpy(frame, &head, sizeof(head));
    memcpy(frame + sizeof(head), text, sizeof(text) - 1);
    return put(frame, sizeof(frame));
}

/* Never returns to the stub, so filter B would never be loaded. */
int attack_hello_early(void)
{
    return hello();
}

int attack_hello_own_filter(void)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, code};

    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    return hello();
}
