/* Records, metrics and output of services. Pieces, each up to a NUL byte; its first byte chooses:
 * 'l' the payload of a LOG frame, 'm' of a METRIC frame, 'o' bytes of stdout. Whatever they are,
 * the resulting logs and metrics are JSON and OpenMetrics, forge no other line, and have a limit.
 */
#include <stdint.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/scan.h"
#include "core/obs/logs.h"
#include "core/obs/metrics.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 400.0 /* for an input of 4 KB, with sanitizers */
#define METRICS_MOST 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void say(struct logs *logs, struct metrics *metrics, const char *text, size_t len)
{
    bool scanned = len && scan_json(text + 1, len - 1, NULL, NULL) == 0;

    if (!len)
        return;
    if (text[0] == 'o')
        logs_output(logs, "a", text + 1, len - 1);
    else if (scanned && text[0] == 'l') /* the broker lets nothing else through */
        logs_record(logs, "a", text + 1, len - 1);
    else if (scanned && text[0] == 'm')
        metrics_frame(metrics, "a", text + 1, len - 1, 1);
}

/* # TYPE NAME KIND, # EOF, or NAME{LABELS} NUMBER with a name of ours and service "a". */
static void check_line(const char *line, size_t len)
{
    const char *label = memmem(line, len, "{service=\"a\"} ", 14);
    size_t name = label ? (size_t)(label - line) : 0;

    if (len && line[0] == '#') {
        must(len > 2 && line[1] == ' ', "a comment that is none");
        return;
    }
    if (!strncmp(line, "orbital_metrics_refused_total ", 30))
        return; /* the host's own */
    must(label && name > 16 && !strncmp(line, "orbital_service_", 16),
         "a metric without a service");
    must(strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_") == name, "a name that is none");
    must(strspn(label + 14, "0123456789.+-einfa") == len - name - 14, "a value that is no number");
}

static void check_metrics(const struct buf *text)
{
    must(text->len < METRICS_MOST, "too many metrics");
    for (size_t at = 0; at < text->len;) {
        size_t len = strcspn(text->data + at, "\n");

        check_line(text->data + at, len);
        at += len + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct logs_options options = {.output = LOGS_QUIET, .level = LOG_LEVEL_DEBUG};
    struct logs_query query = {.limit = 1000};
    AUTO(buf) struct buf found = {0}, text = {0};
    struct metrics *metrics = metrics_new();
    double before = cpu_ms();
    char last[METRICS_NAME];
    struct logs *logs;

    must(logs_new(&options, &logs, NULL) == 0, "no log");
    for (size_t at = 0; at < size;) {
        const uint8_t *nul = memchr(data + at, 0, size - at);
        size_t len = nul ? (size_t)(nul - data) - at : size - at;

        say(logs, metrics, (const char *)data + at, len);
        at += len + 1;
    }
    logs_find(logs, &query, &found);
    must(found.len <= LOGS_ANSWER + 1024, "an answer over its limit");
    must(scan_json(found.data, found.len, &(struct json_limits){.depth = 40, .keys = 1 << 20},
                   NULL) == 0,
         "records that are no JSON");
    must(!memchr(found.data, '\n', found.len), "a record of two lines");
    metrics_page(metrics, "", SIZE_MAX, &text, last);
    check_metrics(&text);
    logs_free(logs);
    metrics_free(metrics);
    must(cpu_ms() - before < MOST_MS * (1 + (double)size / 4096), "it took too long");
    return 0;
}
