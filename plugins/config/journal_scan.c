/* Reading of journals. A record is read from both files at the same offset; where neither has it,
 * either the end was torn by a power cut or data was damaged: valid records after it, or any data
 * there in the second copy, mean that it had been durable. */
#include <sodium.h>
#include <string.h>

#include "plugins/config/journal.h"
#include "plugins/config/journal_internal.h"

const char journal_magic[JOURNAL_MAGIC + 1] = "orbjrn2\n";
const char journal_mark[JOURNAL_MARK + 1] = "OJR2";
static const char magic_1[JOURNAL_MAGIC + 1] = "orbjrn1\n";
static const char mark_1[JOURNAL_MARK + 1] = "OJR1";
#define FRAME_1 40u
#define SECTOR 512u
#define HASHED_AT_ONCE (64u * 1024)

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void journal_scan_put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}

/* BLAKE2b of {before (may be NULL), size, text}. */
static void hash_text(const struct parts *parts, const uint8_t *before, const char *text,
                      size_t len, uint8_t *ret_hash)
{
    crypto_generichash_state state;
    uint8_t size[4];

    journal_scan_put32(size, (uint32_t)len);
    crypto_generichash_init(&state, NULL, 0, JOURNAL_CHAIN);
    if (before)
        crypto_generichash_update(&state, before, JOURNAL_CHAIN);
    crypto_generichash_update(&state, size, sizeof(size));
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < HASHED_AT_ONCE ? len - at : HASHED_AT_ONCE;
        crypto_generichash_update(&state, (const uint8_t *)text + at, n);
        parts_pause(parts);
    }
    crypto_generichash_final(&state, ret_hash, JOURNAL_CHAIN);
}

void journal_scan_seal(const struct parts *parts, const uint8_t *before, const char *text,
                       size_t len, uint8_t *ret_sum, uint8_t *ret_chain)
{
    uint8_t both[2 * JOURNAL_CHAIN];

    hash_text(parts, NULL, text, len, ret_sum);
    memcpy(both, before, JOURNAL_CHAIN);
    memcpy(both + JOURNAL_CHAIN, ret_sum, JOURNAL_CHAIN);
    crypto_generichash(ret_chain, JOURNAL_CHAIN, both, sizeof(both), NULL, 0);
}

/* Records of the first format can be verified only by the chain. */
static bool old_record_at(const struct journal_image *image, uint64_t at, const uint8_t *before,
                          struct journal_record *ret_record)
{
    const uint8_t *frame = (const uint8_t *)image->data + at;
    struct journal_record r = {.text = image->data + at + FRAME_1};

    if (image->len - at < FRAME_1 || memcmp(frame, mark_1, JOURNAL_MARK))
        return false;
    r.len = get32(frame + 4);
    if (r.len > JOURNAL_MAX_RECORD || r.len > image->len - at - FRAME_1)
        return false;
    r.size = FRAME_1 + r.len;
    memcpy(r.chain, frame + 8, JOURNAL_CHAIN);
    if (before) {
        uint8_t want[JOURNAL_CHAIN];

        hash_text(NULL, before, r.text, r.len, want);
        if (memcmp(want, r.chain, JOURNAL_CHAIN))
            return false;
    } else if (r.len < 2 || r.text[0] != '{' || r.text[r.len - 1] != '}') {
        return false;
    }
    *ret_record = r;
    return true;
}

bool journal_scan_record_at(const struct journal_image *image, uint64_t at, const uint8_t *before,
                            struct journal_record *ret_record)
{
    const uint8_t *frame = (const uint8_t *)image->data + at;
    struct journal_record r = {0};
    uint8_t sum[JOURNAL_CHAIN], chain[JOURNAL_CHAIN];

