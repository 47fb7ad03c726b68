/* A log file as any program may have left it. The first byte chooses the question; whatever the
 * file holds, an answer is JSON, its records rise, and walking all pages comes to an end. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/scan.h"
#include "core/obs/logline.h"
#include "core/obs/logread.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 800.0

static size_t made; /* bytes of output */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct logread_page *page, const struct logread_query *q)
{
    for (size_t i = page->from; i < page->count; i++) {
        const struct logread_item *item = &page->items[i];
        struct logline line;
        AUTO(buf) struct buf text = {0};

        if (!logline_read(item->text, item->len, &line) || line.seq != item->seq ||
            scan_json(item->text, item->len, NULL, NULL) < 0 || !logread_fits(q, &line))
            abort();
        if (i > page->from && item->seq <= page->items[i - 1].seq)
            abort();
        logline_sentence(item->text, item->len, &text);
        made += item->len + text.len;
    }
}

/* Page after page; each must go on. */
static void walk(const char *path, struct logread_query q)
{
    bool more = true;

    while (more) {
        struct logread_page page = {0};
        struct orb_err err;

        if (logread_files(path, &q, &page, &err) < 0)
            abort();
        check(&page, &q);
        more = page.more;
        if (more && (q.newest ? q.before && page.edge >= q.before : page.edge <= q.after))
            abort();
        *(q.newest ? &q.before : &q.after) = page.edge;
        logread_page_fini(&page);
    }
}

static int one(const uint8_t *data, size_t size)
{
    struct logread_query q = {.limit = 3, .bytes = 100000};
    char path[] = "/tmp/orbital-fuzz-XXXXXX";
    AUTO(buf) struct buf runs = {0};
    int fd;

    if (size < 2)
        return 0;
    fd = mkstemp(path);
    if (fd < 0)
        return 0;
    q.newest = data[0] & 1;
    q.service = data[0] & 2 ? "a" : NULL;
    q.limit = data[0] & 4 ? 1 : 3;
    if (write(fd, data + 1, size - 1) == (ssize_t)size - 1) {
        walk(path, q);
        logread_runs(path, &runs);
    }
    close(fd);
    unlink(path);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double before = cpu_ms();

    made = 0;
    one(data, size);
    must_fit(made, 4096, 256, size);
    must_end(before, MOST_MS, size);
    return 0;
}
