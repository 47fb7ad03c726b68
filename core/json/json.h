/* Walks JSON text that scan_json has accepted: where a string or value ends, the members of an
 * object one by one. Nothing is checked again, but no function looks at or past `end`, so text that
 * was never scanned gives wrong answers at worst. */
#ifndef CORE_JSON_JSON_H
#define CORE_JSON_JSON_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <stdint.h>
#include <string.h>

#include "core/json/scan.h"

#define JSON_ONES 0x0101010101010101ull
#define JSON_HIGHS 0x8080808080808080ull

static inline uint64_t json_load8(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

#ifdef __SSE2__
/* A bit for each of 16 bytes that is a quote, a backslash, or below least as a signed number: with
 * 0x20 control characters and all that is not ASCII, with -128 none. */
static inline unsigned json_stops16(const char *p, char least)
{
    __m128i v = _mm_loadu_si128((const __m128i_u *)p);
    __m128i stops =
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));

    return (unsigned)_mm_movemask_epi8(
        _mm_or_si128(stops, _mm_cmplt_epi8(v, _mm_set1_epi8(least))));
}
#endif

static inline const char *json_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* p: the opening quote. Returns the position after the closing one (or end). Sets escaped when
 * there is a backslash in between, else leaves it. */
static inline const char *json_string_end(const char *p, const char *end, bool *escaped)
{
    for (p++; p < end;) {
#ifdef __SSE2__
        if (end - p >= 16) {
            unsigned stops = json_stops16(p, -128);

            if (!stops) {
                p += 16;
                continue;
            }
            p += __builtin_ctz(stops);
        }
#endif
        if (end - p >= 8) {
            uint64_t w = json_load8(p), q = w ^ (JSON_ONES * '"'), b = w ^ (JSON_ONES * '\\');
            uint64_t hit = (((q - JSON_ONES) & ~q) | ((b - JSON_ONES) & ~b)) & JSON_HIGHS;

            if (!hit) {
                p += 8;
                continue;
            }
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            p += __builtin_ctzll(hit) >> 3;
#endif
        }
        if (*p == '"')
            return p + 1;
        if (*p == '\\') {
            *escaped = true;
            p++;
        }
        p++;
    }
    return end;
}

/* The value that starts at p (no space before it). Returns the position after it. */
const char *json_value(const char *p, const char *end, struct json_slice *ret_value);
/* The same, of a value that may be long: pause (NULL: nothing) is called with arg between any two
 * parts of a container after each 32 KiB, which is gone on with when it returns. */
const char *json_value_pausing(const char *p, const char *end, struct json_slice *ret_value,
                               void (*pause)(void *arg), void *arg);

/* Steps through an object or an array; start with json_iter_init. */
struct json_iter {
    const char *p;
    const char *end;
    bool object;
    void (*pause)(void *arg); /* as of json_value_pausing(); the caller's to set after the start */
    void *arg;
};

struct json_item {
    const char *key; /* inside the quotes, as spelled; NULL in an array */
    size_t key_len;
    bool escaped; /* the key holds escapes: json_unescape before comparing */
    struct json_slice value;
};

/* False when the text is not an object (kind '{') or array (kind '['). */
bool json_iter_init(struct json_iter *it, char kind, const char *text, size_t len);
/* The next member or element; false: there is none. */
bool json_iter_next(struct json_iter *it, struct json_item *ret_item);

/* Decodes the inside of a string (between the quotes) into `to`, which holds at least len bytes;
 * the result is never longer than its spelling. Returns its length; no NUL is added. */
size_t json_unescape(const char *p, size_t len, char *to);

#endif