    if (at >= image->len)
        return false;
    if (image->len - at < JOURNAL_FRAME || memcmp(frame, journal_mark, JOURNAL_MARK))
        return old_record_at(image, at, before, ret_record);
    r.text = image->data + at + JOURNAL_FRAME;
    r.len = get32(frame + 4);
    if (r.len > JOURNAL_MAX_RECORD || r.len > image->len - at - JOURNAL_FRAME)
        return false;
    r.size = JOURNAL_FRAME + r.len;
    memcpy(r.chain, frame + 8, JOURNAL_CHAIN);
    journal_scan_seal(image->parts, before ? before : r.chain, r.text, r.len, sum, chain);
    if (memcmp(sum, frame + 8 + JOURNAL_CHAIN, JOURNAL_CHAIN) ||
        (before && memcmp(chain, r.chain, JOURNAL_CHAIN)))
        return false;
    *ret_record = r;
    return true;
}

const uint8_t *journal_scan_head(const struct journal_image *image)
{
    if (image->len < JOURNAL_HEAD || (memcmp(image->data, journal_magic, JOURNAL_MAGIC) &&
                                      memcmp(image->data, magic_1, JOURNAL_MAGIC)))
        return NULL;
    return (const uint8_t *)image->data + JOURNAL_MAGIC;
}

uint64_t journal_scan_behind(const struct journal_image *image, uint64_t from, journal_fn *cb,
                             void *arg)
{
    uint64_t at = from, n = 0;

    while (at < image->len) {
        const char *start = image->data + at;
        const char *p = memmem(start, image->len - at, "OJR", 3);
        struct journal_record record;

        if (!p)
            break;
        at += (uint64_t)(p - start);
        if (!journal_scan_record_at(image, at, NULL, &record)) {
            at++;
            continue;
        }
        n++;
        if (cb)
            cb(arg, at, record.text, record.len, NULL);
        at += record.size;
    }
    return n;
}

/* The initial chain value. A damaged head is no reason to fail: its value is known from the
 * snapshot, or from the copy, and the first record shows which is right. */
static bool begin(const struct journal_scan *scan, uint8_t *ret_chain)
{
    const uint8_t *tries[] = {scan->chain, journal_scan_head(&scan->main),
                              journal_scan_head(&scan->copy)};
    const uint8_t *first = NULL;
    struct journal_record record;

    for (size_t i = 0; i < 3; i++) {
        if (!tries[i])
            continue;
        if (!first)
            first = tries[i];
        if (scan->chain && i)
            break; /* what is known is not to be argued with */
        if (journal_scan_record_at(&scan->main, JOURNAL_HEAD, tries[i], &record) ||
            journal_scan_record_at(&scan->copy, JOURNAL_HEAD, tries[i], &record)) {
            first = tries[i];
            break;
        }
    }
    if (first)
        memcpy(ret_chain, first, JOURNAL_CHAIN);
    return first;
}

static bool is_head(const struct journal_scan *scan, void *arg, const uint8_t *chain, bool at_end)
{
    if (scan->takes_over)
        return scan->takes_over(arg, chain, at_end);
    for (size_t i = 0; i < 2; i++)
        if (scan->heads[i] && memcmp(scan->heads[i], chain, JOURNAL_CHAIN) == 0)
            return true;
    return false;
}

static void check_end(const struct journal_scan *scan, struct journal_found *found)
{
    uint64_t end = found->end ? found->end : JOURNAL_HEAD;

    found->tail = scan->main.len > found->end ? scan->main.len - found->end : 0;
    found->damaged =
        !found->taken_over && !found->closed &&
        (scan->copy.len > end || journal_scan_behind(&scan->main, end, NULL, NULL) > 0);
}

/* Sectors of zeros are what a power cut leaves in a file that is not synced. */
static bool is_lost_sector(const struct journal_image *image, uint64_t at)
{
    uint64_t from = at / SECTOR * SECTOR;
    uint64_t to = from + SECTOR < image->len ? from + SECTOR : image->len;

    for (uint64_t i = from; i < to; i++)
        if (image->data[i])
            return false;
    return true;
}

/* Whether image, as far as it reaches, differs from want in these bytes in a way a power cut does
 * not cause. */
