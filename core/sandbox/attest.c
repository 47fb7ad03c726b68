/* Attestation of a worker by the host, from /proc, independent of the worker's own statements. It
 * is made after HELLO, when a package may already have run a constructor; restrictions can only be
 * added, never removed, so one check suffices. Needs CAP_SYS_PTRACE in the host: a worker is not
 * dumpable. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/sandbox_internal.h"

#define PROC_LIMIT 65536u

struct look {
    const struct sandbox *sandbox;
    const struct launch_plan *plan;
    pid_t pid;
    struct json_write *report;
    struct orb_err *err;
};

static int differ(struct look *look, const char *layer, const char *found, const char *expected)
{
    return orb_fail(
        look->err, ORB_E_DENIED,
        "the sandbox of %s differs from its launch plan: %s is \"%.100s\", expected \"%.100s\"",
        look->plan->service, layer, found, expected);
}

static int read_proc(struct look *look, const char *file, struct buf *ret_text)
{
    AUTO_FREE char *path = buf_format("/proc/%d/%s", (int)look->pid, file);

    return file_read(path, PROC_LIMIT, ret_text, look->err);
}

/* The value after "\nKEY:\t" with tabs replaced by spaces, "" when absent. */
static char *field(const struct buf *text, const char *key)
{
    AUTO_FREE char *start = buf_format("\n%s:", key);
    const char *at = strstr(buf_str(text), start);
    char *value;

    if (!at)
        return xstrdup("");
    at += strlen(start);
    at += strspn(at, "\t ");
    value = xstrndup(at, strcspn(at, "\n"));
    for (char *c = value; *c; c++)
        if (*c == '\t')
            *c = ' ';
    for (size_t n = strlen(value); n && value[n - 1] == ' '; n--)
        value[n - 1] = '\0';
    return value;
}

static int expect(struct look *look, const struct buf *status, const char *key,
                  const char *expected)
{
    AUTO_FREE char *found = field(status, key);

    json_write_string(look->report, key, found);
    return strcmp(found, expected) ? differ(look, key, found, expected) : 0;
}

static int check_status(struct look *look)
{
    static const char *const held[] = {"CapPrm", "CapEff", "CapBnd"};
    bool full = look->sandbox->tier >= 2;
    AUTO(buf) struct buf status = {0};
    char ids[64], caps[32], filters[16];
    int r = read_proc(look, "status", &status);

    if (r < 0)
        return r;
    snprintf(ids, sizeof(ids), "%u %u %u %u", look->plan->uid, look->plan->uid, look->plan->uid,
             look->plan->uid);
    snprintf(caps, sizeof(caps), "%016" PRIx64, look->plan->kernel_caps);
    snprintf(filters, sizeof(filters), "%u", look->sandbox->base_filters + 2);
    r = expect(look, &status, "NoNewPrivs", "1");
    if (!r)
        r = expect(look, &status, "Seccomp", "2");
    if (!r) /* proves that filter B is loaded: filter A allows no other one to be added */
        r = expect(look, &status, "Seccomp_filters", filters);
    if (!r)
        r = expect(look, &status, "CapInh", "0000000000000000");
    if (!r)
        r = expect(look, &status, "CapAmb", "0000000000000000");
    if (!full)
        return r;
    if (!r)
        r = expect(look, &status, "Uid", ids);
    if (!r)
        r = expect(look, &status, "Gid", ids);
    if (!r)
        r = expect(look, &status, "Groups", "");
    for (size_t i = 0; !r && i < ARRAY_LEN(held); i++)
        r = expect(look, &status, held[i], caps);
    return r;
}

static int link_of(const char *pid, const char *ns, char *ret_link, size_t size)
{
    AUTO_FREE char *path = buf_format("/proc/%s/ns/%s", pid, ns);
    ssize_t n = readlink(path, ret_link, size - 1);

    if (n < 0)
        return -errno;
    ret_link[n] = '\0';
    return 0;
}

