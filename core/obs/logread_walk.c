/* Reading of the files. Note: sequence numbers may be damaged, too. One that is higher than its
 * valid successor is, so a record is accepted only after the next one was read. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/own.h"
#include "core/obs/logfile.h"
#include "core/obs/logline.h"
#include "core/obs/logread.h"

#define CHUNK (256u << 10)
#define FILE_MOST (64u << 20) /* of one file; valid ones are far smaller */

static_assert(ARRAY_LEN(((struct logread_set *)0)->files) > LOGFILE_OLD + 1, "a place too few");

static bool known(const struct logread_set *set, dev_t dev, ino_t ino)
{
    struct stat st;

    for (size_t i = 0; i < set->count; i++)
        if (fstat(set->files[i].fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
            return true;
    return false;
}

static int first_line(void *arg, const struct logline *line, const char *text, size_t len)
{
    *(uint64_t *)arg = line->seq;
    return 1;
}

static void add_file(struct logread_set *set, const char *path)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    uint64_t skipped, bytes;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || known(set, st.st_dev, st.st_ino))
        return;
    set->files[set->count].first = 0;
    set->files[set->count++].fd = take_fd(&fd);
    logread_walk(set, set->count - 1, &skipped, &bytes, first_line,
                 &set->files[set->count - 1].first);
    if (set->count > 1 && !set->files[set->count - 1].first) /* empty: of the next one's place */
        set->files[set->count - 1].first = set->files[set->count - 2].first;
}

void logread_walk_open(const char *path, struct logread_set *ret_set)
{
    *ret_set = (struct logread_set){0};
    add_file(ret_set, path);
    for (int i = 1; i <= LOGFILE_OLD; i++) {
        AUTO_FREE char *elder = buf_format("%s.%d", path, i);

        add_file(ret_set, elder);
    }
}

void logread_walk_close(struct logread_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        close(set->files[i].fd);
    set->count = 0;
}

/* ---- one file ---- */

struct walk {
    uint64_t floor, most; /* numbers of records lie between, both exclusive */
    uint64_t *skipped;
    int (*on_line)(void *arg, const struct logline *line, const char *text, size_t len);
    void *arg;
    struct buf held; /* the record that waits for its successor */
};

static int release(struct walk *w, uint64_t next)
{
    struct logline line;

    if (!w->held.len)
        return 0;
    logline_read(w->held.data, w->held.len, &line);
    if (line.seq <= w->floor || line.seq >= w->most ||
        (next > w->floor && next < line.seq && next < w->most)) {
        ++*w->skipped;
        return 0;
    }
    w->floor = line.seq;
    return w->on_line(w->arg, &line, w->held.data, w->held.len);
}

static int one_line(struct walk *w, const char *text, size_t len)
{
    struct logline line;
    int r;

    if (!logline_read(text, len, &line)) {
        ++*w->skipped;
        return 0;
    }
    r = release(w, line.seq);
    buf_clear(&w->held);
    buf_add(&w->held, text, len);
    return r;
}

/* Consumes whole lines from data; an unterminated one in a full buffer is invalid. */
static int lines(struct walk *w, struct buf *data, bool *in_long)
{
    size_t at = 0;
    int r = 0;

    while (r == 0 && at < data->len) {
        const char *end = memchr(data->data + at, '\n', data->len - at);
        size_t n;

        if (!end)
            break;
        n = (size_t)(end - (data->data + at));
        if (*in_long)
            *in_long = false;
        else
            r = one_line(w, data->data + at, n);
        at += n + 1;
    }
    if (r == 0 && data->len - at > LOGLINE_BYTES) {
        if (!*in_long)
            ++*w->skipped;
        *in_long = true;
        at = data->len;
    }
    memmove(data->data, data->data + at, data->len - at);
    data->len -= at;
    return r;
}

int logread_walk(const struct logread_set *set, size_t i, uint64_t *skipped, uint64_t *ret_bytes,
                 int (*on_line)(void *arg, const struct logline *line, const char *text,
                                size_t len),
                 void *arg)
{
    uint64_t next = i ? set->files[i - 1].first : 0;
    struct walk w = {
        .most = next ? next : UINT64_MAX, .skipped = skipped, .on_line = on_line, .arg = arg};
    AUTO(buf) struct buf data = {0};
    bool in_long = false;
    off_t at = 0;
    int r = 0;

    while (r == 0 && at < FILE_MOST) {
        ssize_t n = pread(set->files[i].fd, buf_reserve(&data, CHUNK), CHUNK, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        at += n;
        data.len += (size_t)n;
        r = lines(&w, &data, &in_long);
    }
    if (r == 0)
        r = release(&w, 0);
    if (r == 0 && i && data.len) /* in the newest one it is being written just now */
        ++*skipped;
    buf_fini(&w.held);
    *ret_bytes = (uint64_t)at;
    return r;
}
