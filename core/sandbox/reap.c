/* How a worker ended. Only the result of waitid on its pidfd is trusted; the crash pipe is written
 * by the worker's process and may be forged by the package after the record "closed", so it only
 * adds text to the kernel's report. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/sandbox/cgroup.h"
#include "core/sandbox/sandbox_internal.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define MAX_RECORDS 64 /* the pipe holds more, which are not needed */

static void copy_printable(char *to, size_t size, const char *from, size_t from_size)
{
    size_t i;

    for (i = 0; i + 1 < size && i < from_size && from[i]; i++)
        to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
    to[i] = '\0';
}

static void take_fault(struct exit_status *v, const struct crash_record *record)
{
    bool agrees = v->signaled ? v->status == record->number : v->status == 128 + record->number;
    const char *name = sigabbrev_np(record->number);

    if (!agrees)
        return;
    snprintf(v->fault, sizeof(v->fault), "SIG%s code %d at address 0x%llx%s", name ? name : "?",
             record->code, (unsigned long long)record->addr, record->thread ? " in a thread" : "");
    v->frame_count = record->frame_count < CRASH_FRAMES ? record->frame_count : CRASH_FRAMES;
    memcpy(v->frames, record->frames, v->frame_count * sizeof(v->frames[0]));
}

static void read_records(int fd, struct exit_status *v)
{
    struct crash_record record;
    bool closed = false, stopped = !v->signaled && v->status == LAUNCH_EXIT_STEP;

    for (int i = 0; i < MAX_RECORDS; i++) {
        if (read(fd, &record, sizeof(record)) != (ssize_t)sizeof(record) ||
            record.magic != CRASH_MAGIC)
            return;
        if (record.kind == CRASH_CLOSED)
            closed = v->loading = true;
        else if (record.kind == CRASH_STEP && !closed && stopped) {
            copy_printable(v->step, sizeof(v->step), record.text, sizeof(record.text));
            v->step_errno = record.number;
        } else if (record.kind == CRASH_LOAD && closed && stopped) {
            snprintf(v->step, sizeof(v->step), "load");
            v->step_errno = record.number;
            copy_printable(v->fault, sizeof(v->fault), record.text, sizeof(record.text));
        } else if (record.kind == CRASH_LOADED) {
            v->loading = false;
        } else if (record.kind == CRASH_FAULT && closed) {
            take_fault(v, &record);
        }
    }
}

int reap_worker(struct sandbox *sandbox, struct sandbox_child *child,
                struct exit_status *ret_status, struct orb_err *err)
{
    struct exit_status v = {0};
    siginfo_t info = {0};

    if (waitid((idtype_t)P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) < 0)
        return orb_fail(err, -errno, "cannot wait for %s (process %d)", child->service,
                        (int)child->pid);
    if (info.si_pid == 0)
        return 1;
    v.signaled = info.si_code != CLD_EXITED;
    v.status = info.si_status;
    read_records(child->crash_fd, &v);
    cgroup_remove(sandbox, child->service);
    *ret_status = v;
    return 0;
}

void reap_kill(struct sandbox *sandbox, const struct sandbox_child *child, int signal)
{
    if (signal == SIGKILL) /* not alone: a worker may not have joined its cgroup yet */
        cgroup_kill(sandbox, child->service);
    /* The worker is the first process of its pid namespace: with it the kernel ends the others. */
    syscall(SYS_pidfd_send_signal, child->pidfd, signal, NULL, 0);
}
