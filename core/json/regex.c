/* From a pattern to a program: a tree first, as {n,m} writes a part several times. */
#include "core/json/regex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/utf8.h"
#include "core/base/xalloc.h"
#include "core/json/regex_internal.h"

#define NESTING 100
#define REPEAT_MAX 1000
#define VISITS                                                                                     \
    20000 /* of the tree while the program is written: () {1000} {1000} writes nothing             \
           */
#define FOREVER UINT32_MAX

enum kind { EMPTY, LEAF, CAT, ALT, REPEAT };

struct node {
    enum kind kind;
    struct regex_step leaf;
    unsigned a, b; /* numbers of nodes */
    uint32_t min, max;
};

struct parser {
    struct regex *to;
    const char *start, *p, *end;
    struct node *nodes;
    unsigned count;
    unsigned depth, visits;
    char *why;
    size_t size;
    bool failed;
};

static unsigned fail(struct parser *s, const char *what)
{
    if (!s->failed)
        snprintf(s->why, s->size, "%s at byte %zu", what, (size_t)(s->p - s->start));
    s->failed = true;
    s->p = s->end;
    return 0;
}

static unsigned node(struct parser *s, struct node n)
{
    if ((s->count & (s->count - 1)) == 0)
        s->nodes = xrealloc(s->nodes, (s->count ? s->count * 2 : 1) * sizeof(*s->nodes));
    s->nodes[s->count] = n;
    return s->count++;
}

static unsigned leaf(struct parser *s, enum regex_op op, uint32_t value)
{
    return node(s, (struct node){.kind = LEAF, .leaf = {.op = (uint8_t)op, .value = value}});
}

/* ---- characters and classes ---- */

