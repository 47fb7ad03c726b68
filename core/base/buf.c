/* Growing buffers, checked small allocations, clocks, and whole-file reading and writing. */
#include "core/base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/own.h"
#include "orbital/error.h"

static void out_of_memory(size_t size)
{
    fprintf(stderr, "orbital: out of memory (%zu bytes)\n", size);
    abort();
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);

    if (!p)
        out_of_memory(count * size);
    return p;
}

void *xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);

    if (!q)
        out_of_memory(size);
    return q;
}

char *xstrndup(const char *text, size_t len)
{
    char *p = xcalloc(1, len + 1);

    memcpy(p, text, len);
    return p;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xasprintf(const char *format, ...)
{
    struct buf b = {0};
    va_list args;

    va_start(args, format);
    buf_addv(&b, format, args);
    va_end(args);
    return buf_take(&b);
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t extra)
{
    size_t need = b->len + extra + 1;

    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;

        while (cap < need)
            cap *= 2;
        b->data = xrealloc(b->data, cap);
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    char *to = buf_reserve(b, len);

    if (len)
        memcpy(to, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addv(struct buf *b, const char *format, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0)
        return;
    buf_reserve(b, (size_t)n);
    vsnprintf(b->data + b->len, (size_t)n + 1, format, args);
    b->len += (size_t)n;
}

void buf_addf(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_addv(b, format, args);
    va_end(args);
}

void buf_add_pointer(struct buf *b, const char *token)
{
    buf_addc(b, '/');
    for (const char *p = token; *p; p++) {
        if (*p == '~')
            buf_adds(b, "~0");
        else if (*p == '/')
            buf_adds(b, "~1");
        else
            buf_addc(b, *p);
    }
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
    char *p;

    buf_reserve(b, 0);
    b->data[b->len] = '\0';
    p = b->data;
    *b = (struct buf){0};
    return p;
}

size_t utf8_len(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;

    if (!n || p[0] > 0xf4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* One character; returns its bytes in text. */
static size_t add_escaped(struct buf *b, const char *text, size_t left)
{
    unsigned char c = (unsigned char)*text;
    size_t n = 1;

    if (c == '"' || c == '\\')
        buf_addf(b, "\\%c", c);
    else if (c == '\n')
        buf_adds(b, "\\n");
    else if (c == '\t')
        buf_adds(b, "\\t");
    else if (c == '\r')
        buf_adds(b, "\\r");
    else if (c && c < 0x20)
        buf_addf(b, "\\u%04x", c);
    else if (c && c < 0x80)
        buf_addc(b, (char)c);
    else if ((n = utf8_len(text, left)))
        buf_add(b, text, n);
    else {
        buf_adds(b, "\xef\xbf\xbd");
        n = 1;
    }
    return n;
}

void buf_add_json(struct buf *b, const char *text, size_t len)
{
    buf_addc(b, '"');
    for (size_t i = 0; i < len;)
        i += add_escaped(b, text + i, len - i);
    buf_addc(b, '"');
}

#define ELLIPSIS "\xe2\x80\xa6"

void buf_add_json_most(struct buf *b, const char *text, size_t len, size_t most)
{
    size_t start, fits;

    buf_addc(b, '"');
    start = fits = b->len;
    for (size_t i = 0; i < len && b->len - start <= most;) {
        i += add_escaped(b, text + i, len - i);
        if (b->len - start + sizeof(ELLIPSIS) - 1 <= most)
            fits = b->len;
    }
    if (b->len - start > most) {
        b->len = fits;
        buf_adds(b, most >= sizeof(ELLIPSIS) - 1 ? ELLIPSIS : "");
    }
    buf_addc(b, '"');
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t now_us(void)
{
    return now_ns() / 1000;
}

uint64_t now_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000u;
}

uint64_t wall_us(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000u;
}

uint64_t wall_of(uint64_t at_ms)
{
    uint64_t now = now_ns() / 1000u, at = at_ms * 1000u, ago = now > at ? now - at : 0;
    uint64_t wall = wall_us();

    return wall > ago ? wall - ago : 0;
}

static int read_all(int fd, const char *path, size_t limit, struct buf *ret_data,
                    struct orb_err *err)
{
    AUTO(buf) struct buf b = {0};

    for (;;) {
        ssize_t n = read(fd, buf_reserve(&b, 65536), 65536);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return orb_fail(err, -errno, "cannot read %s", path);
        b.len += (size_t)n;
        b.data[b.len] = '\0'; /* of an empty file, too */
        if (n == 0)
            break;
        if (b.len > limit)
            return orb_fail(err, ORB_E_LIMIT, "%s is larger than %zu bytes", path, limit);
    }
    buf_fini(ret_data);
    *ret_data = b;
    b = (struct buf){0};
    return 0;
}

int file_read(const char *path, size_t limit, struct buf *ret_data, struct orb_err *err)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return orb_fail(err, -errno, "cannot read %s", path);
    return read_all(fd, path, limit, ret_data, err);
}

/* A symbolic link whose target is missing "does not exist", though who lists the directory sees it.
 */
static int cannot_read(const char *path, struct orb_err *err)
{
    int r = -errno;
    char target[PATH_MAX];
    ssize_t n = r == -ENOENT ? readlink(path, target, sizeof(target) - 1) : -1;

    if (n < 0)
        return orb_fail(err, r, "cannot read %s", path);
    target[n] = '\0';
    return orb_fail(err, r,
                    "cannot read %s, a symbolic link to %s, which this process does not see", path,
                    target);
}

int file_open_regular(const char *path, size_t limit, size_t *ret_size, struct orb_err *err)
{
    /* Not blocking: opening a FIFO without a writer would wait for ever. */
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return cannot_read(path, err);
    if (fstat(fd, &st) < 0)
        return orb_fail(err, -errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return orb_fail(err, ORB_E_INVALID, "%s is no regular file", path);
    if ((uint64_t)st.st_size > limit)
        return orb_fail(err, ORB_E_LIMIT, "%s is larger than %zu bytes", path, limit);
    if (ret_size)
        *ret_size = (size_t)st.st_size;
    return take_fd(&fd);
}

int file_read_regular(const char *path, size_t limit, struct buf *ret_data, struct orb_err *err)
{
    AUTO_FD int fd = file_open_regular(path, limit, NULL, err);

    return fd < 0 ? fd : read_all(fd, path, limit, ret_data, err);
}

static int write_all(int fd, const char *p, size_t len)
{
    while (len) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int file_create(const char *path, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0 && errno == EEXIST) {
        if (unlink(path) < 0 && errno != ENOENT)
            return -errno;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    }
    return fd < 0 ? -errno : fd;
}

int file_replace(const char *path, const void *data, size_t len, unsigned mode, struct orb_err *err)
{
    AUTO_FREE char *tmp = xasprintf("%s.new", path);
    AUTO_FREE char *dir = xstrdup(path);
    AUTO_FD int fd = -1;
    AUTO_FD int dir_fd = -1;
    char *slash = strrchr(dir, '/');
    int r;

    fd = file_create(tmp, mode);
    if (fd < 0)
        return orb_fail(err, fd, "cannot create %s", tmp);
    r = write_all(fd, data, len);
    if (r == 0 && fdatasync(fd) < 0)
        r = -errno;
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(tmp);
        return orb_fail(err, r, "cannot write %s", path);
    }
    if (slash)
        *slash = '\0';
    dir_fd = open(slash ? (dir[0] ? dir : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || fsync(dir_fd) < 0)
        return orb_fail(err, -errno, "cannot make %s durable", path);
    return 0;
}

int dir_make(const char *path, unsigned mode, struct orb_err *err)
{
    AUTO_FREE char *copy = xstrdup(path);

    for (char *p = copy + 1; *copy; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return orb_fail(err, -errno, "cannot create directory %s", copy);
        *p = c;
        if (!c)
            break;
    }
    return 0;
}
