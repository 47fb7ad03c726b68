/* The default action of most signals ends the process: a stray `pkill -USR1`, a timer or a closed
 * terminal must not end a router. Note: SIGSEGV and the like can be sent by kill(1), too, and are
 * distinguished from real faults by si_code. */
#include "core/host/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/own.h"

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};

static void on_fault(int number, siginfo_t *info, void *context)
{
    if (info->si_code <= 0 && info->si_pid != getpid())
        return; /* another program's kill(), nothing happened here */
    signal(number, SIG_DFL);
    raise(number);
}

/* Stop signals of a terminal keep their default action: ctrl-Z is intended. */
static bool stays(int number)
{
    static const int kept[] = {SIGKILL, SIGSTOP, SIGTERM, SIGINT,  SIGCHLD,
                               SIGCONT, SIGTSTP, SIGURG,  SIGWINCH};

    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (number == kept[i])
            return true;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        if (number == faults[i])
            return true;
    return number > SIGSYS && number < SIGRTMIN; /* the C library's own */
}

void signals_begin(void)
{
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction old;
    sigset_t none;

    for (size_t i = 0; i < ARRAY_LEN(faults); i++) /* a sanitizer's handler stays */
        if (sigaction(faults[i], NULL, &old) == 0 &&
            (old.sa_handler == SIG_DFL || old.sa_handler == SIG_IGN))
            sigaction(faults[i], &fault, NULL);
    for (int number = 1; number <= SIGRTMAX; number++)
        if (!stays(number))
            sigaction(number, &ignore, NULL);
    signal(SIGCHLD, SIG_DFL); /* while it is ignored, the exit status of a child is lost */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the parent may have blocked some */
}

/* A soft limit may be raised by the process itself; that of files would end in lost records. */
static void raise_file_size(void)
{
    struct rlimit size;

    if (getrlimit(RLIMIT_FSIZE, &size) < 0 || size.rlim_cur == size.rlim_max)
        return;
    size.rlim_cur = size.rlim_max;
    setrlimit(RLIMIT_FSIZE, &size);
}

void signals_raise_limits(struct log_sink *log)
{
    struct rlimit files = {.rlim_cur = FILES_WANTED, .rlim_max = FILES_WANTED};

    raise_file_size();
    if (setrlimit(RLIMIT_NOFILE, &files) == 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        getrlimit(RLIMIT_NOFILE, &files); /* then it is what it was */
    if (files.rlim_cur >= FILES_WANTED)
        return;
    log_warn(log, "host.few-files", KV("limit", (long long)files.rlim_cur),
             KV("wanted", FILES_WANTED));
}
