/* Reading and writing journals. A write that fails half-way is taken back at once, so a full disk
 * never leaves bytes that the next record would stand behind. */
#include "plugins/config/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/own.h"

static const char file_magic[8] = "orbjrn1\n";
static const char record_magic[4] = "OJR1";

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}

static void chain_next(const uint8_t *chain, const char *text, size_t len, uint8_t *ret_chain)
{
    crypto_generichash_state state;
    uint8_t size[4];

    put32(size, (uint32_t)len);
    crypto_generichash_init(&state, NULL, 0, JOURNAL_CHAIN);
    crypto_generichash_update(&state, chain, JOURNAL_CHAIN);
    crypto_generichash_update(&state, size, sizeof(size));
    crypto_generichash_update(&state, (const uint8_t *)text, len);
    crypto_generichash_final(&state, ret_chain, JOURNAL_CHAIN);
}

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

int journal_create(const char *path, const uint8_t chain[JOURNAL_CHAIN],
                   struct journal *ret_journal, struct orb_err *err)
{
    uint8_t head[JOURNAL_HEAD];
    struct journal j = {.end = JOURNAL_HEAD};
    int r;

    memcpy(head, file_magic, sizeof(file_magic));
    memcpy(head + sizeof(file_magic), chain, JOURNAL_CHAIN);
    memcpy(j.chain, chain, JOURNAL_CHAIN);
    r = file_replace(path, head, sizeof(head), 0600, err);
    if (r < 0)
        return r;
    j.fd = open(path, O_RDWR | O_CLOEXEC);
    if (j.fd < 0)
        return orb_fail(err, -errno, "cannot open %s", path);
    j.path = xstrdup(path);
    *ret_journal = j;
    return 0;
}

size_t journal_walk(const char *data, size_t len, const uint8_t *chain, journal_fn *cb, void *arg,
                    uint8_t ret_chain[JOURNAL_CHAIN], int *ret_result, struct orb_err *err)
{
    uint8_t now[JOURNAL_CHAIN], next[JOURNAL_CHAIN];
    size_t at = JOURNAL_HEAD;

    *ret_result = 0;
    if (len < JOURNAL_HEAD || memcmp(data, file_magic, sizeof(file_magic)) ||
        (chain && memcmp(data + sizeof(file_magic), chain, JOURNAL_CHAIN)))
        return 0;
    memcpy(now, data + sizeof(file_magic), JOURNAL_CHAIN);
    while (len - at >= JOURNAL_FRAME) {
        const uint8_t *frame = (const uint8_t *)data + at;
        const char *text = data + at + JOURNAL_FRAME;
        uint32_t size = get32(frame + 4);

        if (memcmp(frame, record_magic, sizeof(record_magic)) || size > JOURNAL_MAX_RECORD ||
            size > len - at - JOURNAL_FRAME)
            break;
        chain_next(now, text, size, next);
        if (memcmp(next, frame + 8, JOURNAL_CHAIN))
            break;
        *ret_result = cb(arg, at, text, size, err);
        if (*ret_result < 0)
            break;
        memcpy(now, next, JOURNAL_CHAIN);
        at += JOURNAL_FRAME + size;
    }
    memcpy(ret_chain, now, JOURNAL_CHAIN);
    return at;
}

/* Takes the bytes from end on out of the file; they stay readable in PATH.cut. */
static int cut_tail(const struct journal *j, const struct buf *data, struct orb_err *err)
{
    AUTO_FREE char *cut = xasprintf("%s.cut", j->path);
    int r = file_replace(cut, data->data + j->end, data->len - j->end, 0600, err);

    if (r < 0)
        return r;
    if (ftruncate(j->fd, (off_t)j->end) < 0 || fdatasync(j->fd) < 0)
        return orb_fail(err, -errno, "cannot cut the torn end off %s", j->path);
    return 0;
}

