/* Reads the main thread of a worker in /proc: it runs the loop that answers. Its pid cannot be
 * another process's, for it was not waited for. */
#include "core/sup/pace.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/own.h"

static char look(pid_t pid, uint64_t *ret_cpu_ms)
{
    char path[64], line[512], state = '?';
    unsigned long user = 0, kernel = 0;
    AUTO_FILE FILE *f = NULL;
    char *p;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)pid);
    f = fopen(path, "re");
    if (!f || !fgets(line, sizeof(line), f))
        return '?';
    p = strrchr(line, ')'); /* the name before it may hold anything */
    if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &user,
                     &kernel) != 3)
        return '?';
    *ret_cpu_ms = (uint64_t)(user + kernel) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
    return state;
}

uint64_t pace_of(char state, uint64_t wall_ms, uint64_t cpu_ms)
{
    uint64_t least = wall_ms / PACE_SLOWEST;
    bool computes = state == 'R' || cpu_ms * 2 > wall_ms;

    if (!computes && state != 'D')
        return wall_ms;
    if (cpu_ms > wall_ms)
        return wall_ms;
    return cpu_ms > least ? cpu_ms : least;
}

void pace_start(struct pace *pace, pid_t pid, uint64_t now_ms)
{
    *pace = (struct pace){.at_ms = now_ms};
    look(pid, &pace->cpu_ms);
}

uint64_t pace_spent(struct pace *pace, pid_t pid, uint64_t now_ms)
{
    uint64_t cpu_ms = pace->cpu_ms, spent;
    char state = look(pid, &cpu_ms);

    spent = pace_of(state, now_ms - pace->at_ms, cpu_ms - pace->cpu_ms);
    pace->at_ms = now_ms;
    pace->cpu_ms = cpu_ms;
    return spent;
}
