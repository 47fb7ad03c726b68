/* Kernel settings as they were before Orbital, so that they can be restored. Valid for one boot of
 * the machine and one network namespace, named in the first line; each further line is PATH VALUE.
 * */
#include "dataplane/found.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "dataplane/dataplane_internal.h"

#define FOUND_BYTES (256 * 1024)

static void header(struct buf *b)
{
    AUTO(buf) struct buf boot = {0};
    char space[64] = "";

    file_read("/proc/sys/kernel/random/boot_id", 64, &boot, NULL);
    (void)!readlink("/proc/self/ns/net", space, sizeof(space) - 1);
    buf_addf(b, "%.36s %s\n", buf_str(&boot), space);
}

/* "BOOT net:[NUMBER]\n", of any boot? */
static bool is_header(const char *text)
{
    unsigned n = 0;
    size_t len = strcspn(text, "\n");

    return text[len] && strspn(text, "0123456789abcdef-") == 36 &&
           sscanf(text + 36, " net:[%*u]%n", &n) == 0 && n && 36 + n == len;
}

/* What was noted since the machine was started, whole lines of it; empty: nothing. What cannot be
 * read, or is damaged, is not the same as nothing. */
static int read_notes(const char *path, struct buf *ret_text, struct orb_err *err)
{
    AUTO(buf) struct buf first = {0};
    int r = file_read_regular(path, FOUND_BYTES, ret_text, err);

    if (r < 0) {
        buf_clear(ret_text);
        if (r == -ENOENT && err)
            *err = (struct orb_err){0};
        return r == -ENOENT ? 0 : r;
    }
    if (!is_header(buf_str(ret_text)) || memchr(ret_text->data, 0, ret_text->len)) {
        buf_clear(ret_text);
        return orb_fail(err, ORB_E_INVALID,
                        "%s is damaged: its first line is not as this program "
                        "writes it",
                        path);
    }
    header(&first);
    if (ret_text->len < first.len || memcmp(ret_text->data, first.data, first.len) != 0)
        buf_clear(ret_text); /* of another boot, or network namespace */
    while (ret_text->len && ret_text->data[ret_text->len - 1] != '\n')
        ret_text->data[--ret_text->len] = '\0'; /* half a line is not what was there */
    return 0;
}

static bool is_noted(const struct buf *text, const char *setting)
{
    AUTO_FREE char *line = buf_format("\n%s ", setting);

    return strstr(buf_str(text), line) != NULL;
}

/* The first note of a boot: whole or not there. */
static int begin_notes(const char *path, const struct buf *text, struct orb_err *err)
{
    AUTO_FREE char *next = buf_format("%s.new", path);
    AUTO_FD int fd = file_create(next, 0600);
    int r;

    if (fd < 0)
        return orb_fail(err, fd, "cannot write %s", path);
    errno = ENOSPC; /* of a short write */
    if (write(fd, text->data, text->len) == (ssize_t)text->len && rename(next, path) == 0)
        return 0;
    r = orb_fail(err, -errno, "cannot write %s", path);
    unlink(next);
    return r;
}

/* had: bytes of the file that are complete lines; the rest is truncated. */
static int append_notes(const char *path, size_t had, const char *text, size_t len,
                        struct orb_err *err)
{
    AUTO_FD int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int why;

    if (fd < 0 || ftruncate(fd, (off_t)had) < 0)
        return orb_fail(err, -errno, "cannot write %s", path);
    errno = ENOSPC; /* of a short write */
    if (write(fd, text, len) == (ssize_t)len)
        return 0;
    why = errno;
    (void)!ftruncate(fd, (off_t)had);
    return orb_fail(err, -why, "cannot write %s", path);
}

/* Writes lines of the form PATH VALUE. */
static int write_notes(const char *path, const char *lines, size_t len, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    size_t had;
    int r = read_notes(path, &text, err);

    if (r < 0)
        return r;
    had = text.len;
    if (!had)
        header(&text);
    buf_add(&text, lines, len);
    return had ? append_notes(path, had, lines, len, err) : begin_notes(path, &text, err);
}

