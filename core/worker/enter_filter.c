/* The two last locks: no page that was ever writable becomes executable, and the system call
 * filter. The filter program is used straight from the sealed file the host made; see
 * FILTER_ADDRESS. */
#include <errno.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/sandbox/filter.h"
#include "core/worker/enter.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

int enter_filter_mdwe(struct enter *e)
{
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) < 0 &&
        errno != EINVAL) /* before Linux 6.3; filter B refuses PROT_EXEC in any case */
        return -errno;
    return 0;
}

static int map_filter(int fd, enum filter_phase phase)
{
    void *want = (void *)FILTER_ADDRESS((unsigned long)phase), *at;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    at = mmap(want, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    close(fd);
    return at == want ? 0 : -EEXIST;
}

static int use_filter(enum filter_phase phase)
{
    const void *program = (const void *)FILTER_ADDRESS((unsigned long)phase);

    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, program) == 0
               ? 0
               : -errno;
}

int enter_filter_all(struct enter *e)
{
    int r = map_filter(LAUNCH_FD_FILTER_A, FILTER_A);

    if (!r)
        r = map_filter(LAUNCH_FD_FILTER_B, FILTER_B);
    return r ? r : use_filter(FILTER_A);
}

int enter_filter_b(void)
{
    return use_filter(FILTER_B);
}
