/* Room in /state that no directory shows: files that are removed and live on in a mapping, and
 * descriptors of a process whose first thread has ended. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

/* ---- never where it is counted ---- */

#define DECOYS 300

static int first_fd, second_fd; /* as a directory is read: first, decoys, second */

static struct timespec read_at(int fd)
{
    struct stat st = {0};

    fstat(fd, &st);
    return st.st_atim;
}

static bool differs(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
}

/* Once the first directory was read its content is moved there, once the second was, back. */
static void *on_look(void *arg)
{
    unsigned moves = 0;

    for (;;) {
        struct timespec first = read_at(first_fd), second;

        while (!differs(first, read_at(first_fd)))
            ;
        second = read_at(second_fd);
        if (renameat(second_fd, "x", first_fd, "x") < 0)
            continue;
        for (unsigned n = 0; n < 200000 && !differs(second, read_at(second_fd)); n++)
            ;
        renameat(first_fd, "x", second_fd, "x");
        if (++moves == 4)
            shout("attack notes: it moved %u times", moves);
    }
    return arg;
}

static int made(int at, const char *name)
{
    mkdirat(at, name, 0700);
    return openat(at, name, O_RDONLY | O_DIRECTORY);
}

/* Which of the two the host comes to first. */
static void order(void)
{
    DIR *dir = opendir("/state");
    const struct dirent *e;
    int other;

    while (dir && (e = readdir(dir)) && strcmp(e->d_name, "first"))
        if (!strcmp(e->d_name, "second")) {
            other = first_fd;
            first_fd = second_fd;
            second_fd = other;
            shout("attack notes: the other way round");
            break;
        }
    if (dir)
        closedir(dir);
}

void x_state_moved(void)
{
    static char data[1 << 20];
    char name[32];
    int state = open("/state", O_RDONLY | O_DIRECTORY), x;
    pthread_t thread;

    ready();
    second_fd = made(state, "second");
    for (unsigned i = 0; i < DECOYS; i++) {
        snprintf(name, sizeof(name), "decoy%u", i);
        close(made(state, name));
    }
    first_fd = made(state, "first");
    order();
    x = made(second_fd, "x");
    pthread_create(&thread, NULL, on_look, NULL);
    for (unsigned mib = 0;; mib++) {
        int fd;

        snprintf(name, sizeof(name), "%u", mib);
        fd = openat(x, name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0 || write(fd, data, sizeof(data)) != sizeof(data)) {
            shout("attack notes: no room after %u MiB", mib);
            break;
        }
        close(fd);
        if (mib % 64 == 0)
            shout("attack notes: %u MiB in /state", mib);
        wire_next(&in, 5, true);
    }
    stay();
}