/* The mount namespace to copy is not the worker's own, either. */
static bool is_prepared(const struct look *look, const char *link)
{
    char name[64];
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(look->sandbox->root_fds); i++) {
        if (fstat(look->sandbox->root_fds[i], &st) < 0)
            return true;
        snprintf(name, sizeof(name), "mnt:[%lu]", (unsigned long)st.st_ino);
        if (!strcmp(link, name))
            return true;
    }
    return false;
}

static int check_namespaces(struct look *look)
{
    static const struct {
        const char *name, *key;
    } own[] = {{"mnt", "ns_mnt"}, {"pid", "ns_pid"}, {"ipc", "ns_ipc"}, {"uts", "ns_uts"}};
    char pid[16], worker[64], host[64], expected[64];

    snprintf(pid, sizeof(pid), "%d", (int)look->pid);
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        if (link_of(pid, own[i].name, worker, sizeof(worker)) < 0 ||
            link_of("self", own[i].name, host, sizeof(host)) < 0)
            return orb_fail(look->err, -errno, "cannot read the %s namespace of %s", own[i].name,
                            look->plan->service);
        json_write_string(look->report, own[i].key, worker);
        if (!strcmp(worker, host) || is_prepared(look, worker))
            return differ(look, "namespace", worker, "one of its own");
    }
    if (link_of(pid, "net", worker, sizeof(worker)) < 0 ||
        link_of("self", "net", host, sizeof(host)) < 0)
        return orb_fail(look->err, -errno, "cannot read the network namespace of %s",
                        look->plan->service);
    if (look->plan->host_net)
        snprintf(expected, sizeof(expected), "%s", host);
    else
        snprintf(expected, sizeof(expected), "net:[%lu]", (unsigned long)look->sandbox->void_inode);
    json_write_string(look->report, "net", worker);
    json_write_string(look->report, "network", look->plan->host_net ? "host" : "none");
    return strcmp(worker, expected) ? differ(look, "network namespace", worker, expected) : 0;
}

