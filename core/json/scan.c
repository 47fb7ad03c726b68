/* The strict scanner every text from outside passes once. It is on the broker's path of every
 * frame, so an object of up to FEW_KEYS members allocates nothing; larger ones get a hash table
 * whose hash is keyed per process, because the keys come from outside. */
#include "core/base/utf8.h"
#include "core/json/scan.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

#include "core/base/own.h"
#include "core/json/json.h"
#include "core/json/scan_keys.h"

#define DEEPEST 256     /* upper bound of limits: each level takes ~600 bytes of stack */
#define NUMBER_BYTES 63 /* cJSON reads no longer literal */

struct scan {
    const char *text;
    const char *p;
    const char *end;
    uint32_t depth;
    uint32_t max_depth;
    uint32_t max_keys;
    struct key_source source;
    const struct json_limits *limits; /* NULL: it does not pause */
    struct orb_err *err;
};

static int value(struct scan *s);

/* "at byte 12 (2:5)"; line and column count from 1, a column is a character. */
static void place(const struct scan *s, const char *at, char *to, size_t size)
{
    size_t line = 1, column = 1;

    for (const char *p = s->text; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if ((*p & 0xc0) != 0x80) {
            column++;
        }
    }
    snprintf(to, size, "at byte %zu (%zu:%zu)", (size_t)(at - s->text), line, column);
}

static void found(const struct scan *s, const char *at, char *to, size_t size)
{
    int n = 0;

    while (n < 24 && at + n < s->end && (isalnum((unsigned char)at[n]) || strchr("+-._", at[n])) &&
           at[n])
        n++;
    if (at == s->end)
        snprintf(to, size, "the end of the text");
    else if (n > 1)
        snprintf(to, size, "%.*s", n, at);
    else if (*at > 0x20 && *at < 0x7f)
        snprintf(to, size, "'%c'", *at);
    else
        snprintf(to, size, "byte 0x%02x", (unsigned char)*at);
}

static int bad(struct scan *s, const char *at, const char *expected)
{
    char where[64], what[40];

    place(s, at, where, sizeof(where));
    found(s, at, what, sizeof(what));
    return orb_fail(s->err, ORB_E_SYNTAX, "%s: expected %s; got %s", where, expected, what);
}

static int limit(struct scan *s, const char *at, const char *what, uint32_t most)
{
    char where[64];

    place(s, at, where, sizeof(where));
    return orb_fail(s->err, ORB_E_LIMIT, "%s: %s; the limit is %u", where, what, most);
}

static inline void space(struct scan *s)
{
    if (s->p < s->end && *s->p <= ' ')
        s->p = json_space(s->p, s->end);
}

/* The four hex digits after "\u" at p; -1 when there are not four. */
static int hex4(const char *p, const char *end)
{
    int v = 0;

    if (end - p < 6)
        return -1;
    for (int i = 2; i < 6; i++) {
        if (!isxdigit((unsigned char)p[i]))
            return -1;
        v = v << 4 | (p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    }
    return v;
}

/* An escape at s->p; steps over it. */
static int escape(struct scan *s)
{
    const char *p = s->p;
    int code, low;

    if (s->end - p < 2)
        return bad(s, s->end, "the rest of an escape");
    if (p[1] != 'u') {
        if (!p[1] || !strchr("\"\\/bfnrt", p[1]))
            return bad(s, p + 1, "one of \" \\ / b f n r t u behind a backslash");
        s->p += 2;
        return 0;
    }
    code = hex4(p, s->end);
    if (code < 0)
        return bad(s, p + 1, "u and four hexadecimal digits");
    if (code == 0)
        return bad(s, p + 1, "any character but NUL");
    s->p += 6;
    if (code < 0xd800 || code > 0xdfff)
        return 0;
    low = code < 0xdc00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u'
              ? hex4(s->p, s->end)
              : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return bad(s, p + 1, "a whole surrogate pair (a high one, then a low one)");
    s->p += 6;
    return 0;
}

/* Skips characters other than quotes, backslashes, control characters and non-ASCII; may stop
 * before the first of those. */
static inline const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        unsigned hit = json_stops16(p, 0x20);

        if (hit)
            return p + __builtin_ctz(hit);
        p += 16;
    }
