/* Kernel settings the data plane relies on. One that is right already is not written: in a
 * container they may be read-only. One that cannot be written is a problem and does not prevent a
 * policy, because a machine without forwarding is safe and one without rules is not.
 *
 * Note: forwarding is switched on for the whole namespace. For IPv6 the kernel has no other way
 * (before Linux 6.17), and a rule without zones applies to every interface; the policy decides what
 * may pass. The interfaces of zones are checked one by one all the same. */
#include "dataplane/settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/found.h"
#include "dataplane/kept_file.h"

#define FORWARD4 "/proc/sys/net/ipv4/ip_forward"
#define FORWARD6 "/proc/sys/net/ipv6/conf/all/forwarding"
#define CONF4 "/proc/sys/net/ipv4/conf"
#define CONF6 "/proc/sys/net/ipv6/conf"
#define CONNTRACK "/proc/sys/net/netfilter/nf_conntrack_"

static const struct {
    const char *path, *value;
    bool optional; /* not every kernel has it */
} needed[] = {
    /* conntrack does not see the segments the fast path forwards, so its windows are old. */
    {CONNTRACK "tcp_be_liberal", "1", false},
    {CONNTRACK "tcp_ignore_invalid_rst", "1", true},
};

/* The first word of a setting; negative errno. */
static int read_setting(const char *path, char value[24])
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = read(fd, value, 23);
    if (n < 0)
        return -errno;
    value[n] = 0;
    value[strcspn(value, " \t\n")] = 0;
    return 0;
}

static int write_value(const char *path, const char *value)
{
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

/* 1: changed, with the previous value; 0: it was right; negative errno. */
static int set(struct dataplane *dp, const char *path, const char *value, char before[24])
{
    int r = read_setting(path, before);

    if (r < 0)
        return r;
    if (!strcmp(before, value))
        return 0;
    found_keep(dp, path, before);
    r = write_value(path, value);
    return r < 0 ? r : 1;
}

/* Whole seconds of a setting; fallback where there is none. */
static uint32_t read_seconds(struct kept_file *kept, const char *path, uint32_t fallback)
{
    char value[24];
    char *end;
    unsigned long seconds;

    if (kept_file_read(kept, path, value, sizeof(value)) < 0)
        return fallback;
    seconds = strtoul(value, &end, 10);
    return (*end && *end != '\n') || end == value ? fallback : (uint32_t)seconds;
}

static uint32_t milliseconds(uint32_t seconds)
{
    return seconds > UINT32_MAX / 1000 ? UINT32_MAX : seconds * 1000;
}

static void complain(struct dataplane *dp, const char *path, const char *value, int r)
{
    char *text = dp->problems[DATAPLANE_PROBLEM_SETTINGS];

    if (!text[0])
        snprintf(text, sizeof(dp->problems[0]), "%.160s cannot be set to %.20s: %.120s", path,
                 value, strerror(-r));
}

void settings_prepare(struct dataplane *dp)
{
    dp->change_count = 0;
    dp->problems[DATAPLANE_PROBLEM_SETTINGS][0] = 0;
    dp->illiberal = false;
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        struct setting_change *change = &dp->changes[dp->change_count];
        int r = set(dp, needed[i].path, needed[i].value, change->before);

        if (r > 0) {
            snprintf(change->path, sizeof(change->path), "%s", needed[i].path);
            dp->change_count++;
        }
        if (r < 0 && !needed[i].optional) {
            dp->illiberal = true;
            complain(dp, needed[i].path, needed[i].value, r);
        }
    }
    settings_timeouts(dp, NULL);
}

void settings_timeouts(struct dataplane *dp, struct kept_file kept[SETTINGS_TIMEOUTS])
{
    if (!dp->control)
        return;
    dp->control->udp_timeout_ms =
        milliseconds(read_seconds(kept, CONNTRACK "udp_timeout_stream", 120));
    dp->control->tcp_timeout_ms = milliseconds(
        read_seconds(kept ? &kept[1] : NULL, CONNTRACK "tcp_timeout_established", 432000));
}

bool settings_wrong(const struct dataplane *dp)
{
    bool wrong = false;
    char value[24];

    for (size_t i = 0; i < ARRAY_LEN(needed) && dp->current && !dp->illiberal; i++)
        wrong |= !read_setting(needed[i].path, value) && strcmp(value, needed[i].value);
    return wrong;
}

