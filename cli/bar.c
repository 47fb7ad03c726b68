/* A progress bar on stderr: see bar.h. */
#include "cli/bar.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/out.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/utf8.h"

#define SHOW_AFTER_MS 1000
#define CELLS 20u     /* of the bar */
#define LINE_MIN 20u  /* columns; below, the terminal did not tell */
#define LINE_MAX 120u /* columns */

static unsigned columns_of(int fd)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col < LINE_MIN)
        return 80;
    return size.ws_col < LINE_MAX ? size.ws_col : LINE_MAX;
}

void bar_begin(struct bar *bar)
{
    *bar = (struct bar){.began_ms = now_ms(),
                        .wanted = isatty(STDERR_FILENO) == 1,
                        .state = {.percent = PROGRESS_UNKNOWN}};
}

/* Bytes of text that are whole characters and at most `most`. */
static size_t fitting(const char *text, size_t most)
{
    size_t len = strlen(text), n = 0, next = 0;

    while (n + next <= most && (n += next) < len) {
        next = utf8_len(text + n, len - n);
        next = next ? next : 1;
    }
    return n;
}

void bar_text(const struct bar *bar, unsigned seconds, unsigned columns, struct buf *to)
{
    AUTO(buf) struct buf phase = {0};
    int percent = bar->state.percent;
    size_t from = to->len, room;

    if (percent != PROGRESS_UNKNOWN) {
        unsigned full = CELLS * (unsigned)percent / 100;

        buf_adds(to, "[");
        for (unsigned i = 0; i < CELLS; i++)
            buf_adds(to, i < full ? "#" : ".");
        buf_addf(to, "] %3d %%  ", percent);
    }
    text_plain(bar->state.phase[0] ? bar->state.phase : "in progress", &phase);
    buf_addf(&phase, "  %u s", seconds);
    room = columns > to->len - from + 1 ? columns - (unsigned)(to->len - from) - 1 : 0;
    buf_add(to, buf_str(&phase), fitting(buf_str(&phase), room));
}

void bar_update(struct bar *bar, const struct progress_state *state)
{
    AUTO(buf) struct buf line = {0};
    uint64_t passed = now_ms() - bar->began_ms;

    bar->state = *state;
    if (!bar->wanted || passed < SHOW_AFTER_MS)
        return;
    bar_text(bar, (unsigned)(passed / 1000), columns_of(STDERR_FILENO), &line);
    out_err("\r%s\033[K", buf_str(&line));
    bar->shown = true;
}

void bar_remove(struct bar *bar)
{
    if (bar->shown)
        out_err("\r\033[K");
    bar->shown = false;
}
