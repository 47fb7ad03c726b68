/* The kernel's settings as they were before Orbital, so that it can leave the machine as it found
 * it. They hold for one start of the machine and one network namespace, whose names stand in the
 * first line; each further line is PATH VALUE. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/own.h"
#include "dataplane/fast.h"

#define FOUND_BYTES (256 * 1024)

static void header(struct buf *b)
{
    AUTO(buf) struct buf boot = {0};
    char space[64] = "";

    file_read("/proc/sys/kernel/random/boot_id", 64, &boot, NULL);
    (void)!readlink("/proc/self/ns/net", space, sizeof(space) - 1);
    buf_addf(b, "%.36s %s\n", buf_str(&boot), space);
}

/* What was noted since the machine was started; empty: nothing. */
static void read_notes(const char *path, struct buf *ret_text)
{
    AUTO(buf) struct buf first = {0};

    header(&first);
    if (file_read_regular(path, FOUND_BYTES, ret_text, NULL) < 0 || ret_text->len < first.len ||
        memcmp(ret_text->data, first.data, first.len) != 0)
        buf_clear(ret_text);
}

static bool is_noted(const struct buf *text, const char *setting)
{
    AUTO_FREE char *line = xasprintf("\n%s ", setting);

    return strstr(buf_str(text), line) != NULL;
}

bool found_has(const char *path, const char *setting)
{
    AUTO(buf) struct buf text = {0};

    if (path)
        read_notes(path, &text);
    return is_noted(&text, setting);
}

/* A state directory that cannot be written costs only the way back. */
void found_note(const char *path, const char *setting, const char *value)
{
    AUTO(buf) struct buf text = {0};
    AUTO_FD int fd = -1;
    size_t had;

    if (!path)
        return;
    read_notes(path, &text);
    if (is_noted(&text, setting))
        return;
    had = text.len;
    if (!had)
        header(&text);
    buf_addf(&text, "%s %s\n", setting, value);
    fd = open(path,
              O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (had ? O_APPEND : O_TRUNC),
              0600);
    if (fd >= 0)
        (void)!write(fd, text.data + had, text.len - had);
}

static char *table_path(const char *path)
{
    const char *slash = strrchr(path, '/');

    return xasprintf("%.*s/table-digest", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

/* One that cannot be written is gone as well: an old number would pass for the newest. */
void found_table_note(const char *path, uint64_t digest)
{
    AUTO_FREE char *file = path ? table_path(path) : NULL;
    AUTO_FREE char *next = path ? xasprintf("%s.new", file) : NULL;
    AUTO(buf) struct buf text = {0};
    AUTO_FD int fd = -1;

    if (!path)
        return;
    header(&text);
    buf_addf(&text, "%016" PRIx64 "\n", digest);
    fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len || rename(next, file) < 0)
        unlink(file);
}

bool found_table(const char *path, uint64_t *ret_digest)
{
    AUTO_FREE char *file = path ? table_path(path) : NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf first = {0};

    if (!path)
        return false;
    header(&first);
    read_notes(file, &text);
    return text.len && sscanf(text.data + first.len, "%" SCNx64, ret_digest) == 1;
}

int found_restore(const char *path, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    char *line, *rest = NULL;
    int r = 0;

    if (!path)
        return 0;
    read_notes(path, &text);
    if (!text.len)
        return 0; /* nothing was changed since the machine was started */
    line = strtok_r(text.data, "\n", &rest);
    while (line && (line = strtok_r(NULL, "\n", &rest))) {
        char *value = strchr(line, ' ');
        AUTO_FD int fd = -1;

        if (!value || strncmp(line, "/proc/sys/net/", 14) != 0 || strstr(line, "/../"))
            continue;
        *value++ = 0;
        fd = open(line, O_WRONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            continue; /* its interface is gone */
        if (fd < 0 || write(fd, value, strlen(value)) < 0)
            r = orb_fail(err, -errno, "setting %s back to %s", line, value);
    }
    if (!r)
        unlink(path);
    return r;
}