void settings_undo(struct dataplane *dp)
{
    while (dp->change_count)
        if (write_value(dp->changes[dp->change_count - 1].path,
                        dp->changes[dp->change_count - 1].before) < 0)
            break;
        else
            dp->change_count--;
    dp->change_count = 0;
}

/* Appends the name of a setting that differed. */
static void name(struct buf *names, const char *path)
{
    if (names)
        buf_addf(names, "%s%s", names->len ? ", " : "", path + strlen("/proc/sys/"));
}

/* A router accepts no route from an advertisement unless configured (accept_ra 2), and drops those
 * it has at the moment it becomes one. So interfaces that accept them as a host are kept accepting:
 * at that moment every such interface (switching), and afterwards those that another program
 * changes, or that are new, where interfaces accepted advertisements before Orbital. */
static void keep_advertised(struct dataplane *dp, bool switching, struct buf *names)
{
    DIR *dir = opendir(CONF6);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        AUTO_FREE char *path = NULL;
        char value[24];

        if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "all"))
            continue;
        path = buf_format(CONF6 "/%s/accept_ra", entry->d_name);
        if (read_setting(path, value) < 0 || !strcmp(value, "2") ||
            (strcmp(value, "1") && !found_has(dp, path)) ||
            (!switching && !found_has(dp, path) && !found_has(dp, CONF6 "/default/accept_ra")))
            continue;
        if (set(dp, path, "2", value) > 0 && !switching)
            name(names, path);
    }
    closedir(dir);
}

/* A missing one is a kernel, or an interface, without that protocol. */
static void ensure(struct dataplane *dp, const char *path, const char *value, struct buf *names)
{
    char before[24];
    int r = set(dp, path, value, before);

    if (r > 0)
        name(names, path);
    else if (r < 0 && r != -ENOENT)
        complain(dp, path, value, r);
}

static void ensure_interface(struct dataplane *dp, const char *interface, struct buf *names)
{
    AUTO_FREE char *four = buf_format(CONF4 "/%s/forwarding", interface);
    AUTO_FREE char *six = buf_format(CONF6 "/%s/forwarding", interface);

    AUTO_FREE char *linkdown = buf_format(CONF6 "/%s/ignore_routes_with_linkdown", interface);

    ensure(dp, four, "1", names);
    ensure(dp, six, "1", names);
    ensure(dp, linkdown, "1", names); /* the interfaces service does the same for IPv4 */
}

/* Everything about forwarding. names: may be NULL. */
static void ensure_forwarding(struct dataplane *dp, struct buf *names)
{
    const struct policy *policy = &dp->current->policy;
    char value[24];

    keep_advertised(dp, !read_setting(FORWARD6, value) && strcmp(value, "1"), names);
    ensure(dp, FORWARD4, "1", names);
    ensure(dp, FORWARD6, "1", names);
    ensure(dp, CONF4 "/lo/forwarding", "1", names); /* programs look up the route back from there */
    for (unsigned i = 0; i < policy->zone_count; i++)
        for (unsigned k = 0; k < policy->zones[i].interface_count; k++)
            ensure_interface(dp, policy->zones[i].interfaces[k], names);
    for (unsigned i = 0; i < policy->port_count; i++)
        ensure_interface(dp, policy->ports[i].name, names);
}

void settings_forward(struct dataplane *dp)
{
    ensure_forwarding(dp, NULL);
}

void settings_check(struct dataplane *dp, struct buf *ret_names)
{
    found_retry(dp);
    if (!dp->current)
        return;
    settings_prepare(dp);
    for (unsigned i = 0; i < dp->change_count; i++)
        name(ret_names, dp->changes[i].path);
    dp->change_count = 0;
    ensure_forwarding(dp, ret_names);
}

int settings_close(const char *found, struct orb_err *err)
{
    static const char *const paths[] = {FORWARD4, FORWARD6};
    char before[24];

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        int r = read_setting(paths[i], before);

        if (r == 0 && strcmp(before, "0")) {
            found_note(found, paths[i], before, NULL);
            r = write_value(paths[i], "0");
        }
        if (r < 0 && r != -ENOENT)
            return orb_fail(err, r, "switching %s off", paths[i]);
    }
    return 0;
}
