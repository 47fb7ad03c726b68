/* Writing of journals. A failed write is undone at once, so a full disk never leaves bytes before
 * the next record; and a record that could not be synced is truncated before the caller is
 * answered, so that it cannot reappear after a restart. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/journal.h"
#include "plugins/config/journal_internal.h"

#define COPY_CHUNK (256u * 1024)

static int write_at(int fd, const void *data, size_t len, uint64_t offset)
{
    const char *p = data;

    while (len) {
        ssize_t n = pwrite(fd, p, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* A piece at a time. */
static int write_all(const struct parts *parts, int fd, const struct buf *all, uint64_t offset)
{
    int r = 0;

    for (size_t at = 0, n; r == 0 && at < all->len; at += n) {
        n = all->len - at < COPY_CHUNK ? all->len - at : COPY_CHUNK;
        r = write_at(fd, all->data + at, n, offset + at);
        parts_pause(parts);
    }
    return r;
}

static int read_at(int fd, void *data, size_t len, uint64_t offset)
{
    char *p = data;

    while (len) {
        ssize_t n = pread(fd, p, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* ---- the second copy ---- */

/* A directory, a FIFO, a link: foreign, and in the place of the journal. */
static int clear_way(const char *path)
{
    AUTO_FREE char *kept = buf_format("%s.damaged", path);
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    return S_ISREG(st.st_mode) || rename(path, kept) == 0 ? 0 : -errno;
}

static int open_copy(struct journal *j)
{
    int r;

    if (j->copy_fd >= 0)
        return 0;
    r = clear_way(j->copy_path);
    if (r < 0)
        return r;
    j->copy_fd = open(j->copy_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->copy_fd < 0)
        return -errno;
    if (ftruncate(j->copy_fd, (off_t)j->copied) < 0)
        return -errno;
    return 0;
}

/* Gives the copy what the journal has and it has not; a failure is tried again with the next
 * record and is no reason to refuse anything. */
static void follow(struct journal *j, const struct parts *parts)
{
    AUTO_FREE char *chunk = NULL;

    j->copy_error = open_copy(j);
    if (j->copy_error == 0 && j->copied < j->end)
        chunk = xcalloc(1, COPY_CHUNK);
    while (j->copy_error == 0 && j->copied < j->end) {
        size_t n = j->end - j->copied < COPY_CHUNK ? (size_t)(j->end - j->copied) : COPY_CHUNK;

        j->copy_error = read_at(j->fd, chunk, n, j->copied);
        if (j->copy_error == 0)
            j->copy_error = write_at(j->copy_fd, chunk, n, j->copied);
        if (j->copy_error == 0)
            j->copied += n;
        parts_pause(parts);
    }
    if (j->copy_error && j->copy_fd >= 0) {
        close(j->copy_fd); /* opened again next time, and truncated to what is known to be there */
        j->copy_fd = -1;
    }
}

/* ---- opening ---- */

int journal_create(const char *path, const char *copy_path, const uint8_t chain[JOURNAL_CHAIN],
                   struct journal *ret_journal, struct orb_err *err)
{
    uint8_t head[JOURNAL_HEAD];
    struct journal j = {.copy_fd = -1, .end = JOURNAL_HEAD};
    int r;

    memcpy(head, journal_magic, JOURNAL_MAGIC);
    memcpy(head + JOURNAL_MAGIC, chain, JOURNAL_CHAIN);
    memcpy(j.chain, chain, JOURNAL_CHAIN);
    /* First the copy of a journal that may be replaced: it would not be one any more. */
    r = clear_way(copy_path);
    if (r == 0 && unlink(copy_path) < 0 && errno != ENOENT)
        r = -errno;
    if (r < 0)
        return orb_fail(err, r, "cannot remove %s", copy_path);
    r = clear_way(path);
    if (r < 0)
        return orb_fail(err, r, "cannot rename the file at %s", path);
    r = file_replace(path, head, sizeof(head), 0600, err);
    if (r < 0)
        return r;
    j.fd = open(path, O_RDWR | O_CLOEXEC);
    if (j.fd < 0)
        return orb_fail(err, -errno, "cannot open %s", path);
    j.path = xstrdup(path);
    j.copy_path = xstrdup(copy_path);
    follow(&j, NULL);
    *ret_journal = j;
    return 0;
}

/* Takes the bytes from end on out of the file; they stay readable in PATH.cut. */
static int cut_tail(const struct journal *j, uint64_t size, struct orb_err *err)
{
    AUTO_FREE char *cut = buf_format("%s.cut", j->path);
    AUTO_FREE char *tail = xcalloc(1, size - j->end);
    int r = read_at(j->fd, tail, size - j->end, j->end);

    if (r < 0)
        return orb_fail(err, r, "cannot read the torn end of %s", j->path);
    r = file_replace(cut, tail, size - j->end, 0600, err);
    if (r < 0)
        return r;
    if (ftruncate(j->fd, (off_t)j->end) < 0 || fdatasync(j->fd) < 0)
        return orb_fail(err, -errno, "cannot cut the torn end off %s", j->path);
    return 0;
}

int journal_open(const char *path, const char *copy_path, uint64_t end,
                 const uint8_t chain[JOURNAL_CHAIN], uint64_t copied, struct journal *ret_journal,
                 struct orb_err *err)
{
    struct journal j = {.copy_fd = -1, .end = end, .copied = copied < end ? copied : end};
    struct stat st;
    int r = 0;

    j.fd = open(path, O_RDWR | O_CLOEXEC);
    if (j.fd < 0 || fstat(j.fd, &st) < 0)
        r = orb_fail(err, -errno, "cannot write %s", path);
    j.path = xstrdup(path);
    j.copy_path = xstrdup(copy_path);
    memcpy(j.chain, chain, JOURNAL_CHAIN);
    if (r == 0 && (uint64_t)st.st_size > end)
        r = cut_tail(&j, (uint64_t)st.st_size, err);
    if (r < 0) {
        journal_close(&j);
        return r;
    }
    follow(&j, NULL);
    *ret_journal = j;
    return 0;
}

/* ---- records ---- */

int journal_append(struct journal *journal, const struct parts *parts, const char *text, size_t len,
                   struct orb_err *err)
{
    uint8_t frame[JOURNAL_FRAME];
    AUTO(buf) struct buf all = {0};
    int r;

    if (journal->tail_unknown)
        return orb_fail(err, ORB_E_STATE, "%s takes no more records", journal->path);
    if (len > JOURNAL_MAX_RECORD || journal->end + len + JOURNAL_FRAME > JOURNAL_MAX_FILE)
        return orb_fail(err, ORB_E_LIMIT,
                        "a change of %zu bytes does not fit the journal (%llu at most)", len,
                        (unsigned long long)JOURNAL_MAX_FILE);
    memcpy(frame, journal_mark, JOURNAL_MARK);
    journal_scan_put32(frame + 4, (uint32_t)len);
    journal_scan_seal(parts, journal->chain, text, len, frame + 8 + JOURNAL_CHAIN, frame + 8);
    buf_add(&all, frame, sizeof(frame));
    buf_add(&all, text, len);
    r = write_all(parts, journal->fd, &all, journal->end);
    if (r < 0) {
        journal->tail_unknown = ftruncate(journal->fd, (off_t)journal->end) < 0;
        return orb_fail(err, r, "cannot write %s", journal->path);
    }
    journal->end_before = journal->end;
    memcpy(journal->chain_before, journal->chain, JOURNAL_CHAIN);
    journal->end += all.len;
    memcpy(journal->chain, frame + 8, JOURNAL_CHAIN);
    return 0;
}

int journal_sync(struct journal *journal, const struct parts *parts, struct orb_err *err)
{
    if (fdatasync(journal->fd) < 0)
        return orb_fail(err, -errno, "cannot make %s durable", journal->path);
    follow(journal, parts);
    return 0;
}

static bool is_same(int fd, const char *path, uint64_t size)
{
    struct stat ours, there;

    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino && (uint64_t)there.st_size == size;
}

const char *journal_disturbed(struct journal *journal)
{
    struct stat st;

    if (journal->copy_fd >= 0 && !is_same(journal->copy_fd, journal->copy_path, journal->copied)) {
        close(journal->copy_fd);
        journal->copy_fd = -1;
        journal->copied = 0;
    }
    if (is_same(journal->fd, journal->path, journal->end))
        return NULL;
    if (stat(journal->path, &st) < 0)
        return errno == ENOENT ? "it was removed" : strerror(errno);
    return (uint64_t)st.st_size == journal->end ? "another file was put in its place"
                                                : "its size was changed";
}

void journal_take_back(struct journal *journal)
{
    /* Set first: after a failed sync the content of the disk is unknown. */
    journal->tail_unknown =
        ftruncate(journal->fd, (off_t)journal->end_before) < 0 || fdatasync(journal->fd) < 0;
    journal->end = journal->end_before;
    memcpy(journal->chain, journal->chain_before, JOURNAL_CHAIN);
}

static int read_one(const struct parts *parts, const char *path, uint64_t offset,
                    struct buf *ret_text, struct orb_err *err)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    AUTO(buf) struct buf image = {0};
    struct journal_record record;
    uint32_t len = 0;
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return orb_fail(err, -errno, "cannot read %s", path);
    if ((uint64_t)st.st_size < offset + 8)
        return orb_fail(err, ORB_E_IO, "%s has no record at byte %llu", path,
                        (unsigned long long)offset);
    r = read_at(fd, &len, sizeof(len), offset + JOURNAL_MARK);
    if (r == 0) {
        uint64_t want = (uint64_t)le32toh(len) + JOURNAL_FRAME;
        uint64_t have = (uint64_t)st.st_size - offset;

        size_t n = want < have ? (size_t)want : (size_t)have;

        r = read_at(fd, buf_reserve(&image, n), n, offset);
        image.len = n;
    }
    if (r < 0)
        return orb_fail(err, r, "cannot read %s", path);
    if (!journal_scan_record_at(&(struct journal_image){image.data, image.len, parts}, 0, NULL,
                                &record))
        return orb_fail(err, ORB_E_IO, "%s has no whole record at byte %llu", path,
                        (unsigned long long)offset);
    memmove(image.data, record.text, record.len);
    image.len = record.len;
    buf_fini(ret_text);
    *ret_text = image;
    image = (struct buf){0};
    return 0;
}

int journal_read(const struct parts *parts, const char *path, const char *copy_path,
                 uint64_t offset, struct buf *ret_text, struct orb_err *err)
{
    int r = read_one(parts, path, offset, ret_text, err);

    return r < 0 && read_one(parts, copy_path, offset, ret_text, NULL) == 0 ? 0 : r;
}

void journal_close(struct journal *journal)
{
    if (journal->path && journal->fd >= 0)
        close(journal->fd);
    if (journal->path && journal->copy_fd >= 0)
        close(journal->copy_fd);
    free(journal->path);
    free(journal->copy_path);
    *journal = (struct journal){.fd = -1, .copy_fd = -1};
}
