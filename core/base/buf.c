#include "core/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/pointer.h"
#include "core/base/utf8.h"
#include "core/base/xalloc.h"

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
    char *to = buf_reserve(b, 1 + pointer_escaped_len(token));

    *to = '/';
    to = pointer_escape(to + 1, token);
    *to = '\0';
    b->len = (size_t)(to - b->data);
}

char *buf_format(const char *format, ...)
{
    struct buf b = {0};
    va_list args;

    va_start(args, format);
    buf_addv(&b, format, args);
    va_end(args);
    return buf_take(&b);
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

/* One character; returns its bytes in text. */
static size_t add_escaped(struct buf *b, const char *text, size_t left)
{
    unsigned char c = (unsigned char)*text;
    size_t n = 1;

    if (c == '"' || c == '\\')
        buf_add(b, (const char[]){'\\', (char)c}, 2);
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

/* How many bytes from the first on stand for themselves. */
static size_t plain_len(const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

void buf_add_json(struct buf *b, const char *text, size_t len)
{
    buf_addc(b, '"');
    for (size_t i = 0; i < len;) {
        size_t n = plain_len(text + i, len - i);

        buf_add(b, text + i, n);
        i += n;
        if (i < len)
            i += add_escaped(b, text + i, len - i);
    }
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
