/* Checks of one value that holds no others: choices, numbers, text; and how a mismatch becomes an
 * error. Mismatches while an alternative is tried stay silent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/json.h"
#include "core/json/schema_check.h"

#define SUBJECT_BYTES 65536 /* longest text a pattern is tried on */
#define PATTERN_FIRST_BYTES                                                                        \
    256 /* longest text of a wrong length that is told its pattern first                           \
         */

static void spot_path(const struct check *c, const struct spot *spot, struct buf *to)
{
    AUTO_FREE char *key = NULL;
    char index[24];

    if (!spot) {
        buf_adds(to, c->base);
        return;
    }
    spot_path(c, spot->up, to);
    if (!spot->key) {
        snprintf(index, sizeof(index), "%zu", spot->index);
        buf_add_pointer(to, index);
        return;
    }
    key = xcalloc(1, spot->len + 1);
    json_unescape(spot->key, spot->len, key);
    buf_add_pointer(to, key);
}

/* Fills the error; returns code. Mismatches within an attempt at an alternative stay silent. */
int schema_value_say(struct check *c, const struct spot *spot, int code, const char *format, ...)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf text = {0};
    va_list args;

    if (!c->err || (c->quiet && code == ORB_E_SCHEMA))
        return code;
    va_start(args, format);
    buf_addv(&text, format, args);
    va_end(args);
    spot_path(c, spot, &path);
    return orb_fail_at(c->err, code, buf_str(&path), "%s", buf_str(&text));
}

int schema_value_mismatch(struct check *c, const struct schema *s, const struct spot *spot,
                          const struct json_slice *v, const char *expected)
{
    AUTO(buf) struct buf got = {0};

    if (!c->err || c->quiet)
        return ORB_E_SCHEMA;
    schema_words_got(v, json_is_true(json_object_get(s->json, "x-orb-secret")), &got);
    schema_instead_value(s, v, &got);
    return schema_value_say(c, spot, ORB_E_SCHEMA, "expected %s; got %s", expected, buf_str(&got));
}

int schema_value_wrong_count(struct check *c, const struct spot *spot, const char *what, uint64_t n,
                             uint64_t least, uint64_t most)
{
    uint64_t bound = n < least ? least : most;

    return schema_value_say(c, spot, ORB_E_SCHEMA, "expected at %s %llu %s%s; got %llu",
                            n < least ? "least" : "most", (unsigned long long)bound, what,
                            bound == 1 ? "" : "s", (unsigned long long)n);
}

int schema_value_match(const struct pattern *pattern, const char *text, size_t len)
{
    return len > SUBJECT_BYTES ? ORB_E_LIMIT : regex_match(pattern->regex, text, len);
}

int schema_value_too_costly(struct check *c, const struct spot *spot, int r)
{
    return schema_value_say(
        c, spot, r, "the text cannot be checked against a pattern: it is longer than %d bytes",
        SUBJECT_BYTES);
}

/* Characters of a string as spelled between its quotes; a surrogate pair of escapes is one. */
static uint64_t characters(const char *p, const char *end)
{
    uint64_t n = 0;

    while (p < end) {
        if (*p == '\\' && end - p >= 2) {
            bool wide = p[1] == 'u' && end - p >= 6;
            bool low = wide && (p[2] | 32) == 'd' && strchr("cdefCDEF", p[3]);

            n += !low;
            p += wide ? 6 : 2;
        } else {
            n += (*p & 0xc0) != 0x80;
            p++;
        }
    }
    return n;
}

/* Does the value equal the choice? 1, 0 or ORB_E_NOMEM. */
static int is_choice(const struct choice *choice, const struct json_slice *v, const char *plain,
                     size_t plain_len, struct buf *equal)
{
    AUTO(json_t) json_t *tree = NULL;
    struct number n;

    if (choice->type == SCHEMA_STRING)
        return plain && plain_len == choice->len && memcmp(plain, choice->text, plain_len) == 0;
    if (plain || (v->type == 'o') != (choice->type == SCHEMA_OBJECT) ||
        (v->type == 'a') != (choice->type == SCHEMA_ARRAY))
        return 0;
    if (choice->type & SCHEMA_NUMBER) {
        struct number want = schema_number(choice->text, choice->len);

        if (v->type != 'i' && v->type != 'n')
            return 0;
        n = schema_number(v->p, v->len);
        return schema_number_compare(&n, &want) == 0;
    }
    if (v->type != 'o' && v->type != 'a')
        return v->len == choice->len && memcmp(v->p, choice->text, v->len) == 0;
    if (!equal->len) {
        tree = json_loadb(v->p, v->len, JSON_REJECT_DUPLICATES, NULL);
        if (!tree)
            return ORB_E_NOMEM;
        tree_dump_equal(tree, equal);
    }
    return equal->len == choice->len && memcmp(equal->data, choice->text, choice->len) == 0;
}

static int is_text_choice(const struct schema *s, const char *text, size_t len)
{
    size_t low = 0, high = s->text_count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = schema_facets_text_order(text, len, s->choices[mid].text, s->choices[mid].len);

        if (order == 0)
            return 1;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return 0;
}

