/* One cgroup (version 2) per worker, below the host's own: <own>/orbital-INSTANCE/SERVICE. It
 * provides cgroup.kill, limits where the kernel delegates the controllers, and a name for other
 * hooks. Note: controllers can be enabled for children only while the host's own cgroup has no
 * process, so the host may have to move itself into a leaf first. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/cgroup.h"
#include "core/sandbox/sandbox_internal.h"

static int put(const char *dir, const char *file, const char *text)
{
    AUTO_FREE char *path = buf_format("%s/%s", dir, file);
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return -errno;
    return 0;
}

/* Mount point of the cgroup2 file system, NULL when there is none. */
static char *find_mount(void)
{
    AUTO_FILE FILE *f = fopen("/proc/self/mountinfo", "re");
    char line[2048], at[1024];

    while (f && fgets(line, sizeof(line), f))
        if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %*s %1023s", at) == 1)
            return xstrdup(at);
    return NULL;
}

static char *find_own(void)
{
    AUTO_FILE FILE *f = fopen("/proc/self/cgroup", "re");
    AUTO_FREE char *mount = find_mount();
    char line[2048];

    if (!mount)
        return NULL;
    while (f && fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        if (!strncmp(line, "0::", 3))
            return buf_format("%s%s", mount, strcmp(line + 3, "/") ? line + 3 : "");
    }
    return NULL;
}

static bool listed(const char *dir, const char *file, const char *word)
{
    AUTO_FREE char *path = buf_format("%s/%s", dir, file);
    AUTO(buf) struct buf text = {0};

    return file_read(path, 65536, &text, NULL) >= 0 && strstr(buf_str(&text), word);
}

/* Whether the host is the only process in dir: then moving it makes the cgroup empty. */
static bool alone_in(const char *dir)
{
    AUTO_FREE char *path = buf_format("%s/cgroup.procs", dir);
    AUTO_FREE char *own = buf_format("%d\n", (int)getpid());
    AUTO(buf) struct buf text = {0};

    return file_read(path, 65536, &text, NULL) >= 0 && !strcmp(buf_str(&text), own);
}

static int enable(const char *own, const char *dir, const char *controller)
{
    AUTO_FREE char *word = buf_format("+%s", controller);
    AUTO_FREE char *leaf = buf_format("%s/host", dir);
    int r;

    if (!listed(own, "cgroup.controllers", controller))
        return -ENOENT;
    r = put(own, "cgroup.subtree_control", word);
    if (r == -EBUSY && alone_in(own) && (mkdir(leaf, 0755) == 0 || errno == EEXIST) &&
        put(leaf, "cgroup.procs", "0") == 0)
        r = put(own, "cgroup.subtree_control", word);
    return r < 0 ? r : put(dir, "cgroup.subtree_control", word);
}

/* A host that was killed could not tidy up: cgroups without processes go. */
static void sweep(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    while (d && (entry = readdir(d)))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR);
    if (d)
        closedir(d);
}

/* Makes dir and holds it: two daemons that were given one instance name must not kill each other's
 * workers. -EWOULDBLOCK when another program holds it. */
static int hold(const char *dir, int *ret_lock)
{
    AUTO_FD int fd = -1;

    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return -errno;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    *ret_lock = take_fd(&fd);
    return 0;
}

void cgroup_open(struct sandbox *sandbox, const char *root, const char *instance)
{
    AUTO_FREE char *own = root ? xstrdup(root) : find_own();
    AUTO_FREE char *dir = NULL;
    int memory, pids, r;

    sandbox->cgroup_lock = -1;
    sandbox->cgroup_dir = xstrdup("");
    sandbox->cgroup_why = xstrdup("");
    if (!own || !own[0]) {
        free(sandbox->cgroup_why);
        sandbox->cgroup_why = xstrdup("no cgroup of version 2");
        return;
    }
    dir = buf_format("%s/orbital-%s", own, instance ? instance : "default");
    r = hold(dir, &sandbox->cgroup_lock);
    if (r == -EWOULDBLOCK) {
        free(dir);
        dir = buf_format("%s/orbital-%s-%d", own, instance ? instance : "default", (int)getpid());
        r = hold(dir, &sandbox->cgroup_lock);
    }
    if (r < 0) {
        free(sandbox->cgroup_why);
        sandbox->cgroup_why = buf_format("cannot make %s: %s", dir, strerror(-r));
        return;
    }
    sweep(dir);
    memory = enable(own, dir, "memory");
    pids = enable(own, dir, "pids");
    sandbox->cgroup_memory = memory >= 0;
    sandbox->cgroup_pids = pids >= 0;
    if (memory < 0 || pids < 0) {
        free(sandbox->cgroup_why);
        sandbox->cgroup_why =
            buf_format("no %s controller in %s", memory < 0 ? "memory" : "pids", own);
    }
    free(sandbox->cgroup_dir);
    sandbox->cgroup_dir = take_ptr(dir);
}

/* The way back out of the leaf enable() moved the host to: only a cgroup without controllers for
 * its children takes a process. */
static void leave_leaf(const char *dir)
{
    AUTO_FREE char *own = xstrndup(dir, (size_t)(strrchr(dir, '/') - dir));
    AUTO_FREE char *leaf = buf_format("%s/host", dir);

    if (!alone_in(leaf))
        return;
    put(dir, "cgroup.subtree_control", "-memory -pids");
    put(own, "cgroup.subtree_control", "-memory -pids");
    put(own, "cgroup.procs", "0");
}

void cgroup_close(struct sandbox *sandbox)
{
    if (sandbox->cgroup_dir && sandbox->cgroup_dir[0]) {
        leave_leaf(sandbox->cgroup_dir);
        sweep(sandbox->cgroup_dir);
        rmdir(sandbox->cgroup_dir);
        close(sandbox->cgroup_lock);
    }
    free(sandbox->cgroup_dir);
    free(sandbox->cgroup_why);
}

int cgroup_open_service(struct sandbox *sandbox, const struct launch_plan *plan)
{
    AUTO_FREE char *dir = NULL, *memory = NULL, *pids = NULL;

    if (!sandbox->cgroup_dir[0])
        return -1;
    dir = buf_format("%s/%s", sandbox->cgroup_dir, plan->service);
    if (mkdir(dir, 0755) < 0 && errno != EEXIST &&
        /* another program removed the parent: once more from above */
        (errno != ENOENT || mkdir(sandbox->cgroup_dir, 0755) < 0 || mkdir(dir, 0755) < 0))
        return -1;
    if (sandbox->cgroup_memory) { /* without the controller the rlimits stay */
        memory = buf_format("%" PRIu64, plan->memory_bytes ? plan->memory_bytes : LAUNCH_MEMORY);
        put(dir, "memory.max", memory);
        put(dir, "memory.swap.max", "0");
    }
    if (sandbox->cgroup_pids) {
        pids = buf_format("%" PRIu32, (plan->threads ? plan->threads : LAUNCH_THREADS) + 1);
        put(dir, "pids.max", pids);
    }
    return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool cgroup_kill(struct sandbox *sandbox, const char *service)
{
    AUTO_FREE char *dir = buf_format("%s/%s", sandbox->cgroup_dir, service);

    return sandbox->cgroup_dir[0] && put(dir, "cgroup.kill", "1") == 0;
}

void cgroup_remove(struct sandbox *sandbox, const char *service)
{
    AUTO_FREE char *dir = buf_format("%s/%s", sandbox->cgroup_dir, service);

    if (sandbox->cgroup_dir[0])
        rmdir(dir);
}