static bool is_rotten(const struct journal_image *image, const struct journal_image *want,
                      uint64_t from, uint64_t size, uint64_t *ret_at)
{
    uint64_t to = from + size < image->len ? from + size : image->len;

    if (from >= to || memcmp(image->data + from, want->data + from, to - from) == 0)
        return false;
    while (image->data[from] == want->data[from])
        from++;
    *ret_at = from;
    return !is_lost_sector(image, from);
}

static void check_copy(const struct journal_scan *scan, uint64_t from, uint64_t size,
                       struct journal_found *found)
{
    if (!found->copy_rotten)
        found->copy_rotten = is_rotten(&scan->copy, &scan->main, from, size, &found->copy_bad);
}

/* A head that is not what it must be counts as something the copy had to give. */
static void check_head(const struct journal_scan *scan, struct journal_found *found)
{
    const uint8_t *head = journal_scan_head(&scan->main);

    if (head && memcmp(head, found->chain, JOURNAL_CHAIN) == 0) {
        check_copy(scan, 0, JOURNAL_HEAD, found);
        return;
    }
    found->repaired++;
    found->holes = true;
}

/* The record at found->end from the file that has it; false: neither has, or they do not agree. */
static bool next_record(const struct journal_scan *scan, struct journal_found *found,
                        struct journal_record *ret_record)
{
    const struct journal_image *main = &scan->main, *copy = &scan->copy;
    uint64_t at = found->end, bad;
    struct journal_record other;

    if (!journal_scan_record_at(main, at, found->chain, ret_record)) {
        if (!journal_scan_record_at(copy, at, found->chain, ret_record))
            return false;
        if (!found->repaired++)
            found->first_bad = at;
        found->holes |= main->len > at + ret_record->size ||
                        found->repaired > JOURNAL_TORN_RECORDS ||
                        is_rotten(main, copy, at, ret_record->size, &bad);
        return true;
    }
    if (copy->len > at && copy->len - at >= ret_record->size &&
        !memcmp(main->data + at, copy->data + at, ret_record->size))
        return true;
    found->disputed = journal_scan_record_at(copy, at, found->chain, &other);
    if (!found->disputed)
        check_copy(scan, at, ret_record->size, found);
    return !found->disputed;
}

/* Where a later journal takes over, a last record reports it; it may be damaged like any other. */
static void check_closing(const struct journal_scan *scan, struct journal_found *found)
{
    struct journal_record record;

    if (journal_scan_record_at(&scan->main, found->end, found->chain, &record)) {
        check_copy(scan, found->end, record.size, found);
    } else if (journal_scan_record_at(&scan->copy, found->end, found->chain, &record)) {
        if (!found->repaired++)
            found->first_bad = found->end;
        found->holes = true;
    }
}

int journal_scan(const struct journal_scan *scan, journal_fn *cb, void *arg,
                 struct journal_found *ret_found, struct orb_err *err)
{
    struct journal_found found = {0};
    struct journal_record record;
    int r = 0;

    *ret_found = found;
    if (!begin(scan, found.chain)) {
        check_end(scan, ret_found);
        return 0;
    }
    /* A file that was never more than a piece of its head has nothing to be chained to. */
    if (scan->main.len < JOURNAL_HEAD && scan->copy.len < JOURNAL_HEAD) {
        check_end(scan, ret_found);
        return 0;
    }
    check_head(scan, &found);
    memcpy(found.begin, found.chain, JOURNAL_CHAIN);
    found.end = JOURNAL_HEAD;
    for (;;) {
        found.taken_over = is_head(scan, arg, found.chain, false);
        if (!found.taken_over && !next_record(scan, &found, &record)) {
            found.taken_over = is_head(scan, arg, found.chain, true);
            if (!found.taken_over)
                break;
        }
        if (found.taken_over) {
            check_closing(scan, &found);
            break;
        }
        r = cb(arg, found.end, record.text, record.len, err);
        found.closed = r > 0;
        if (found.closed)
            found.taken_over = is_head(scan, arg, found.chain, true);
        if (r)
            break;
        memcpy(found.chain, record.chain, JOURNAL_CHAIN);
        found.end += record.size;
        found.records++;
    }
    check_end(scan, &found);
    *ret_found = found;
    return r < 0 ? r : 0;
}
