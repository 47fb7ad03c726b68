/* Crash report from inside the worker: one record with the place and the return addresses. Note:
 * abort() needs help, because the first process of a pid namespace ignores signals with default
 * action that it sends to itself. Everything here is async-signal-safe. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/worker/enter.h"

#define STACK_BYTES 65536u
#define PROBE_READ                                                                                 \
    30 /* fixed numbers: a handler gets no argument and there is no mutable global                 \
        */
#define PROBE_WRITE 31

void crash_report(enum crash_kind kind, int number, const char *text)
{
    struct crash_record record = {.magic = CRASH_MAGIC, .kind = kind, .number = number};

    strncpy(record.text, text, sizeof(record.text) - 1);
    if (write(LAUNCH_FD_CRASH, &record, sizeof(record)) < 0)
        return;
}

/* Reads 8 bytes at any address without faulting: the kernel does the copy. */
static int peek(uint64_t address, uint64_t *ret_value)
{
    if (write(PROBE_WRITE, (const void *)address, sizeof(*ret_value)) != sizeof(*ret_value))
        return -1;
    return read(PROBE_READ, ret_value, sizeof(*ret_value)) == sizeof(*ret_value) ? 0 : -1;
}

static void place(const ucontext_t *context, uint64_t *ret_pc, uint64_t *ret_fp)
{
#if defined(__x86_64__)
    *ret_pc = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
    *ret_fp = (uint64_t)context->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
    *ret_pc = context->uc_mcontext.pc;
    *ret_fp = context->uc_mcontext.regs[29];
#else
    *ret_pc = *ret_fp = 0;
#endif
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    struct crash_record record = {.magic = CRASH_MAGIC,
                                  .kind = CRASH_FAULT,
                                  .number = signal,
                                  .code = info->si_code,
                                  .addr = (uint64_t)info->si_addr};
    uint64_t pc, fp, next, back;

    if (signal == SIGABRT)
        record.addr = 0;
    record.thread = syscall(SYS_gettid) != getpid();
    place(context, &pc, &fp);
    record.frames[record.frame_count++] = pc;
    while (record.frame_count < CRASH_FRAMES && fp >= 4096 && !(fp & 7)) {
        if (peek(fp, &next) < 0 || peek(fp + 8, &back) < 0 || !back)
            break;
        record.frames[record.frame_count++] = back;
        if (next <= fp)
            break;
        fp = next;
    }
    if (write(LAUNCH_FD_CRASH, &record, sizeof(record)) < 0 || signal == SIGABRT)
        _exit(128 + signal);
    /* SA_RESETHAND: returning meets the fault again and the kernel ends the process by it. */
}

int crash_arm(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    static char stack[STACK_BYTES]; /* the signal stack must outlive every function */
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    if (dup3(fds[0], PROBE_READ, O_CLOEXEC) < 0 || dup3(fds[1], PROBE_WRITE, O_CLOEXEC) < 0)
        return -errno;
    close(fds[0]);
    close(fds[1]);
    if (sigaltstack(&alternate, NULL) < 0)
        return -errno;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        if (sigaction(faults[i], &action, NULL) < 0)
            return -errno;
    return 0;
}
