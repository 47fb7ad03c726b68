/* Escapes text from outside for a terminal; the rules are in text.h. */
#include "core/base/text.h"

#include <stdint.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/utf8.h"

/* ---- what has no visible shape ---- */

struct range {
    uint32_t from, to;
};

/* Unicode 15.1: Cc, Cf, Zl, Zp, Default_Ignorable_Code_Point, and noncharacters of the first plane;
 * in ascending order. */
static const struct range unseen[] = {
    {0x00, 0x1f},       {0x7f, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},
    {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},
    {0x890, 0x891},     {0x8e2, 0x8e2},     {0x115f, 0x1160},   {0x17b4, 0x17b5},
    {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},
    {0x3164, 0x3164},   {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},
    {0xffa0, 0xffa0},   {0xfff0, 0xfffb},   {0xfffe, 0xffff},   {0x110bd, 0x110bd},
    {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0xe0000, 0xe0fff},
};

static bool is_unseen(uint32_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(unseen) && unseen[i].from <= code; i++)
        if (code <= unseen[i].to)
            return true;
    return false;
}

/* The code point at text and its length; *ret_code is UINT32_MAX for a byte that is not UTF-8. */
static size_t decode(const char *text, uint32_t *ret_code)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n;

    *ret_code = p[0];
    if (p[0] < 0x80)
        return 1;
    n = utf8_len(text, strnlen(text, 4));
    if (!n) {
        *ret_code = UINT32_MAX;
        return 1;
    }
    *ret_code = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        *ret_code = *ret_code << 6 | (p[i] & 0x3f);
    return n;
}

/* ---- escaping ---- */

static void add_escape(struct buf *b, unsigned char byte, uint32_t code)
{
    if (code == UINT32_MAX)
        buf_addf(b, "\\x%02x", byte);
    else if (code < 0x100)
        buf_addf(b, "\\x%02x", (unsigned)code);
    else if (code < 0x10000)
        buf_addf(b, "\\u%04x", (unsigned)code);
    else
        buf_addf(b, "\\U%08x", (unsigned)code);
}

void text_plain_most(struct buf *b, const char *text, size_t len, bool lines)
{
    for (size_t i = 0; i < len && text[i];) {
        uint32_t code;
        size_t n = decode(text + i, &code);

        if (n > len - i) { /* a precision that cuts a sequence */
            n = 1;
            code = UINT32_MAX;
        }
        if (lines && (code == '\n' || code == '\t'))
            buf_addc(b, (char)code);
        else if (code == UINT32_MAX || is_unseen(code))
            add_escape(b, (unsigned char)text[i], code);
        else
            buf_add(b, text + i, n);
        i += n;
    }
}

void text_plain(const char *text, struct buf *ret_text)
{
    text_plain_most(ret_text, text, SIZE_MAX, false);
}

void text_lines(const char *text, struct buf *ret_text)
{
    text_plain_most(ret_text, text, SIZE_MAX, true);
}

bool text_is_plain(const char *text)
{
    while (*text) {
        uint32_t code;

        text += decode(text, &code);
        if (code == UINT32_MAX || is_unseen(code))
            return false;
    }
    return true;
}

static void add_json_escape(struct buf *b, uint32_t code)
{
    if (code == UINT32_MAX)
        buf_adds(b, "\\ufffd");
    else if (code < 0x10000)
        buf_addf(b, "\\u%04x", (unsigned)code);
    else
        buf_addf(b, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (code >> 10)),
                 (unsigned)(0xdc00 + (code & 0x3ff)));
}

void text_json(const char *text, struct buf *ret_text)
{
    bool inside = false;

    while (*text) {
        uint32_t code;
        size_t n = decode(text, &code);

        if (!inside && (code == '\n' || code == '\t' || code == '\r'))
            buf_addc(ret_text, code == '\r' ? ' ' : (char)code);
        else if (code == UINT32_MAX || is_unseen(code))
            add_json_escape(ret_text, code);
        else
            buf_add(ret_text, text, n);
        if (code == '"')
            inside = !inside;
        if (inside && code == '\\' && text[1] >= 0x20 && text[1] < 0x7f)
            buf_addc(ret_text, *++text); /* an escaped quote ends nothing */
        text += n;
    }
}

int text_width(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}