int journal_open(const char *path, bool writable, const uint8_t *chain, journal_fn *cb, void *arg,
                 struct journal *ret_journal, uint64_t *ret_cut, struct orb_err *err)
{
    AUTO(buf) struct buf data = {0};
    struct journal j = {.fd = -1};
    int r, result = 0;

    r = file_read(path, JOURNAL_MAX_FILE, &data, err);
    if (r < 0)
        return r;
    j.end = journal_walk(buf_str(&data), data.len, chain, cb, arg, j.chain, &result, err);
    if (result < 0)
        return orb_wrap(err, "%s", path);
    if (j.end < JOURNAL_HEAD)
        return orb_fail(err, ORB_E_STATE, "%s is not a journal of this history", path);
    *ret_cut = data.len - j.end;
    if (!writable)
        return 0;
    j.fd = open(path, O_RDWR | O_CLOEXEC);
    if (j.fd < 0)
        return orb_fail(err, -errno, "cannot open %s", path);
    j.path = xstrdup(path);
    r = *ret_cut ? cut_tail(&j, &data, err) : 0;
    if (r < 0) {
        journal_close(&j);
        return r;
    }
    *ret_journal = j;
    return 0;
}

int journal_append(struct journal *journal, const char *text, size_t len, struct orb_err *err)
{
    uint8_t frame[JOURNAL_FRAME];
    AUTO(buf) struct buf all = {0};
    int r;

    if (len > JOURNAL_MAX_RECORD || journal->end + len + JOURNAL_FRAME > JOURNAL_MAX_FILE)
        return orb_fail(err, ORB_E_LIMIT, "a change of %zu bytes does not fit the journal (%u)",
                        len, JOURNAL_MAX_RECORD);
    memcpy(frame, record_magic, sizeof(record_magic));
    put32(frame + 4, (uint32_t)len);
    chain_next(journal->chain, text, len, frame + 8);
    buf_add(&all, frame, sizeof(frame));
    buf_add(&all, text, len);
    r = write_at(journal->fd, all.data, all.len, journal->end);
    if (r < 0) {
        int why = ftruncate(journal->fd, (off_t)journal->end) < 0 ? -errno : 0;

        return orb_fail(err, r, "cannot write the journal%s",
                        why ? " (and cannot take it back)" : "");
    }
    journal->end += all.len;
    memcpy(journal->chain, frame + 8, JOURNAL_CHAIN);
    return 0;
}

int journal_sync(struct journal *journal, struct orb_err *err)
{
    if (fdatasync(journal->fd) < 0)
        return orb_fail(err, -errno, "cannot make the journal durable");
    return 0;
}

int journal_read(const char *path, uint64_t offset, struct buf *ret_text, struct orb_err *err)
{
    uint8_t frame[JOURNAL_FRAME];
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint32_t size, got = 0;

    if (fd < 0)
        return orb_fail(err, -errno, "cannot read %s", path);
    if (pread(fd, frame, sizeof(frame), (off_t)offset) != (ssize_t)sizeof(frame) ||
        memcmp(frame, record_magic, sizeof(record_magic)) || get32(frame + 4) > JOURNAL_MAX_RECORD)
        return orb_fail(err, ORB_E_IO, "%s has no record at byte %llu", path,
                        (unsigned long long)offset);
    size = get32(frame + 4);
    buf_clear(ret_text);
    buf_reserve(ret_text, size);
    while (got < size) {
        ssize_t n =
            pread(fd, ret_text->data + got, size - got, (off_t)(offset + JOURNAL_FRAME + got));

        if (n <= 0)
            return orb_fail(err, n < 0 ? -errno : ORB_E_IO, "cannot read %s", path);
        got += (uint32_t)n;
    }
    ret_text->len = size;
    ret_text->data[size] = '\0';
    return 0;
}

void journal_close(struct journal *journal)
{
    if (journal->path && journal->fd >= 0)
        close(journal->fd);
    free(journal->path);
    *journal = (struct journal){.fd = -1};
}
