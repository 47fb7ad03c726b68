/* Patterns of ECMA-262 as far as docs/config.md lists them, by recursive descent. */
#include "core/json/regex_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/utf8.h"
#include "core/base/xalloc.h"

#define NESTING 100
#define REPEAT_MAX 1000

unsigned regex_parse_fail(struct regex_parser *s, const char *what)
{
    if (!s->failed)
        snprintf(s->why, s->size, "%s at byte %zu", what, (size_t)(s->p - s->start));
    s->failed = true;
    s->p = s->end;
    return 0;
}

static unsigned node(struct regex_parser *s, struct regex_node n)
{
    if ((s->count & (s->count - 1)) == 0)
        s->nodes = xrealloc(s->nodes, (s->count ? s->count * 2 : 1) * sizeof(*s->nodes));
    s->nodes[s->count] = n;
    return s->count++;
}

static unsigned leaf(struct regex_parser *s, enum regex_op op, uint32_t value)
{
    return node(
        s, (struct regex_node){.kind = REGEX_LEAF, .leaf = {.op = (uint8_t)op, .value = value}});
}

/* ---- characters and classes ---- */

static uint32_t code_point(struct regex_parser *s)
{
    const unsigned char *p = (const unsigned char *)s->p;
    size_t n = p[0] < 0x80 ? 1 : utf8_len(s->p, (size_t)(s->end - s->p));
    uint32_t code = p[0];

    if (!n)
        return regex_parse_fail(s, "expected UTF-8");
    if (n > 1)
        code &= 0xffu >> (n + 1);
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (p[i] & 0x3f);
    s->p += n;
    return code;
}

static void add_range(struct regex_class *c, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i <= to && i < 128; i++)
        c->low[i / 64] |= 1ull << i % 64;
    c->ranges = xrealloc(c->ranges, (c->count + 1) * 2 * sizeof(*c->ranges));
    c->ranges[c->count * 2] = from;
    c->ranges[c->count * 2 + 1] = to;
    c->count++;
}

/* \d \w \s, and their opposites as the gaps between. */
static bool add_named(struct regex_class *c, char name)
{
    static const uint32_t digits[] = {'0', '9'}, words[] = {'0', '9', 'A', 'Z', '_', '_', 'a', 'z'},
                          spaces[] = {9,      13,     32,     32,     0xa0,   0xa0,   0x1680,
                                      0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f,
                                      0x205f, 0x205f, 0x3000, 0x3000, 0xfeff, 0xfeff};
    const uint32_t *list = (name | 32) == 'd' ? digits : (name | 32) == 'w' ? words : spaces;
    size_t n = (name | 32) == 'd'   ? ARRAY_LEN(digits)
               : (name | 32) == 'w' ? ARRAY_LEN(words)
                                    : ARRAY_LEN(spaces);
    uint32_t gap = 0;

    if (!strchr("dwsDWS", name))
        return false;
    for (size_t i = 0; i < n; i += 2) {
        if (name >= 'a')
            add_range(c, list[i], list[i + 1]);
        else if (list[i] > gap)
            add_range(c, gap, list[i] - 1);
        gap = list[i + 1] + 1;
    }
    if (name < 'a')
        add_range(c, gap, 0x10ffff);
    return true;
}

static unsigned class_new(struct regex_parser *s)
{
    struct regex *to = s->to;

    to->classes = xrealloc(to->classes, (to->class_count + 1) * sizeof(*to->classes));
    to->classes[to->class_count] = (struct regex_class){0};
    return (unsigned)to->class_count++;
}

static uint32_t hex(struct regex_parser *s, int least, int most)
{
    uint32_t code = 0;
    int n = 0;

    for (; n < most && s->p < s->end && *s->p && strchr("0123456789abcdefABCDEF", *s->p); n++) {
        code = code << 4 | (uint32_t)(*s->p <= '9' ? *s->p - '0' : (*s->p | 32) - 'a' + 10);
        s->p++;
    }
    if (n < least || code > 0x10ffff)
        return regex_parse_fail(s, "expected hexadecimal digits of a character");
    return code;
}

