/* The scanner behind body.h. A bit per level remembers whether it is an object; nothing recurses.
 */
#include "api/body.h"

#include <stdio.h>
#include <string.h>

#include "api/text.h"

struct scan {
    const char *text;
    size_t len, at;
    unsigned max_depth;
    const char *wrong; /* what was expected where `at` stands */
};

#define REPLY_MAX_DEPTH 40 /* above what the host lets through */

static void skip_space(struct scan *s)
{
    while (s->at < s->len && memchr(" \t\r\n", s->text[s->at], 4))
        s->at++;
}

static int peek(const struct scan *s)
{
    return s->at < s->len ? (unsigned char)s->text[s->at] : -1;
}

static bool fail(struct scan *s, const char *expected)
{
    s->wrong = expected;
    return false;
}

static bool is_hex(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool scan_escape(struct scan *s)
{
    int c;

    s->at++;
    c = peek(s);
    if (c < 0 || !memchr("\"\\/bfnrtu", c, 9))
        return fail(s, "one of \" \\ / b f n r t u after a backslash");
    s->at++;
    for (int i = 0; c == 'u' && i < 4; i++) {
        if (!is_hex(peek(s)))
            return fail(s, "four hexadecimal digits after \\u");
        s->at++;
    }
    return true;
}

static bool scan_string(struct scan *s)
{
    s->at++;
    for (;;) {
        int c = peek(s);
        size_t n;

        if (c < 0)
            return fail(s, "the \" that ends a string");
        if (c == '"') {
            s->at++;
            return true;
        }
        if (c < 0x20)
            return fail(s, "no control character in a string (write it as \\u00XX)");
        if (c == '\\') {
            if (!scan_escape(s))
                return false;
            continue;
        }
        n = text_utf8_len(s->text + s->at, s->len - s->at);
        if (!n)
            return fail(s, "UTF-8");
        s->at += n;
    }
}

static bool digits(struct scan *s)
{
    size_t from = s->at;

    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at > from || fail(s, "a digit");
}

static bool scan_number(struct scan *s)
{
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else if (!digits(s))
        return false;
    if (peek(s) == '.') {
        s->at++;
        if (!digits(s))
            return false;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        return digits(s);
    }
    return true;
}

static bool scan_scalar(struct scan *s)
{
    static const char *const words[] = {"true", "false", "null"};
    int c = peek(s);

    if (c == '"')
        return scan_string(s);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(s);
    for (unsigned i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);

        if (s->len - s->at >= n && !memcmp(s->text + s->at, words[i], n)) {
            s->at += n;
            return true;
        }
    }
    return fail(s, "a value");
}

/* "name" : and the white space around it. */
static bool scan_name(struct scan *s)
{
    skip_space(s);
    if (peek(s) != '"')
        return fail(s, "a name in double quotes");
    if (!scan_string(s))
        return false;
    skip_space(s);
    if (peek(s) != ':')
        return fail(s, "\":\" after a name");
    s->at++;
    return true;
}

/* Closes levels that end here; true when another element follows or everything is closed. */
static bool scan_after(struct scan *s, const bool *object, unsigned *depth)
{
    while (*depth) {
        char end = object[*depth] ? '}' : ']';

        skip_space(s);
        if (peek(s) == ',') {
            s->at++;
            return !object[*depth] || scan_name(s);
        }
        if (peek(s) != end)
            return fail(s, end == '}' ? "\",\" or \"}\"" : "\",\" or \"]\"");
        s->at++;
        --*depth;
    }
    return true;
}

/* One value from s->at on; s->at is behind it afterwards. */
static bool scan_value(struct scan *s, bool *ret_deep)
{
    bool object[REPLY_MAX_DEPTH + 1];
    unsigned depth = 0;

    do {
        int c;

        skip_space(s);
        c = peek(s);
        if (c != '{' && c != '[') {
            if (!scan_scalar(s) || !scan_after(s, object, &depth))
                return false;
            continue;
        }
        if (depth == s->max_depth) {
            *ret_deep = true;
            return false;
        }
        object[++depth] = c == '{';
        s->at++;
        skip_space(s);
        if (peek(s) == (c == '{' ? '}' : ']')) {
            s->at++;
            depth--;
            if (!scan_after(s, object, &depth))
                return false;
        } else if (c == '{' && !scan_name(s)) {
            return false;
        }
    } while (depth);
    return true;
}

static int syntax(const struct scan *s, struct orb_err *err)
{
    size_t line = 1, column = 1;
    char found[32] = "the end";
    int c = peek(s);

    for (size_t i = 0; i < s->at && i < s->len; i++) {
        column = s->text[i] == '\n' ? 1 : column + 1;
        line += s->text[i] == '\n';
    }
    if (c > 0x20 && c < 0x7f)
        snprintf(found, sizeof found, "\"%c\"", c);
    else if (c >= 0)
        snprintf(found, sizeof found, "byte 0x%02x", (unsigned)c);
    return orb_fail(err, ORB_E_SYNTAX,
                    "the body is not JSON: line %zu, column %zu: expected %s; got %s", line, column,
                    s->wrong, found);
}

int body_check(const char *text, size_t len, struct orb_err *err)
{
    struct scan s = {.text = text, .len = len, .max_depth = BODY_MAX_DEPTH};
    bool deep = false;

    if (!scan_value(&s, &deep))
        return deep ? orb_fail(err, ORB_E_LIMIT,
                               "the body is nested deeper than %d levels at byte %zu",
                               BODY_MAX_DEPTH, s.at)
                    : syntax(&s, err);
    skip_space(&s);
    if (s.at == len)
        return 0;
    fail(&s, "the end of the text");
    return syntax(&s, err);
}

bool body_member(const char *text, size_t len, const char *key, const char **ret_value,
                 size_t *ret_len)
{
    struct scan s = {.text = text, .len = len, .max_depth = REPLY_MAX_DEPTH};
    size_t wanted = strlen(key);
    bool deep = false;

    skip_space(&s);
    if (peek(&s) != '{')
        return false;
    s.at++;
    for (;;) {
        size_t name, from;

        skip_space(&s);
        name = s.at;
        if (peek(&s) != '"' || !scan_string(&s))
            return false;
        from = s.at;
        skip_space(&s);
        if (peek(&s) != ':')
            return false;
        s.at++;
        skip_space(&s);
        if (from - name == wanted + 2 && !memcmp(text + name + 1, key, wanted)) {
            from = s.at;
            if (!scan_value(&s, &deep))
                return false;
            *ret_value = text + from;
            *ret_len = s.at - from;
            return true;
        }
        if (!scan_value(&s, &deep))
            return false;
        skip_space(&s);
        if (peek(&s) != ',')
            return false;
        s.at++;
    }
}

bool body_utf8(const char *text, size_t len)
{
    while (len) {
        size_t n = text_utf8_len(text, len);

        if (!n)
            return false;
        text += n;
        len -= n;
    }
    return true;
}

char body_first(const char *text, size_t len)
{
    struct scan s = {.text = text, .len = len};

    skip_space(&s);
    return s.at < len ? text[s.at] : '\0';
}

bool body_number(const char *value, size_t len, unsigned long long *ret_number)
{
    unsigned long long n = 0;

    if (!len || len > 16)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return false;
        n = n * 10 + (unsigned)(value[i] - '0');
    }
    *ret_number = n;
    return n <= 9007199254740992ull;
}
