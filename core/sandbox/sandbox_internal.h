/* struct sandbox, shared by the files of this directory only. */
#ifndef CORE_SANDBOX_SANDBOX_INTERNAL_H
#define CORE_SANDBOX_SANDBOX_INTERNAL_H

#include <sys/stat.h>

#include "core/sandbox/filter.h"
#include "core/sandbox/launch.h"
#include "core/sandbox/sandbox.h"

#define CHILD_STACK 16384u

/* One process between clone and exec: all the memory it may use. Taken again once it has left. */
struct child {
    int busy; /* cleared by the kernel at exec or exit */
    struct child *next;
    int fds[LAUNCH_FDS];
    int cgroup_fd; /* directory, -1: none */
    bool born_inside;
    uint64_t ignored; /* signals, bit 0 = 1 */
    const char *argv[3];
    const char *envp[2];
    char title[48];
    struct crash_record record;
    unsigned char stack[CHILD_STACK] __attribute__((aligned(16)));
};

struct sandbox {
    int exe_fd;
    int null_fd;
    int void_fd; /* the empty network namespace, -1 below tier 2 */
    ino_t void_inode;
    int root_fds[2]; /* mount namespaces to copy, without and with /state; -1 below tier 2 */
    int filter_fds[FILTER_PROFILES][FILTER_PHASES];
    int tier;
    int landlock_abi;
    bool sealed_title;     /* the kernel can move a process's arguments (enter_title) */
    unsigned base_filters; /* filters the host runs under itself; a worker inherits them */
    char *cgroup_dir;      /* …/orbital-INSTANCE, "" when there is none */
    int cgroup_lock;       /* held on cgroup_dir while this daemon runs; -1: none */
    char *cgroup_why;      /* why there is none or no controller, "" otherwise */
    bool cgroup_memory;    /* these controllers are there */
    bool cgroup_pids;
    uint64_t ignored;  /* signals ignored when the sandbox was made */
    uint64_t bounding; /* capabilities left in the host's bounding set; workers inherit it */
    struct child *children;
    struct listener *listeners; /* listeners.c */
};

#endif