/* enum and const. */
int schema_value_check_choices(struct check *c, const struct schema *s, const struct spot *spot,
                               const struct json_slice *v)
{
    AUTO(buf) struct buf equal = {0};
    AUTO(buf) struct buf words = {0};
    AUTO(buf) struct buf got = {0};
    AUTO_FREE char *heap = NULL;
    const char *plain = NULL;
    size_t len = 0;
    int r = 1;

    if (v->type == 's' && v->len >= 2) {
        plain = v->p + 1;
        len = v->len - 2;
        if (memchr(plain, '\\', len)) {
            heap = xcalloc(1, len);
            len = json_unescape(plain, len, heap);
            plain = heap;
        }
    }
    if (s->has_const)
        r = is_choice(&s->only, v, plain, len, &equal);
    if (r > 0 && s->has_choices && plain) {
        r = is_text_choice(s, plain, len);
    } else if (r > 0 && s->has_choices) {
        r = schema_check_charge(c, spot, (s->choice_count - s->text_count) / 2);
        for (size_t i = s->text_count; i < s->choice_count && r == 0; i++)
            r = is_choice(&s->choices[i], v, plain, len, &equal);
        if (r == ORB_E_LIMIT)
            return r;
    }
    if (r > 0)
        return 0;
    if (r < 0)
        return schema_value_say(c, spot, r, "out of memory for comparing a value");
    if (!c->err || c->quiet)
        return ORB_E_SCHEMA;
    schema_words_choices(s, &words);
    schema_words_got(v, json_is_true(json_object_get(s->json, "x-orb-secret")), &got);
    if (!schema_instead_value(s, v, &got))
        schema_words_near(s, plain, len, &got);
    return schema_value_say(c, spot, ORB_E_SCHEMA, "expected %s; got %s", buf_str(&words),
                            buf_str(&got));
}

static int check_number(struct check *c, const struct schema *s, const struct spot *spot,
                        const struct json_slice *v)
{
    struct number n = schema_number(v->p, v->len);
    AUTO(buf) struct buf words = {0};

    if ((!s->has_minimum || schema_number_compare(&n, &s->minimum) >= 0) &&
        (!s->has_maximum || schema_number_compare(&n, &s->maximum) <= 0) &&
        (!s->has_above || schema_number_compare(&n, &s->above) > 0) &&
        (!s->has_below || schema_number_compare(&n, &s->below) < 0) &&
        (!s->has_multiple || schema_number_multiple(&n, &s->multiple)))
        return 0;
    if (!c->quiet)
        schema_words_range(s, &words);
    return schema_value_mismatch(c, s, spot, v, buf_str(&words));
}

/* A text that its format or pattern refuses. */
static int wrong_text(struct check *c, const struct schema *s, const struct spot *spot,
                      const struct json_slice *v, const char *plain, bool by_format)
{
    bool secret = json_is_true(json_object_get(s->json, "x-orb-secret"));
    AUTO(buf) struct buf words = {0}, got = {0};

    if (!c->err || c->quiet)
        return ORB_E_SCHEMA;
    if (by_format)
        schema_words_format(s, &words);
    else
        schema_words_pattern(s, &words);
    schema_words_got(v, secret, &got);
    if (!secret && !schema_instead_value(s, v, &got)) {
        if (!by_format)
            schema_words_near_example(s, plain, &got);
        schema_words_list(s, plain, &got);
    }
    return schema_value_say(c, spot, ORB_E_SCHEMA, "expected %s; got %s", buf_str(&words),
                            buf_str(&got));
}

/* Its format and pattern. */
static int check_form(struct check *c, const struct schema *s, const struct spot *spot,
                      const struct json_slice *v, const char *p, size_t len)
{
    AUTO_FREE char *plain = xcalloc(1, len + 1);
    int r;

    plain[len = json_unescape(p, len, plain)] = '\0';
    if (s->format && !s->format->test(plain))
        return wrong_text(c, s, spot, v, plain, true);
    if (!s->pattern.regex)
        return 0;
    r = schema_check_charge(c, spot, schema_check_match_units(&s->pattern, len));
    if (r < 0)
        return r;
    r = schema_value_match(&s->pattern, plain, len);
    if (r < 0)
        return schema_value_too_costly(c, spot, r);
    return r > 0 ? 0 : wrong_text(c, s, spot, v, plain, false);
}

static int check_string(struct check *c, const struct schema *s, const struct spot *spot,
                        const struct json_slice *v)
{
    bool formed = s->pattern.regex || s->format;
    size_t len = v->len < 2 ? 0 : v->len - 2;
    const char *p = v->p + 1;
    uint64_t n = s->min_length;
    int r = 0;

    /* A character is 1 to 12 bytes (a surrogate pair in escapes): mostly the bytes decide already.
     */
    if (len > s->max_length || len / 12 < s->min_length)
        n = characters(p, p + len);
    if (n >= s->min_length && n <= s->max_length)
        return formed ? check_form(c, s, spot, v, p, len) : 0;
    /* The expected content of a text is more useful than its length. */
    if (formed && len <= PATTERN_FIRST_BYTES && c->err && !c->quiet)
        r = check_form(c, s, spot, v, p, len);
    return r < 0 ? r
                 : schema_value_wrong_count(c, spot, "character", n, s->min_length, s->max_length);
}

/* A number under a format that numbers have too (80 for a port), however it is spelled (80.0). */
static bool number_fits(const struct format *format, const struct json_slice *v)
{
    struct number n = schema_number(v->p, v->len);
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)n.i);
    return n.integer && format->test(text);
}

int schema_value_check_scalar(struct check *c, const struct schema *s, const struct spot *spot,
                              const struct json_slice *v)
{
    AUTO(buf) struct buf words = {0};

    if (v->type == 's')
        return check_string(c, s, spot, v);
    if (v->type != 'i' && v->type != 'n')
        return 0;
    if (s->format && s->format->numbers && !number_fits(s->format, v)) {
        if (!c->quiet)
            schema_words_format(s, &words);
        return schema_value_mismatch(c, s, spot, v, buf_str(&words));
    }
    return s->has_number ? check_number(c, s, spot, v) : 0;
}
