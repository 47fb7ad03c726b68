/* See url.h. */
#include "api/url.h"

#include <string.h>

#include "core/base/utf8.h"

struct writer {
    struct url *url;
    size_t at;
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Bytes of RFC 3986 allowed unencoded in a path or query. */
static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~!$&'()*+,;=:@/?[]|", c));
}

/* One byte from raw; advances *at. -1: err is filled. */
static int decode_byte(const char *raw, size_t *at, bool query, struct orb_err *err)
{
    unsigned char c = (unsigned char)raw[*at];
    int high, low;

    if (c != '%') {
        if (!is_plain(c))
            return orb_fail(err, ORB_E_INVALID,
                            "the URL holds byte 0x%02x at %zu; write it as %%%02X", c, *at, c);
        ++*at;
        return query && c == '+' ? ' ' : c;
    }
    high = hex(raw[*at + 1]);
    low = high < 0 ? -1 : hex(raw[*at + 2]);
    if (low < 0)
        return orb_fail(err, ORB_E_INVALID,
                        "the URL holds \"%%\" at %zu without two hexadecimal digits behind it",
                        *at);
    *at += 3;
    c = (unsigned char)(high << 4 | low);
    if (c < 0x20 || c == 0x7f)
        return orb_fail(err, ORB_E_INVALID, "the URL holds the control character %%%02X at %zu", c,
                        *at - 3);
    return c;
}

static bool is_utf8(const char *text, size_t len)
{
    for (size_t at = 0, n; at < len; at += n) {
        n = (unsigned char)text[at] < 0x80 ? 1 : utf8_len(text + at, len - at);
        if (!n)
            return false;
    }
    return true;
}

/* Decodes raw[*at] up to one of the bytes in `ends` or the end into the store. */
static int take(struct writer *w, const char *raw, size_t *at, const char *ends, bool query,
                const char **ret_text, struct orb_err *err)
{
    size_t from = w->at;

    while (raw[*at] && !strchr(ends, raw[*at])) {
        int c = decode_byte(raw, at, query, err);

        if (c < 0)
            return c;
        w->url->store[w->at++] = (char)c;
    }
    if (!is_utf8(w->url->store + from, w->at - from))
        return orb_fail(err, ORB_E_INVALID,
                        "the URL is not UTF-8 in the part that ends at byte %zu", *at);
    w->url->store[w->at++] = '\0';
    *ret_text = w->url->store + from;
    return 0;
}

static int take_segments(struct writer *w, const char *raw, size_t *at, struct orb_err *err)
{
    struct url *url = w->url;

    while (raw[*at] == '/') {
        const char *segment;
        int r;

        ++*at;
        if (raw[*at] == '\0' || raw[*at] == '?') /* one slash at the end, or "/" alone */
            return 0;
        if (url->count == URL_SEGMENTS)
            return orb_fail(err, ORB_E_LIMIT, "the URL has more than %d segments", URL_SEGMENTS);
        r = take(w, raw, at, "/?", false, &segment, err);
        if (r < 0)
            return r;
        if (!*segment || !strcmp(segment, ".") || !strcmp(segment, ".."))
            return orb_fail(err, ORB_E_INVALID, "segment %u of the URL is \"%s\"; expected a name",
                            url->count + 1, segment);
        url->segments[url->count++] = segment;
    }
    return 0;
}

static int take_query(struct writer *w, const char *raw, size_t *at, struct orb_err *err)
{
    struct url *url = w->url;

    while (raw[*at]) {
        struct url_pair pair = {.value = ""};
        int r;

        ++*at;
        if (!raw[*at])
            break;
        r = take(w, raw, at, "=&", true, &pair.key, err);
        if (r == 0 && raw[*at] == '=') {
            ++*at;
            r = take(w, raw, at, "&", true, &pair.value, err);
        }
        if (r < 0)
            return r;
        if (url_query(url, pair.key))
            return orb_fail(err, ORB_E_INVALID, "the query has \"%s\" twice", pair.key);
        if (url->pair_count == URL_PAIRS)
            return orb_fail(err, ORB_E_LIMIT, "the query has more than %d names", URL_PAIRS);
        url->pairs[url->pair_count++] = pair;
    }
    return 0;
}

int url_parse(const char *raw, struct url *ret_url, struct orb_err *err)
{
    struct writer w = {.url = ret_url};
    size_t len = strlen(raw), at = 0;
    int r;

    ret_url->count = ret_url->pair_count = 0;
    if (len > URL_MAX)
        return orb_fail(err, ORB_E_LIMIT, "the URL has %zu bytes; at most %d are taken", len,
                        URL_MAX);
    if (raw[0] != '/')
        return orb_fail(err, ORB_E_INVALID, "the URL does not begin with a slash");
    r = take_segments(&w, raw, &at, err);
    return r < 0 ? r : take_query(&w, raw, &at, err);
}

const char *url_query(const struct url *url, const char *key)
{
    for (unsigned i = 0; i < url->pair_count; i++)
        if (!strcmp(url->pairs[i].key, key))
            return url->pairs[i].value;
    return NULL;
}

bool url_number(const char *text, int64_t *ret_number)
{
    size_t len = strlen(text);
    int64_t n = 0;

    if (!len || len > 16 || strspn(text, "0123456789") != len)
        return false;
    for (size_t i = 0; i < len; i++)
        n = n * 10 + (text[i] - '0');
    *ret_number = n;
    return n <= (int64_t)1 << 53;
}
