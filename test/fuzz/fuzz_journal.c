/* What the config service reads back from its disk: a journal and its second copy. The first byte
 * chooses.
 *
 * 'j': two files as they are: u32 length of the first, the first, the second. Whatever they
 * contain, the records that are returned follow one another and are complete.
 *
 * otherwise: a journal is made (each byte up to the first zero is the length of a record), then
 * damaged by the bytes behind: {file, place (2), xor}. What is read must be the beginning of what
 * was written, and all of it when one file alone was damaged. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/journal.h"
#include "plugins/config/journal_internal.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 400.0

static size_t made; /* bytes of output */

#define MAX_RECORDS 40u
#define MAX_DAMAGES 64u
#define FRAME_MIN 40u /* of the first format */

struct seen {
    const struct journal_scan *scan;
    struct buf texts;
    uint64_t records, end;
};

static bool is_inside(const struct journal_image *image, uint64_t offset, const char *text,
                      size_t len)
{
    return text > image->data + offset && text + len <= image->data + image->len;
}

static int on_record(void *arg, uint64_t offset, const char *text, size_t len, struct orb_err *err)
{
    struct seen *seen = arg;

    if (offset < seen->end || (!is_inside(&seen->scan->main, offset, text, len) &&
                               !is_inside(&seen->scan->copy, offset, text, len)))
        abort();
    seen->end = offset + FRAME_MIN + len;
    seen->records++;
    buf_add(&seen->texts, text, len);
    return 0;
}

static void scan_files(const struct journal_scan *scan, struct seen *seen,
                       struct journal_found *ret_found)
{
    size_t longest = scan->main.len > scan->copy.len ? scan->main.len : scan->copy.len;

    seen->scan = scan;
    if (journal_scan(scan, on_record, seen, ret_found, NULL) < 0)
        abort();
    if (ret_found->end > longest || ret_found->records != seen->records ||
        (ret_found->records && ret_found->end < seen->end) ||
        ret_found->repaired > ret_found->records + 1)
        abort();
    if (journal_scan_behind(&scan->main, ret_found->end ? ret_found->end : JOURNAL_HEAD, NULL,
                            NULL) &&
        !ret_found->damaged)
        abort();
}

static void as_they_are(const uint8_t *data, size_t len)
{
    struct journal_scan scan = {0};
    struct journal_found found;
    struct seen seen = {0};
    uint32_t first;

    if (len < 4)
        return;
    memcpy(&first, data, 4);
    first %= (uint32_t)(len - 4 + 1);
    scan.main = (struct journal_image){(const char *)data + 4, first};
    scan.copy = (struct journal_image){(const char *)data + 4 + first, len - 4 - first};
    scan_files(&scan, &seen, &found);
    made += seen.texts.len;
    buf_fini(&seen.texts);
}

static void add_record(struct buf *file, uint8_t chain[JOURNAL_CHAIN], const struct buf *text)
{
    uint8_t frame[JOURNAL_FRAME];

    memcpy(frame, journal_mark, JOURNAL_MARK);
    journal_scan_put32(frame + 4, (uint32_t)text->len);
    journal_scan_seal(NULL, chain, text->data, text->len, frame + 8 + JOURNAL_CHAIN, frame + 8);
    memcpy(chain, frame + 8, JOURNAL_CHAIN);
    buf_add(file, frame, sizeof(frame));
    buf_add(file, text->data, text->len);
}

/* Returns how many bytes of data it took. */
static size_t make(const uint8_t *data, size_t len, struct buf *file, struct buf *texts)
{
    uint8_t chain[JOURNAL_CHAIN] = {0};
    size_t n = 0;

    buf_add(file, journal_magic, JOURNAL_MAGIC);
    buf_add(file, chain, sizeof(chain));
    for (; n < len && n < MAX_RECORDS && data[n]; n++) {
        AUTO(buf) struct buf text = {0};

        while (text.len < data[n])
            buf_addc(&text, (char)('a' + (n + text.len) % 26));
        add_record(file, chain, &text);
        buf_add(texts, text.data, text.len);
    }
    return n < len ? n + 1 : n;
}

static void damaged(const uint8_t *data, size_t len)
{
    AUTO(buf) struct buf main = {0};
    AUTO(buf) struct buf copy = {0};
    AUTO(buf) struct buf texts = {0};
    static const uint8_t zeros[JOURNAL_CHAIN];
    struct journal_scan scan = {.chain = zeros};
    struct journal_found found;
    struct seen seen = {0};
    bool hit[2] = {false, false};
    size_t at = make(data, len, &main, &texts);

    buf_add(&copy, main.data, main.len);
    for (unsigned i = 0; at + 4 <= len && i < MAX_DAMAGES; i++, at += 4) {
        struct buf *file = data[at] & 1 ? &copy : &main;
        size_t place = (data[at + 1] | (size_t)data[at + 2] << 8) % file->len;

        file->data[place] = (char)((uint8_t)file->data[place] ^ data[at + 3]);
        hit[data[at] & 1] |= data[at + 3] != 0;
    }
    scan.main = (struct journal_image){main.data, main.len};
    scan.copy = (struct journal_image){copy.data, copy.len};
    scan_files(&scan, &seen, &found);
    if (seen.texts.len > texts.len ||
        (seen.texts.len && memcmp(seen.texts.data, texts.data, seen.texts.len)))
        abort(); /* something that was not written */
    if (seen.texts.len < texts.len && !found.damaged)
        abort(); /* something is missing, silently */
    if (!(hit[0] && hit[1]) && seen.texts.len != texts.len)
        abort(); /* the other file has it */
    buf_fini(&seen.texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int one(const uint8_t *data, size_t len)
{
    if (!len || sodium_init() < 0)
        return 0;
    if (data[0] == 'j')
        as_they_are(data + 1, len - 1);
    else
        damaged(data + 1, len - 1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double before = cpu_ms();

    made = 0;
    one(data, size);
    must_fit(made, 65536, 4, size);
    must_end(before, MOST_MS, size);
    return 0;
}