static uint32_t unicode_escape(struct regex_parser *s)
{
    uint32_t code, low;

    if (s->p < s->end && *s->p == '{') {
        s->p++;
        code = hex(s, 1, 6);
        if (s->p == s->end || *s->p++ != '}')
            return regex_parse_fail(s, "expected }");
        return code;
    }
    code = hex(s, 4, 4);
    if (code < 0xd800 || code > 0xdbff || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u')
        return code;
    s->p += 2;
    low = hex(s, 4, 4);
    return 0x10000 + ((code - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
}

/* Parses the character after a backslash. */
static uint32_t escaped_char(struct regex_parser *s)
{
    static const char names[] = "nrtfv0", values[] = "\n\r\t\f\v\0";
    char c = *s->p;
    const char *at = strchr(names, c);

    if (c == '0' && s->end - s->p > 1 && s->p[1] >= '0' && s->p[1] <= '9')
        return regex_parse_fail(s, "expected no octal escape");
    if (at) {
        s->p++;
        return (unsigned char)values[at - names];
    }
    if (c == 'x' || c == 'u') {
        s->p++;
        return c == 'x' ? hex(s, 2, 2) : unicode_escape(s);
    }
    if (c == 'c' && s->end - s->p > 1 && ((s->p[1] | 32) >= 'a' && (s->p[1] | 32) <= 'z')) {
        s->p += 2;
        return (uint32_t)(s->p[-1] & 0x1f);
    }
    if ((c >= '1' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))
        return regex_parse_fail(s, "this escape is not supported");
    return code_point(s);
}

/* One member of a class; true: it was a set such as \d. */
static bool class_atom(struct regex_parser *s, unsigned class, uint32_t *ret_code)
{
    if (*s->p != '\\') {
        *ret_code = code_point(s);
        return false;
    }
    s->p++;
    if (s->p == s->end) {
        regex_parse_fail(s, "expected a character behind \\");
        return true;
    }
    if (add_named(&s->to->classes[class], *s->p)) {
        s->p++;
        return true;
    }
    if (*s->p == 'b') {
        s->p++;
        *ret_code = '\b';
    } else {
        *ret_code = escaped_char(s);
    }
    return false;
}

/* Parses the class after "[". */
static unsigned class(struct regex_parser *s)
{
    unsigned number = class_new(s);

    if (s->p < s->end && *s->p == '^') {
        s->to->classes[number].inverted = true;
        s->p++;
    }
    while (s->p < s->end && *s->p != ']') {
        uint32_t from = 0, to = 0;
        bool set = class_atom(s, number, &from);

        if (set)
            continue;
        to = from;
        if (s->end - s->p > 1 && s->p[0] == '-' && s->p[1] != ']') {
            s->p++;
            if (class_atom(s, number, &to)) /* [a-\d]: three members */
                add_range(&s->to->classes[number], '-', '-'), to = from;
        }
        if (to < from)
            return regex_parse_fail(s, "expected a range in ascending order");
        add_range(&s->to->classes[number], from, to);
    }
    if (s->p == s->end)
        return regex_parse_fail(s, "expected ]");
    s->p++;
    return leaf(s, RE_CLASS, number);
}

/* ---- structure ---- */

static unsigned alternatives(struct regex_parser *s);

static unsigned group(struct regex_parser *s)
{
    unsigned inner;

    if (s->end - s->p > 1 && s->p[0] == '?') {
        if (s->p[1] != ':')
            return regex_parse_fail(s, "look-around and named groups are not supported");
        s->p += 2;
    }
    if (++s->depth > NESTING)
        return regex_parse_fail(s, "groups are nested too deeply");
    inner = alternatives(s);
    s->depth--;
    if (s->p == s->end || *s->p != ')')
        return regex_parse_fail(s, "expected )");
    s->p++;
    return inner;
}

static unsigned escape(struct regex_parser *s)
{
    if (s->p == s->end)
        return regex_parse_fail(s, "expected a character behind \\");
    if (*s->p == 'b' || *s->p == 'B')
        return leaf(s, *s->p++ == 'b' ? RE_BOUNDARY : RE_NO_BOUNDARY, 0);
    if (strchr("dwsDWS", *s->p)) {
        unsigned number = class_new(s);

        add_named(&s->to->classes[number], *s->p++);
        return leaf(s, RE_CLASS, number);
    }
    return leaf(s, RE_CHAR, escaped_char(s));
}

static unsigned atom(struct regex_parser *s)
{
    switch (*s->p) {
    case '(':
        s->p++;
        return group(s);
    case '[':
        s->p++;
        return class(s);
    case '\\':
        s->p++;
        return escape(s);
    case '.':
        s->p++;
        return leaf(s, RE_ANY, 0);
    case '^':
        s->p++;
        return leaf(s, RE_START, 0);
    case '$':
        s->p++;
        return leaf(s, RE_END, 0);
    case '*':
    case '+':
    case '?':
        return regex_parse_fail(s, "expected something to repeat");
    default:
        return leaf(s, RE_CHAR, code_point(s));
    }
}

static bool number(const char **p, const char *end, uint32_t *ret_number)
{
    const char *start = *p;

    *ret_number = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p)
        if (*ret_number <= REPEAT_MAX)
            *ret_number = *ret_number * 10 + (uint32_t)(**p - '0');
    return *p > start;
}

/* {n}, {n,}, {n,m} at s->p; false: the brace is a character like any other. */
static bool braces(struct regex_parser *s, uint32_t *ret_min, uint32_t *ret_max)
{
    const char *p = s->p + 1;

    if (!number(&p, s->end, ret_min))
        return false;
    *ret_max = *ret_min;
    if (p < s->end && *p == ',') {
        p++;
        if (p < s->end && *p == '}')
            *ret_max = REGEX_FOREVER;
        else if (!number(&p, s->end, ret_max))
            return false;
    }
    if (p == s->end || *p != '}')
        return false;
    s->p = p + 1;
    if (*ret_min > REPEAT_MAX || (*ret_max != REGEX_FOREVER && *ret_max > REPEAT_MAX))
        regex_parse_fail(s, "a repetition of more than 1000");
    else if (*ret_max < *ret_min)
        regex_parse_fail(s, "expected a repetition in ascending order");
    return true;
}

static unsigned repeated(struct regex_parser *s)
{
    unsigned inner = atom(s);
    uint32_t min, max;

    if (s->p == s->end)
        return inner;
    if (*s->p == '*' || *s->p == '+' || *s->p == '?') {
        min = *s->p == '+';
        max = *s->p == '?' ? 1 : REGEX_FOREVER;
        s->p++;
    } else if (*s->p != '{' || !braces(s, &min, &max)) {
        return inner;
    }
    if (s->p < s->end && *s->p == '?') /* lazy: matches the same texts */
        s->p++;
    return node(s, (struct regex_node){.kind = REGEX_REPEAT, .a = inner, .min = min, .max = max});
}

static unsigned sequence(struct regex_parser *s)
{
    unsigned left = node(s, (struct regex_node){.kind = REGEX_EMPTY});

    while (s->p < s->end && *s->p != '|' && *s->p != ')') {
        unsigned right = repeated(s);

        left = node(s, (struct regex_node){.kind = REGEX_CAT, .a = left, .b = right});
    }
    return left;
}

static unsigned alternatives(struct regex_parser *s)
{
    unsigned left = sequence(s);

    while (s->p < s->end && *s->p == '|') {
        unsigned right;

        s->p++;
        right = sequence(s);
        left = node(s, (struct regex_node){.kind = REGEX_ALT, .a = left, .b = right});
    }
    return left;
}

unsigned regex_parse_pattern(struct regex_parser *s)
{
    unsigned root = alternatives(s);

    return s->failed || s->p == s->end ? root : regex_parse_fail(s, "expected ( before )");
}
