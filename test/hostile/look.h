/* The kernel's state of a worker and of the host; NULL: as it must be. */
#ifndef TEST_HOSTILE_LOOK_H
#define TEST_HOSTILE_LOOK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/buf.h"

/* Things of the host an attack would like to change, as they were before. */
struct host_state {
    char dir[128]; /* holds the package copies and the canary */
    char canary[160];
    pid_t pid; /* a sleeping child of root's */
    char hostname[65];
    char core_pattern[160];
    int64_t clock_offset_ms;
};

void look_host_open(struct host_state *host, const char *dir);
void look_host_close(struct host_state *host);
/* Puts canary file and process back after a control attack hit them. */
void look_host_restore(struct host_state *host);

/* First difference found, as text in why. */
int look_host(const struct host_state *host, struct buf *why);

struct look_check {
    const char *name;
    int (*run)(pid_t pid, struct buf *why); /* 1: a difference, described in why */
};
extern const struct look_check look_checks[];
extern const size_t look_check_count;
/* Runs every check on a live worker. */
int look_worker(pid_t pid, struct buf *why);

#define LOOK_UID 61235u
#define LOOK_MEMORY (64u << 20)
#define LOOK_FILES 64u
#define LOOK_THREADS 16u

#endif