static bool has_option(const char *options, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = options; (at = strstr(at, word)); at += n)
        if ((at == options || at[-1] == ',') && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

static int check_mount(struct look *look, const char *point, const char *options, unsigned *seen)
{
    static const struct {
        const char *point;
        const char *options[5];
    } known[] = {{"/", {"ro", "nosuid", "nodev", "noexec"}},
                 {"/pkg", {"ro", "nosuid", "nodev"}},
                 /* Read-only where the file system is: less than the plan gives, not more. */
                 {"/state", {"nosuid", "nodev", "noexec"}}};

    for (size_t i = 0; i < (look->plan->state_dir ? 3 : 2); i++) {
        if (strcmp(point, known[i].point))
            continue;
        for (size_t o = 0; known[i].options[o]; o++)
            if (!has_option(options, known[i].options[o]))
                return differ(look, point, options, known[i].options[o]);
        *seen |= 1u << i;
        return 0;
    }
    return differ(look, "mount", point, look->plan->state_dir ? "/, /pkg, /state" : "/, /pkg");
}

static int check_mounts(struct look *look)
{
    AUTO(buf) struct buf text = {0};
    char *rest, *line, point[256], options[256];
    unsigned seen = 0;
    int r = read_proc(look, "mountinfo", &text);

    json_write_array(look->report, "mounts");
    rest = text.data;
    while (!r && (line = strsep(&rest, "\n")) && line[0]) {
        json_write_string(look->report, NULL, line);
        if (sscanf(line, "%*s %*s %*s %*s %255s %255s", point, options) != 2)
            r = differ(look, "mountinfo", line, "a mount");
        else
            r = check_mount(look, point, options, &seen);
    }
    json_write_end(look->report);
    if (!r && seen != (look->plan->state_dir ? 7u : 3u))
        return differ(look, "mounts", "incomplete", "/, /pkg and what the plan lists");
    return r;
}

static int check_cgroup(struct look *look)
{
    AUTO(buf) struct buf text = {0};
    AUTO_FREE char *end = NULL;
    const char *at, *base = strrchr(look->sandbox->cgroup_dir, '/');
    size_t len;
    int r;

    if (!base)
        return 0;
    r = read_proc(look, "cgroup", &text);
    if (r < 0)
        return r;
    at = strstr(buf_str(&text), "0::");
    len = at ? strcspn(at + 3, "\n") : 0;
    json_write_string_len(look->report, "cgroup", at ? at + 3 : "", len);
    end = buf_format("%s/%s", base, look->plan->service);
    if (len < strlen(end) || strncmp(at + 3 + len - strlen(end), end, strlen(end)))
        return differ(look, "cgroup", at ? at + 3 : "", end);
    return 0;
}

static int check_limits(struct look *look)
{
    AUTO(buf) struct buf text = {0};
    const char *at;
    unsigned long soft = ULONG_MAX, hard = ULONG_MAX;
    unsigned long files = look->plan->files ? look->plan->files : LAUNCH_FILES;
    int r = read_proc(look, "limits", &text);

    if (r < 0)
        return r;
    at = strstr(buf_str(&text), "Max open files");
    if (!at || sscanf(at, "Max open files %lu %lu", &soft, &hard) != 2 || hard > files)
        return differ(look, "open files", at ? "more" : "unknown", "the plan's limit");
    json_write_integer(look->report, "files", (int64_t)hard);
    at = strstr(buf_str(&text), "Max core file size");
    if (!at || sscanf(at, "Max core file size %lu %lu", &soft, &hard) != 2 || hard != 0)
        return differ(look, "core size", at ? "not 0" : "unknown", "0");
    return 0;
}

/* In a list of processes a worker is what the host called it: the arguments lie where the package
 * cannot write, and are those it was started with. */
static int check_title(struct look *look)
{
    AUTO(buf) struct buf title = {0}, stat = {0};
    AUTO_FREE char *expected = NULL;
    unsigned long start = 0;
    const char *at;
    int r;

    if (!look->sandbox->sealed_title)
        return 0;
    r = read_proc(look, "cmdline", &title);
    if (r == 0)
        r = read_proc(look, "stat", &stat);
    if (r < 0)
        return r;
    at = strrchr(buf_str(&stat), ')');
    for (unsigned i = 0; at && i < 46; i++) /* to arg_start, proc_pid_stat(5) */
        at = strchr(at + 1, ' ');
    if (!at || sscanf(at, " %lu", &start) != 1 || start != TITLE_ADDRESS)
        return differ(look, "the place of its arguments", at ? "elsewhere" : "unknown",
                      "a page it cannot write to");
    for (size_t i = 0; i + 1 < title.len; i++)
        if (!title.data[i])
            title.data[i] = ' ';
    expected = buf_format("orbitald: %s --worker", look->plan->service);
    json_write_string(look->report, "title", buf_str(&title));
    return strcmp(buf_str(&title), expected) ? differ(look, "title", buf_str(&title), expected) : 0;
}

int attest_sandbox(struct sandbox *sandbox, const struct sandbox_child *child,
                   const struct launch_plan *plan, struct buf *ret_report, struct orb_err *err)
{
    AUTO(buf) struct buf report = {0};
    struct json_write w = json_write_to(&report);
    struct look look = {sandbox, plan, child->pid, &w, err};
    int r;

    json_write_object(&w, NULL);
    json_write_integer(&w, "pid", child->pid);
    json_write_integer(&w, "tier", sandbox->tier);
    json_write_string(&w, "plan", plan->hash);
    json_write_integer(&w, "landlock", sandbox->landlock_abi);
    r = check_status(&look);
    if (!r)
        r = check_limits(&look);
    if (!r && sandbox->tier >= 2)
        r = check_namespaces(&look);
    if (!r && sandbox->tier >= 2)
        r = check_mounts(&look);
    if (!r)
        r = check_cgroup(&look);
    if (!r)
        r = check_title(&look);
    json_write_boolean(&w, "attested", r == 0);
    json_write_end(&w);
    if (ret_report)
        buf_add(ret_report, report.data, report.len);
    return r;
}
