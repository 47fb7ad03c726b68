/* Captures libbpf's log: why the kernel refused a program. Keeps the first warning and, where it is
 * the verifier's, the last line of the verifier's log.
 *
 * Note: libbpf's print callback gets no context, so the target is thread-local; output outside a
 * capture is dropped. */
#include "dataplane/libbpf_log.h"

#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "core/base/own.h"
#include "dataplane/dataplane_internal.h"

#define MOST 104 /* of each is shown */

static _Thread_local struct buf *captured;

/* The line of the verifier's log with the error: the last one before its statistics. */
static void add_verdict(const char *log)
{
    const char *line = strchr(log, '\n'), *found = NULL;
    size_t len = 0;

    for (const char *next; line; line = next) {
        line++;
        next = strchr(line, '\n');
        if (!strncmp(line, "processed ", 10) || !strncmp(line, "-- END", 6) || !next)
            break;
        if (next > line) {
            found = line;
            len = (size_t)(next - line);
        }
    }
    if (found)
        buf_addf(captured, ": %.*s", len > MOST ? MOST : (int)len, found);
}

static int __attribute__((format(printf, 2, 0)))
on_print(enum libbpf_print_level level, const char *format, va_list args)
{
    AUTO_FREE char *text = NULL;
    const char *begin;

    if (!captured || level != LIBBPF_WARN || vasprintf(&text, format, args) < 0)
        return 0;
    if (strstr(text, "BEGIN PROG LOAD LOG")) {
        add_verdict(text);
        return 0;
    }
    if (captured->len || strstr(text, "Retrying")) /* what is tried again may succeed yet */
        return 0;
    begin = !strncmp(text, "libbpf: ", 8) ? text + 8 : text;
    buf_addf(captured, "%.*s", (int)strcspn(begin, "\n") > MOST ? MOST : (int)strcspn(begin, "\n"),
             begin);
    return 0;
}

void libbpf_log_capture(struct buf *ret_text)
{
    captured = ret_text;
    libbpf_set_print(on_print);
}