static uint32_t code_point(struct parser *s)
{
    const unsigned char *p = (const unsigned char *)s->p;
    size_t n = p[0] < 0x80 ? 1 : utf8_len(s->p, (size_t)(s->end - s->p));
    uint32_t code = p[0];

    if (!n)
        return fail(s, "expected UTF-8");
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

static unsigned class_new(struct parser *s)
{
    struct regex *to = s->to;

    to->classes = xrealloc(to->classes, (to->class_count + 1) * sizeof(*to->classes));
    to->classes[to->class_count] = (struct regex_class){0};
    return (unsigned)to->class_count++;
}

static uint32_t hex(struct parser *s, int least, int most)
{
    uint32_t code = 0;
    int n = 0;

    for (; n < most && s->p < s->end && *s->p && strchr("0123456789abcdefABCDEF", *s->p); n++) {
        code = code << 4 | (uint32_t)(*s->p <= '9' ? *s->p - '0' : (*s->p | 32) - 'a' + 10);
        s->p++;
    }
    if (n < least || code > 0x10ffff)
        return fail(s, "expected hexadecimal digits of a character");
    return code;
}

static uint32_t unicode_escape(struct parser *s)
{
    uint32_t code, low;

    if (s->p < s->end && *s->p == '{') {
        s->p++;
        code = hex(s, 1, 6);
        if (s->p == s->end || *s->p++ != '}')
            return fail(s, "expected }");
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
static uint32_t escaped_char(struct parser *s)
{
    static const char names[] = "nrtfv0", values[] = "\n\r\t\f\v\0";
    char c = *s->p;
    const char *at = strchr(names, c);

    if (c == '0' && s->end - s->p > 1 && s->p[1] >= '0' && s->p[1] <= '9')
        return fail(s, "expected no octal escape");
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
        return fail(s, "this escape is not supported");
    return code_point(s);
}

/* One member of a class; true: it was a set such as \d. */
static bool class_atom(struct parser *s, unsigned class, uint32_t *ret_code)
{
    if (*s->p != '\\') {
        *ret_code = code_point(s);
        return false;
    }
    s->p++;
    if (s->p == s->end) {
        fail(s, "expected a character behind \\");
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
static unsigned class(struct parser *s)
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
            return fail(s, "expected a range in ascending order");
        add_range(&s->to->classes[number], from, to);
    }
    if (s->p == s->end)
        return fail(s, "expected ]");
    s->p++;
    return leaf(s, RE_CLASS, number);
}

/* ---- structure ---- */

static unsigned alternatives(struct parser *s);

static unsigned group(struct parser *s)
{
    unsigned inner;

    if (s->end - s->p > 1 && s->p[0] == '?') {
        if (s->p[1] != ':')
            return fail(s, "look-around and named groups are not supported");
        s->p += 2;
    }
    if (++s->depth > NESTING)
        return fail(s, "groups are nested too deeply");
    inner = alternatives(s);
    s->depth--;
    if (s->p == s->end || *s->p != ')')
        return fail(s, "expected )");
    s->p++;
    return inner;
}

static unsigned escape(struct parser *s)
{
    if (s->p == s->end)
        return fail(s, "expected a character behind \\");
    if (*s->p == 'b' || *s->p == 'B')
        return leaf(s, *s->p++ == 'b' ? RE_BOUNDARY : RE_NO_BOUNDARY, 0);
    if (strchr("dwsDWS", *s->p)) {
        unsigned number = class_new(s);

        add_named(&s->to->classes[number], *s->p++);
        return leaf(s, RE_CLASS, number);
    }
    return leaf(s, RE_CHAR, escaped_char(s));
}

static unsigned atom(struct parser *s)
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
        return fail(s, "expected something to repeat");
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
static bool braces(struct parser *s, uint32_t *ret_min, uint32_t *ret_max)
{
    const char *p = s->p + 1;

    if (!number(&p, s->end, ret_min))
        return false;
    *ret_max = *ret_min;
    if (p < s->end && *p == ',') {
        p++;
        if (p < s->end && *p == '}')
            *ret_max = FOREVER;
        else if (!number(&p, s->end, ret_max))
            return false;
    }
    if (p == s->end || *p != '}')
        return false;
    s->p = p + 1;
    if (*ret_min > REPEAT_MAX || (*ret_max != FOREVER && *ret_max > REPEAT_MAX))
        fail(s, "a repetition of more than 1000");
    else if (*ret_max < *ret_min)
        fail(s, "expected a repetition in ascending order");
    return true;
}

static unsigned repeated(struct parser *s)
{
    unsigned inner = atom(s);
    uint32_t min, max;

    if (s->p == s->end)
        return inner;
    if (*s->p == '*' || *s->p == '+' || *s->p == '?') {
        min = *s->p == '+';
        max = *s->p == '?' ? 1 : FOREVER;
        s->p++;
    } else if (*s->p != '{' || !braces(s, &min, &max)) {
        return inner;
    }
    if (s->p < s->end && *s->p == '?') /* lazy: matches the same texts */
        s->p++;
    return node(s, (struct node){.kind = REPEAT, .a = inner, .min = min, .max = max});
}

static unsigned sequence(struct parser *s)
{
    unsigned left = node(s, (struct node){.kind = EMPTY});

    while (s->p < s->end && *s->p != '|' && *s->p != ')') {
        unsigned right = repeated(s);

        left = node(s, (struct node){.kind = CAT, .a = left, .b = right});
    }
    return left;
}

static unsigned alternatives(struct parser *s)
{
    unsigned left = sequence(s);

    while (s->p < s->end && *s->p == '|') {
        unsigned right;

        s->p++;
        right = sequence(s);
        left = node(s, (struct node){.kind = ALT, .a = left, .b = right});
    }
    return left;
}

/* ---- the program ---- */

static size_t emit(struct parser *s, enum regex_op op, size_t value, size_t other)
{
    struct regex *to = s->to;

    if (to->count == REGEX_STEPS) {
        fail(s, "the pattern is too large when its repetitions are written out");
        return to->count - 1;
    }
    to->steps[to->count] = (struct regex_step){(uint8_t)op, (uint32_t)value, (uint32_t)other};
    return to->count++;
}

static void write_node(struct parser *s, unsigned at);

static void write_repeat(struct parser *s, const struct node *n)
{
    size_t split;

    for (uint32_t i = 0; i < n->min && !s->failed; i++)
        write_node(s, n->a);
    if (n->max == FOREVER) {
        split = emit(s, RE_SPLIT, s->to->count + 1, 0);
        write_node(s, n->a);
        emit(s, RE_JUMP, split, 0);
        s->to->steps[split].other = (uint32_t)s->to->count;
        return;
    }
    for (uint32_t i = n->min; i < n->max && !s->failed; i++) {
        split = emit(s, RE_SPLIT, s->to->count + 1, 0);
        write_node(s, n->a);
        s->to->steps[split].other = (uint32_t)s->to->count;
    }
}

static void write_node(struct parser *s, unsigned at)
{
    const struct node n = s->nodes[at];
    size_t split, jump;

    if (s->failed || ++s->visits > VISITS) {
        fail(s, "the pattern is too large when its repetitions are written out");
        return;
    }
    switch (n.kind) {
    case EMPTY:
        break;
    case LEAF:
        emit(s, n.leaf.op, n.leaf.value, 0);
        break;
    case CAT:
        write_node(s, n.a);
        write_node(s, n.b);
        break;
    case ALT:
        split = emit(s, RE_SPLIT, s->to->count + 1, 0);
        write_node(s, n.a);
        jump = emit(s, RE_JUMP, 0, 0);
        s->to->steps[split].other = (uint32_t)s->to->count;
        write_node(s, n.b);
        s->to->steps[jump].value = (uint32_t)s->to->count;
        break;
    case REPEAT:
        write_repeat(s, &n);
        break;
    }
}

struct regex *regex_compile(const char *pattern, char *why, size_t size)
{
    struct parser s = {.start = pattern, .p = pattern, .why = why, .size = size};
    unsigned root;

    s.end = pattern + strlen(pattern);
    s.to = xcalloc(1, sizeof(*s.to));
    s.to->steps = xcalloc(REGEX_STEPS, sizeof(*s.to->steps));
    root = alternatives(&s);
    if (!s.failed && s.p < s.end)
        fail(&s, "expected ( before )");
    if (!s.failed) {
        write_node(&s, root);
        emit(&s, RE_MATCH, 0, 0);
    }
    free(s.nodes);
    if (s.failed) {
        regex_free(s.to);
        return NULL;
    }
    s.to->steps = xrealloc(s.to->steps, s.to->count * sizeof(*s.to->steps));
    return s.to;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    for (size_t i = 0; i < regex->class_count; i++)
        free(regex->classes[i].ranges);
    free(regex->classes);
    free(regex->steps);
    free(regex);
}

size_t regex_size(const struct regex *regex)
{
    return regex->count;
}
