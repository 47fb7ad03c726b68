/* What a list of processes shows of a worker: its arguments lie in its own memory, so without more
 * it could write "/sbin/init" there. They move to a page below FILTER_GUARD, which is made
 * read-only; filter A refuses every call that could change it. */
#include <errno.h>
#include <linux/prctl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/worker/enter.h"

/* The fields of proc_pid_stat(5) after the name begin with the third. */
#define TO_START_CODE (26 - 2)
#define TO_START_DATA (45 - 26)

/* Reads the memory bounds of this process, which prctl needs unchanged. */
static int read_bounds(struct prctl_mm_map *ret_map)
{
    AUTO_FILE FILE *f = fopen("/proc/self/stat", "re");
    unsigned long code[3], data[7];
    char line[2048];
    const char *at;

    if (!f || !fgets(line, sizeof(line), f))
        return -EIO;
    at = strrchr(line, ')');
    for (unsigned i = 0; at && i < TO_START_CODE; i++)
        at = strchr(at + 1, ' ');
    if (!at || sscanf(at, " %lu %lu %lu", &code[0], &code[1], &code[2]) != 3)
        return -EPROTO;
    for (unsigned i = 0; at && i < TO_START_DATA; i++)
        at = strchr(at + 1, ' ');
    if (!at || sscanf(at, " %lu %lu %lu %lu %lu %lu %lu", &data[0], &data[1], &data[2], &data[3],
                      &data[4], &data[5], &data[6]) != 7)
        return -EPROTO;
    *ret_map = (struct prctl_mm_map){.start_code = code[0],
                                     .end_code = code[1],
                                     .start_stack = code[2],
                                     .start_data = data[0],
                                     .end_data = data[1],
                                     .start_brk = data[2],
                                     .brk = (uintptr_t)sbrk(0),
                                     .arg_start = data[3],
                                     .arg_end = data[4],
                                     .env_start = data[5],
                                     .env_end = data[6],
                                     .exe_fd = UINT32_MAX};
    return 0;
}

int enter_title(struct enter *e)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct prctl_mm_map map;
    size_t len;
    char *to;
    int r = read_bounds(&map);

    if (r < 0)
        return r;
    len = map.arg_end - map.arg_start;
    if (len > page)
        return -E2BIG;
    to = mmap((void *)TITLE_ADDRESS, page, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (to != (void *)TITLE_ADDRESS)
        return to == MAP_FAILED ? -errno : -EEXIST;
    memcpy(to, (const void *)map.arg_start, len);
    if (mprotect(to, page, PROT_READ) < 0)
        return -errno;
    map.arg_start = (uintptr_t)to;
    map.arg_end = map.env_start = map.env_end = map.arg_start + len;
    /* Not supported by the kernel: the host has reported it (sandbox_given_up). */
    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0 && e->launch.sealed_title)
        return -errno;
    return 0;
}
