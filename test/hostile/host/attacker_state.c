/* Room in /state that no directory shows: files that are removed and live on in a mapping, and
 * descriptors of a process whose first thread has ended. */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/hostile/host/attacker.h"

#define FILES 32
#define FILE_MIB 16

/* Writes a file that no directory has any more; its descriptor, or -1. */
static int removed_file(unsigned n)
{
    static char data[1 << 20];
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/state/removed%u", n);
    fd = open(path, O_CREAT | O_RDWR, 0600);
    if (fd < 0)
        return -1;
    unlink(path);
    for (unsigned i = 0; i < FILE_MIB; i++)
        if (write(fd, data, sizeof(data)) < 0)
            break;
    return fd;
}

/* answer: pings, meanwhile. */
static unsigned map_all(bool answer)
{
    unsigned mapped = 0;

    for (unsigned n = 0; n < FILES; n++) {
        int fd = removed_file(n);

        if (fd < 0)
            continue;
        mapped += mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED;
        close(fd);
        while (answer && wire_next(&in, 0, true))
            ;
    }
    return mapped;
}

void x_state_mapped(void)
{
    unsigned mapped;

    ready();
    mapped = map_all(true);
    if (mapped)
        shout("attack succeeded: %u MiB held by mappings", mapped * FILE_MIB);
    else
        shout("attack refused: no file can be mapped");
    stay();
}

/* Before the second filter. */
void x_state_early(void)
{
    shout("attack notes: %u mapped", map_all(false));
}

static void *on_thread(void *arg)
{
    syscall(SYS_futex, arg, 0 /* FUTEX_WAIT */, 0, NULL, NULL, 0);
    for (unsigned n = 0; n < FILES; n++) {
        removed_file(n);
        while (wire_next(&in, 0, true))
            ;
    }
    stay();
    return NULL;
}

/* /proc/PID/fd is that of the first thread. */
void x_state_leaderless(void)
{
    static int go;
    pthread_t thread;

    ready();
    pthread_create(&thread, NULL, on_thread, &go);
    go = 1;
    syscall(SYS_futex, &go, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0);
    syscall(SYS_exit, 0);
}