#endif
    while (end - p >= 8) {
        uint64_t w = json_load8(p);
        /* High bit set in the lowest byte that is a quote, a backslash, below 0x20 or above
         * 0x7f; bytes after it may be wrong, as borrows run upwards. */
        uint64_t hit = ((((w ^ (JSON_ONES * '"')) - JSON_ONES) |
                         ((w ^ (JSON_ONES * '\\')) - JSON_ONES) | (w - JSON_ONES * 0x20) | w) &
                        JSON_HIGHS);

        if (hit) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            p += __builtin_ctzll(hit) >> 3;
#endif
            break;
        }
        p += 8;
    }
    return p;
}

/* Parses a string, s->p at its quote. ret_escaped: it has escapes. */
static int string(struct scan *s, bool *ret_escaped)
{
    const char *p = s->p + 1, *end = s->end;

    *ret_escaped = false;
    for (;;) {
        unsigned char c;

        p = skip_plain(p, end);
        if (p == end)
            return bad(s, p, "a closing quote");
        c = (unsigned char)*p;
        if (c == '"') {
            s->p = p + 1;
            return 0;
        }
        if (c == '\\') {
            int r;

            *ret_escaped = true;
            s->p = p;
            r = escape(s);
            if (r < 0)
                return r;
            p = s->p;
        } else if (c < 0x20) {
            return bad(s, p, "control characters written as escapes");
        } else if (c < 0x80) {
            p++;
        } else {
            size_t n = utf8_len(p, (size_t)(end - p));

            if (!n)
                return bad(s, p, "valid UTF-8");
            p += n;
        }
    }
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* A number with fraction or exponent is only refused when it is no finite double. */
static bool is_finite(const char *p, size_t len)
{
    char copy[NUMBER_BYTES + 1];

    memcpy(copy, p, len);
    copy[len] = '\0';
    return isfinite(strtod(copy, NULL));
}

static int number(struct scan *s)
{
    const char *start = s->p, *end = s->end, *p = start + (*start == '-'), *q;
    struct json_slice whole;
    bool integer = true, exponent = false;
    int64_t ignored;

    q = digits(p, end);
    if (q == p)
        return bad(s, p, *start == '-' ? "a digit behind the minus" : "a value");
    if (*p == '0' && q - p > 1)
        return bad(s, start, "a number without leading zeros");
    if (q < end && *q == '.') {
        integer = false;
        p = q + 1;
        q = digits(p, end);
        if (q == p)
            return bad(s, p, "a digit behind the point");
    }
    if (q < end && (*q | 32) == 'e') {
        integer = false;
        exponent = true;
        p = q + 1;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        q = digits(p, end);
        if (q == p)
            return bad(s, p, "a digit in the exponent");
    }
    if (q - start > NUMBER_BYTES)
        return limit(s, start, "a number is written with too many characters", NUMBER_BYTES);
    if (integer && q - start >= 19) {
        whole = (struct json_slice){start, (size_t)(q - start), 'i'};
        if (json_int64(&whole, &ignored) < 0)
            return bad(s, start, "an integer between -9223372036854775808 and 9223372036854775807");
    }
    /* Without an exponent 63 characters cannot leave the range of a double. */
    if (exponent && !is_finite(start, (size_t)(q - start)))
        return bad(s, start, "a number within the range of a double");
    s->p = q;
    return 0;
}

static int word(struct scan *s, const char *text, size_t len)
{
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, text, len) != 0)
        return bad(s, s->p, "a value");
    s->p += len;
    return 0;
}

