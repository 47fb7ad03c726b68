/* See removed.h: a file is kept by a descriptor, or by a mapping after that was closed. Note: when
 * the first thread of a process ends, the entry of the process in /proc shows neither, although
 * other threads still have them; the entry of such a thread does. */
#include "core/sup/removed.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

struct kept {
    dev_t dev;
    struct file {
        ino_t ino;
        uint64_t bytes;
    } * files;
    size_t count, cap;
};

static void keep(struct kept *k, const struct stat *st)
{
    if (!S_ISREG(st->st_mode) || st->st_nlink || st->st_dev != k->dev)
        return;
    if (k->count == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 64;
        k->files = xrealloc(k->files, k->cap * sizeof(*k->files));
    }
    k->files[k->count++] = (struct file){st->st_ino, (uint64_t)st->st_blocks * 512};
}

/* Where the kernel does not let map_files be followed (a container with user numbers of its own)
 * there is nothing to see; the filter refuses mappings of files once a package was loaded. */
static bool look(struct kept *k, const char *tid, const char *what)
{
    AUTO_FREE char *path = buf_format("/proc/%s/%s", tid, what);
    DIR *dir = opendir(path);
    struct dirent *entry;
    struct stat st;
    bool any = false;

    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        any = true;
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0)
            keep(k, &st);
    }
    if (dir)
        closedir(dir);
    return any;
}

static int by_inode(const void *a, const void *b)
{
    const struct file *x = a, *y = b;

    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

uint64_t removed_bytes(pid_t pid, dev_t dev)
{
    AUTO_FREE char *path = buf_format("/proc/%d/task", (int)pid);
    struct kept k = {.dev = dev};
    DIR *tasks = opendir(path);
    struct dirent *entry;
    uint64_t bytes = 0;
    bool seen = false;

    while (tasks && !seen && (entry = readdir(tasks))) {
        if (entry->d_name[0] == '.' || !look(&k, entry->d_name, "fd"))
            continue;
        seen = true; /* all threads share descriptors and memory */
        look(&k, entry->d_name, "map_files");
    }
    if (tasks)
        closedir(tasks);
    if (k.count)
        qsort(k.files, k.count, sizeof(*k.files), by_inode);
    for (size_t i = 0; i < k.count; i++)
        if (!i || k.files[i].ino != k.files[i - 1].ino)
            bytes += k.files[i].bytes;
    free(k.files);
    return bytes;
}
