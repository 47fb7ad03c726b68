/* The kernel's view, read from outside: statements of a worker are not trusted. */
#include "test/hostile/look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/now.h"
#include "core/base/own.h"

#define SECRET "this is only for root\n"

static int read_proc(pid_t pid, const char *file, struct buf *ret_text)
{
    AUTO_FREE char *path = buf_format("/proc/%d/%s", (int)pid, file);

    return file_read(path, 4 << 20, ret_text, NULL);
}

static int64_t clock_offset(void)
{
    return (int64_t)(now_wall_us() / 1000) - (int64_t)now_ms();
}

void look_host_restore(struct host_state *host)
{
    int status;

    if (file_replace(host->canary, SECRET, strlen(SECRET), 0600, NULL) < 0)
        abort();
    if (host->pid > 0 && waitpid(host->pid, &status, WNOHANG) == 0)
        return;
    host->pid = fork();
    if (host->pid == 0) {
        signal(SIGUSR1, SIG_DFL);
        for (;;)
            pause();
    }
}

void look_host_open(struct host_state *host, const char *dir)
{
    AUTO(buf) struct buf text = {0};

    memset(host, 0, sizeof(*host));
    snprintf(host->dir, sizeof(host->dir), "%s", dir);
    snprintf(host->canary, sizeof(host->canary), "%s/canary", dir);
    gethostname(host->hostname, sizeof(host->hostname));
    if (file_read("/proc/sys/kernel/core_pattern", 4096, &text, NULL) >= 0)
        snprintf(host->core_pattern, sizeof(host->core_pattern), "%.159s", buf_str(&text));
    host->clock_offset_ms = clock_offset();
    look_host_restore(host);
}

void look_host_close(struct host_state *host)
{
    kill(host->pid, SIGKILL);
    waitpid(host->pid, NULL, 0);
    unlink(host->canary);
}

int look_host(const struct host_state *host, struct buf *why)
{
    AUTO(buf) struct buf canary = {0}, pattern = {0}, status = {0};
    char name[65] = "";
    struct stat st;
    int64_t drift = clock_offset() - host->clock_offset_ms;

    if (file_read(host->canary, 4096, &canary, NULL) < 0 || strcmp(buf_str(&canary), SECRET))
        buf_adds(why, "the canary file changed; ");
    if (waitpid(host->pid, NULL, WNOHANG) != 0)
        buf_adds(why, "the canary process is gone; ");
    else if (read_proc(host->pid, "status", &status) < 0 ||
             !strstr(buf_str(&status), "TracerPid:\t0\n"))
        buf_adds(why, "the canary process is traced; ");
    gethostname(name, sizeof(name));
    if (strcmp(name, host->hostname))
        buf_addf(why, "the host is called %s; ", name);
    if (file_read("/proc/sys/kernel/core_pattern", 4096, &pattern, NULL) >= 0 &&
        strcmp(buf_str(&pattern), host->core_pattern))
        buf_adds(why, "core_pattern changed; ");
    if (lstat("/planted", &st) == 0)
        buf_adds(why, "/planted exists; ");
    if (drift > 2000 || drift < -2000)
        buf_adds(why, "the clock was set; ");
    return why->len != 0;
}

static int check_line(pid_t pid, struct buf *why, const char *line)
{
    AUTO(buf) struct buf status = {0};

    if (read_proc(pid, "status", &status) < 0 || !strstr(buf_str(&status), line)) {
        buf_addf(why, "status lacks \"%.*s\"; ", (int)strcspn(line + 1, "\n"), line + 1);
        return 1;
    }
    return 0;
}

static int check_uid(pid_t pid, struct buf *why)
{
    char line[80];

    snprintf(line, sizeof(line), "\nUid:\t%u\t%u\t%u\t%u\n", LOOK_UID, LOOK_UID, LOOK_UID,
             LOOK_UID);
    return check_line(pid, why, line);
}

static int check_caps(pid_t pid, struct buf *why)
{
    return check_line(pid, why,
                      "\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                      "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n");
}

static int check_filter(pid_t pid, struct buf *why)
{
    return check_line(pid, why, "\nNoNewPrivs:\t1\nSeccomp:\t2\n");
}

static int check_maps(pid_t pid, struct buf *why)
{
    AUTO(buf) struct buf maps = {0};
    char *rest, *line, mode[5], path[256];
    int found = 0;

    if (read_proc(pid, "maps", &maps) < 0)
        return 0;
    for (rest = maps.data; (line = strsep(&rest, "\n"));) {
        path[0] = '\0';
        if (sscanf(line, "%*s %4s %*s %*s %*s %255s", mode, path) < 1 || mode[2] != 'x')
            continue;
        if (mode[1] != 'w' && path[0] && strncmp(path, "/memfd", 6))
            continue;
        buf_addf(why, "executable memory of its own making: %.60s; ", line);
        found = 1;
    }
    return found;
}

static int check_fds(pid_t pid, struct buf *why)
{
    AUTO_FREE char *path = buf_format("/proc/%d/fd", (int)pid);
    static const char *const fine[] = {"socket:[", "pipe:[", "anon_inode:", "/dev/null"};
    DIR *dir = opendir(path);
    struct dirent *entry;
    unsigned count = 0;

    while (dir && (entry = readdir(dir))) {
        char to[256] = "";
        size_t i;

        if (entry->d_name[0] == '.' ||
            readlinkat(dirfd(dir), entry->d_name, to, sizeof(to) - 1) < 0)
            continue;
        count++;
        for (i = 0; i < ARRAY_LEN(fine) && strncmp(to, fine[i], strlen(fine[i])); i++)
            ;
        if (i == ARRAY_LEN(fine) && why->len < 200)
            buf_addf(why, "it holds %.60s; ", to);
    }
    if (dir)
        closedir(dir);
    if (count > LOOK_FILES)
        buf_addf(why, "it holds %u descriptors; ", count);
    return why->len != 0;
}

static int check_namespaces(pid_t pid, struct buf *why)
{
    static const char *const kinds[] = {"mnt", "pid", "ipc", "uts", "net"};
    int found = 0;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO_FREE char *theirs = buf_format("/proc/%d/ns/%s", (int)pid, kinds[i]);
        AUTO_FREE char *ours = buf_format("/proc/self/ns/%s", kinds[i]);
        struct stat a, b;

        if (stat(theirs, &a) == 0 && stat(ours, &b) == 0 && a.st_ino == b.st_ino) {
            buf_addf(why, "it shares the host's %s namespace; ", kinds[i]);
            found = 1;
        }
    }
    return found;
}

