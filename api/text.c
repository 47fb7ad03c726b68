/* Growable text and what is written with it: JSON strings and pointers. */
#include "api/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_fini(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}

static char *room(struct text *t, size_t more)
{
    if (t->failed)
        return NULL;
    if (t->len + more + 1 > t->cap) {
        size_t cap = t->cap ? t->cap : 256;
        char *data;

        while (cap < t->len + more + 1)
            cap *= 2;
        data = realloc(t->data, cap);
        if (!data) {
            text_fini(t);
            t->failed = true;
            return NULL;
        }
        t->data = data;
        t->cap = cap;
    }
    return t->data + t->len;
}

void text_add(struct text *t, const char *data, size_t len)
{
    char *to = room(t, len);

    if (!to)
        return;
    if (len)
        memcpy(to, data, len);
    t->len += len;
    t->data[t->len] = '\0';
}

void text_adds(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_addf(struct text *t, const char *format, ...)
{
    char small[512];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < (int)sizeof small) {
        text_add(t, small, n > 0 ? (size_t)n : 0);
        return;
    }
    if (!room(t, (size_t)n))
        return;
    va_start(args, format);
    vsnprintf(t->data + t->len, (size_t)n + 1, format, args);
    va_end(args);
    t->len += (size_t)n;
}

size_t text_utf8_len(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (!n || p[0] > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

void text_add_json(struct text *t, const char *s, size_t len)
{
    size_t from = 0;

    text_add(t, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        size_t n = text_utf8_len(s + i, len - i);

        if (n && c >= 0x20 && c != '"' && c != '\\') {
            i += n - 1;
            continue;
        }
        text_add(t, s + from, i - from);
        from = i + 1;
        if (!n)
            text_adds(t, "\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            text_addf(t, "\\%c", c);
        else if (c == '\n')
            text_adds(t, "\\n");
        else if (c == '\t')
            text_adds(t, "\\t");
        else if (c == '\r')
            text_adds(t, "\\r");
        else
            text_addf(t, "\\u%04x", c);
    }
    text_add(t, s + from, len - from);
    text_add(t, "\"", 1);
}

void text_add_member(struct text *t, const char *key, const char *value)
{
    if (t->len && t->data[t->len - 1] != '{')
        text_add(t, ",", 1);
    text_add_json(t, key, strlen(key));
    text_add(t, ":", 1);
    text_add_json(t, value, strlen(value));
}

void text_add_pointer(struct text *t, const char *token)
{
    text_add(t, "/", 1);
    for (; *token; token++) {
        if (*token == '~')
            text_adds(t, "~0");
        else if (*token == '/')
            text_adds(t, "~1");
        else
            text_add(t, token, 1);
    }
}

const char *text_str(const struct text *t)
{
    return t->data ? t->data : "";
}