/* A key with its colon; s->p at the quote. */
static int member_key(struct scan *s, struct keys *keys)
{
    const char *start = s->p + 1, *p = start;
    char stack[KEY_ON_STACK];
    AUTO_FREE char *heap = NULL;
    struct key key;
    bool escaped;
    size_t len;
    int r;

    r = string(s, &escaped);
    if (r < 0)
        return r;
    len = (size_t)(s->p - 1 - start);
    key.at = (uint32_t)(start - s->text);
    key.len = (uint32_t)len;
    if (escaped)
        p = scan_keys_plain(start, &len, stack, &heap);
    if (!p)
        return orb_fail(s->err, ORB_E_NOMEM, "out of memory for a key of %u bytes", key.len);
    key.hash = scan_keys_hash(&s->source, p, len);
    if (keys->count >= s->max_keys)
        return limit(s, start - 1, "an object has too many members", s->max_keys);
    r = scan_keys_add(&s->source, keys, &key);
    if (r > 0) {
        char where[64];

        place(s, start - 1, where, sizeof(where));
        return orb_fail(s->err, ORB_E_SYNTAX, "%s: expected each key once; got \"%.*s\" again",
                        where, key.len > 60 ? 60 : (int)key.len, start);
    }
    if (r < 0)
        return orb_fail(s->err, r, "out of memory for the keys of an object");
    space(s);
    if (s->p == s->end || *s->p != ':')
        return bad(s, s->p, "':' behind the key");
    s->p++;
    space(s);
    return 0;
}

static int members(struct scan *s, struct keys *keys)
{
    space(s);
    if (s->p < s->end && *s->p == '}') {
        s->p++;
        return 0;
    }
    for (;;) {
        int r;

        if (s->p == s->end || *s->p != '"')
            return bad(s, s->p, keys->count ? "a key in quotes" : "a key in quotes or '}'");
        r = member_key(s, keys);
        if (r == 0)
            r = value(s);
        if (r < 0)
            return r;
        space(s);
        if (s->p == s->end || (*s->p != ',' && *s->p != '}'))
            return bad(s, s->p, "',' or '}'");
        if (*s->p++ == '}')
            return 0;
        space(s);
    }
}

static int object(struct scan *s)
{
    struct keys keys;
    int r;

    keys.table = NULL;
    keys.mask = 0;
    keys.count = 0;
    keys.seen = 0;
    s->p++;
    r = members(s, &keys);
    free(keys.table);
    return r;
}

static int array(struct scan *s)
{
    s->p++;
    space(s);
    if (s->p < s->end && *s->p == ']') {
        s->p++;
        return 0;
    }
    for (;;) {
        int r = value(s);

        if (r < 0)
            return r;
        space(s);
        if (s->p == s->end || (*s->p != ',' && *s->p != ']'))
            return bad(s, s->p, "',' or ']'");
        if (*s->p++ == ']')
            return 0;
        space(s);
    }
}

static int value(struct scan *s)
{
    bool escaped;
    int r;

    if (s->p == s->end)
        return bad(s, s->p, "a value");
    if (s->limits)
        s->limits->pause(s->limits->arg);
    switch (*s->p) {
    case '"':
        return string(s, &escaped);
    case '{':
    case '[':
        if (s->depth >= s->max_depth)
            return limit(s, s->p, "values are nested too deeply", s->max_depth);
        s->depth++;
        r = *s->p == '{' ? object(s) : array(s);
        s->depth--;
        return r;
    case 't':
        return word(s, "true", 4);
    case 'f':
        return word(s, "false", 5);
    case 'n':
        return word(s, "null", 4);
    default:
        return number(s);
    }
}

int scan_json(const char *text, size_t len, const struct json_limits *limits, struct orb_err *err)
{
    const char *random = (const char *)getauxval(AT_RANDOM);
    struct scan s = {
        .max_depth = limits ? limits->depth : JSON_MAX_DEPTH,
        .max_keys = limits ? limits->keys : JSON_MAX_KEYS,
        .limits = limits && limits->pause ? limits : NULL,
        .err = err,
    };
    int r;

    if (len >= UINT32_MAX)
        return orb_fail(err, ORB_E_LIMIT, "a JSON text of %zu bytes; the limit is %u", len,
                        UINT32_MAX);
    s.source.text = s.text = s.p = text ? text : "";
    s.end = s.text + len;
    if (s.max_depth > DEEPEST)
        s.max_depth = DEEPEST;
    s.source.seed[0] = random ? json_load8(random) : 0;
    s.source.seed[1] = (random ? json_load8(random + 8) : 0x9e3779b97f4a7c15u) | 1;
    space(&s);
    r = value(&s);
    if (r < 0)
        return r;
    space(&s);
    if (s.p != s.end)
        return bad(&s, s.p, "the end of the text");
    return 0;
}