static int check_mounts(pid_t pid, struct buf *why)
{
    AUTO(buf) struct buf mounts = {0};
    unsigned lines = 0, writable = 0;
    char *rest, *line, options[128];

    if (read_proc(pid, "mountinfo", &mounts) < 0)
        return 0;
    for (rest = mounts.data; (line = strsep(&rest, "\n")) && line[0]; lines++)
        if (sscanf(line, "%*s %*s %*s %*s %*s %127s", options) == 1 && strncmp(options, "ro", 2))
            writable++;
    if (lines != 2 || writable)
        buf_addf(why, "it sees %u mounts, %u of them writable; ", lines, writable);
    return lines != 2 || writable;
}

static int check_limits(pid_t pid, struct buf *why)
{
    struct rlimit files = {0}, core = {0};

    if (prlimit(pid, RLIMIT_NOFILE, NULL, &files) < 0 || prlimit(pid, RLIMIT_CORE, NULL, &core) < 0)
        return 0;
    if (files.rlim_max > LOOK_FILES || core.rlim_max != 0)
        buf_addf(why, "its limits are %lu files, core %lu; ", (unsigned long)files.rlim_max,
                 (unsigned long)core.rlim_max);
    return why->len != 0;
}

static int check_sched(pid_t pid, struct buf *why)
{
    int priority = getpriority(PRIO_PROCESS, (id_t)pid), policy = sched_getscheduler(pid);

    if (priority < 0 || (policy >= 0 && policy != SCHED_OTHER))
        buf_addf(why, "its priority is %d, policy %d; ", priority, policy);
    return why->len != 0;
}

static int check_size(pid_t pid, struct buf *why)
{
    AUTO(buf) struct buf status = {0};
    const char *at;
    unsigned long rss = 0, threads = 0;

    if (read_proc(pid, "status", &status) < 0)
        return 0;
    if ((at = strstr(buf_str(&status), "\nVmRSS:")))
        sscanf(at, "\nVmRSS: %lu", &rss);
    if ((at = strstr(buf_str(&status), "\nThreads:")))
        sscanf(at, "\nThreads: %lu", &threads);
    if (rss > 2 * (LOOK_MEMORY >> 10) || threads > LOOK_THREADS)
        buf_addf(why, "it has %lu kB and %lu threads; ", rss, threads);
    return why->len != 0;
}

static int check_children(pid_t pid, struct buf *why)
{
    AUTO_FREE char *path = buf_format("task/%d/children", (int)pid);
    AUTO(buf) struct buf children = {0};

    if (read_proc(pid, path, &children) >= 0 && children.len)
        buf_addf(why, "it has children: %.60s; ", buf_str(&children));
    return why->len != 0;
}

/* A list of processes (ps, top, systemd-cgls, the journal's _COMM and _CMDLINE) shows these two. */
static int check_name(pid_t pid, struct buf *why)
{
    AUTO(buf) struct buf title = {0}, name = {0}, status = {0};

    if (read_proc(pid, "cmdline", &title) < 0 || read_proc(pid, "comm", &name) < 0 ||
        read_proc(pid, "status", &status) < 0 || !strstr(buf_str(&status), "\nVmRSS:"))
        return 0; /* it ends: without memory there are no arguments */
    for (size_t i = 0; i + 1 < title.len; i++)
        if (!title.data[i])
            title.data[i] = ' ';
    if (strncmp(buf_str(&title), "orbitald: hostile", 17) ||
        strcmp(buf_str(&title) + 18, " --worker") || strncmp(buf_str(&name), "orb:hostile", 11))
        buf_addf(why, "it is called \"%.60s\", %.16s; ", buf_str(&title), buf_str(&name));
    return why->len != 0;
}

const struct look_check look_checks[] = {
    {"uid", check_uid},       {"capabilities", check_caps}, {"filter", check_filter},
    {"maps", check_maps},     {"descriptors", check_fds},   {"namespaces", check_namespaces},
    {"mounts", check_mounts}, {"limits", check_limits},     {"scheduling", check_sched},
    {"size", check_size},     {"children", check_children}, {"name", check_name},
};
const size_t look_check_count = ARRAY_LEN(look_checks);

int look_worker(pid_t pid, struct buf *why)
{
    int found = 0;

    for (size_t i = 0; i < look_check_count; i++) {
        AUTO(buf) struct buf one = {0};

        if (look_checks[i].run(pid, &one)) {
            buf_addf(why, "%s: %s", look_checks[i].name, buf_str(&one));
            found = 1;
        }
    }
    return found;
}