bool found_has(const struct dataplane *dp, const char *setting)
{
    AUTO(buf) struct buf text = {0};

    buf_addc(&text, '\n');
    buf_add(&text, buf_str(&dp->unnoted), dp->unnoted.len);
    if (is_noted(&text, setting))
        return true;
    buf_clear(&text);
    if (dp->found)
        read_notes(dp->found, &text, NULL);
    return is_noted(&text, setting);
}

int found_note(const char *path, const char *setting, const char *value, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    AUTO_FREE char *line = buf_format("%s %s\n", setting, value);
    int r;

    if (!path)
        return 0;
    r = read_notes(path, &text, err);
    if (r < 0)
        return r;
    return is_noted(&text, setting) ? 0 : write_notes(path, line, strlen(line), err);
}

void found_keep(struct dataplane *dp, const char *setting, const char *value)
{
    struct orb_err err = {0};

    if (found_has(dp, setting) || found_note(dp->found, setting, value, &err) == 0)
        return;
    buf_addf(&dp->unnoted, "%s %s\n", setting, value);
    snprintf(dp->problems[DATAPLANE_PROBLEM_NOTES], sizeof(dp->problems[0]),
             "what the kernel's settings were before cannot be noted: %.300s", err.text);
}

void found_retry(struct dataplane *dp)
{
    char *problem = dp->problems[DATAPLANE_PROBLEM_NOTES];
    struct orb_err err = {0};

    if (!dp->found)
        return;
    if (dp->unnoted.len && write_notes(dp->found, dp->unnoted.data, dp->unnoted.len, &err) == 0)
        buf_clear(&dp->unnoted);
    if (!err.code && dp->digest_unnoted && found_table_note(dp->found, dp->digest, &err) == 0)
        dp->digest_unnoted = false;
    problem[0] = 0;
    if (err.code)
        snprintf(problem, sizeof(dp->problems[0]),
                 "what the kernel's settings were before cannot be noted: %.300s", err.text);
}

static char *table_path(const char *path)
{
    const char *slash = strrchr(path, '/');

    return buf_format("%.*s/table-digest", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

/* If it cannot be written it is removed as well: an old digest would be taken for the newest. */
int found_table_note(const char *path, uint64_t digest, struct orb_err *err)
{
    AUTO_FREE char *file = path ? table_path(path) : NULL;
    AUTO(buf) struct buf text = {0};
    int r;

    if (!path)
        return 0;
    header(&text);
    buf_addf(&text, "%016" PRIx64 "\n", digest);
    r = begin_notes(file, &text, err);
    if (r < 0)
        unlink(file);
    return r;
}

bool found_table(const char *path, uint64_t *ret_digest)
{
    AUTO_FREE char *file = path ? table_path(path) : NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf first = {0};

    if (!path)
        return false;
    header(&first);
    return read_notes(file, &text, NULL) == 0 && text.len &&
           sscanf(text.data + first.len, "%" SCNx64, ret_digest) == 1;
}

int found_restore(struct dataplane *dp, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    const char *path = dp->found;
    char *line, *rest = NULL;
    int r = 0;

    if (!path)
        return 0;
    r = read_notes(path, &text, err);
    if (r < 0)
        orb_wrap(err, "the kernel's settings cannot be put back as they were");
    if (!text.len && dp->unnoted.len)
        header(&text);
    buf_add(&text, buf_str(&dp->unnoted), dp->unnoted.len);
    if (!text.len)
        return r; /* nothing was changed since the machine was started */
    line = strtok_r(text.data, "\n", &rest);
    while (line && (line = strtok_r(NULL, "\n", &rest))) {
        char *value = strchr(line, ' ');
        AUTO_FD int fd = -1;

        if (!value || strncmp(line, "/proc/sys/net/", 14) || strstr(line, "/../"))
            continue;
        *value++ = 0;
        fd = open(line, O_WRONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            continue; /* its interface is gone */
        if (fd < 0 || write(fd, value, strlen(value)) < 0)
            r = orb_fail(err, -errno, "setting %s back to %s", line, value);
    }
    if (r)
        return r;
    buf_clear(&dp->unnoted);
    if (unlink(path) < 0 && errno != ENOENT)
        r = orb_fail(err, -errno, "cannot remove %s", path);
    return r;
}
