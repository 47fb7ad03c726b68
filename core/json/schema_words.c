/* Error texts: what was expected, found, known, similar. Lists are shortened to fit one line. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "core/base/xalloc.h"
#include "core/json/json.h"
#include "core/json/schema_internal.h"

#define SHOWN_NAMES 16
#define SHOWN_BYTES 60
#define EXAMPLE_BYTES 120 /* of an example that is shown */
#define KNOWN_MAX 500     /* names looked at for the nearest */
#define DEEPEST 16        /* depth to which references are followed for texts */

void schema_words_types(unsigned types, struct buf *to)
{
    static const struct {
        unsigned bits;
        const char *words;
    } names[] = {{SCHEMA_OBJECT, "an object"},   {SCHEMA_ARRAY, "an array"},
                 {SCHEMA_STRING, "a string"},    {SCHEMA_NUMBER, "a number"},
                 {SCHEMA_INTEGER, "an integer"}, {SCHEMA_BOOLEAN, "true or false"},
                 {SCHEMA_NULL, "null"}};
    const char *before = "";

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((types & names[i].bits) != names[i].bits)
            continue;
        buf_addf(to, "%s%s", before, names[i].words);
        types &= ~names[i].bits;
        before = " or ";
    }
}

static void add_names(const char *const *names, size_t count, struct buf *to)
{
    for (size_t i = 0; i < count && i < SHOWN_NAMES; i++)
        buf_addf(to, "%s%.40s", i ? ", " : "", names[i]);
    if (count > SHOWN_NAMES)
        buf_addf(to, ", … (%zu more)", count - SHOWN_NAMES);
}

static void add_near(const char *word, const char *const *names, size_t count, struct buf *to)
{
    const char *near = suggest_nearest(word, names, count);

    if (near)
        buf_addf(to, "; did you mean %s?", near);
}

/* As add_near, for a value: when none of those known begins with "!", that is why it is wrong. */
static void add_near_value(const char *word, const char *const *names, size_t count, struct buf *to)
{
    bool negated = false;

    for (size_t i = 0; i < count && !negated; i++)
        negated = *names[i] == '!';
    if (*word == '!' && count && !negated)
        buf_adds(to, "; it cannot be negated here");
    else
        add_near(word, names, count, to);
}

static size_t choices_of(const struct schema *s, const struct choice **ret_choices)
{
    *ret_choices = s->has_choices ? s->shown : &s->only;
    return s->has_choices ? s->choice_count : 1;
}

void schema_words_choices(const struct schema *s, struct buf *to)
{
    const struct choice *choices;
    size_t count = choices_of(s, &choices);
    AUTO_FREE const char **names = xcalloc(count, sizeof(*names));

    for (size_t i = 0; i < count; i++)
        names[i] = choices[i].text;
    if (count > 1)
        buf_adds(to, "one of ");
    if (count == 1 && choices[0].type == SCHEMA_STRING)
        buf_add_json(to, choices[0].text, choices[0].len);
    else
        add_names(names, count, to);
}

void schema_words_near(const struct schema *s, const char *word, size_t len, struct buf *to)
{
    const struct choice *choices;
    size_t count = choices_of(s, &choices), n = 0;
    AUTO_FREE const char **names = xcalloc(count, sizeof(*names));
    AUTO_FREE char *copy = NULL;

    if (!word || len > SHOWN_BYTES)
        return;
    copy = xstrndup(word, len);
    for (size_t i = 0; i < count; i++)
        if (choices[i].type == SCHEMA_STRING)
            names[n++] = choices[i].text;
    add_near_value(copy, names, n, to);
}

static void add_bound(const struct number *n, const char *words, const char **before,
                      struct buf *to)
{
    buf_addf(to, "%s%s ", *before, words);
    if (n->integer && n->d > -1e15 && n->d < 1e15)
        buf_addf(to, "%lld", (long long)n->i);
    else
        buf_addf(to, "%g", n->d);
    *before = " and ";
}

void schema_words_range(const struct schema *s, struct buf *to)
{
    const char *before = "a number ";

    if (s->types && !(s->types & SCHEMA_REAL))
        before = "an integer ";
    if (s->has_minimum && s->has_maximum) {
        add_bound(&s->minimum, "between", &before, to);
        before = " ";
        add_bound(&s->maximum, "and", &before, to);
    } else if (s->has_minimum) {
        add_bound(&s->minimum, "of at least", &before, to);
    } else if (s->has_maximum) {
        add_bound(&s->maximum, "of at most", &before, to);
    }
    if (s->has_above)
        add_bound(&s->above, "above", &before, to);
    if (s->has_below)
        add_bound(&s->below, "below", &before, to);
    if (s->has_multiple)
        add_bound(&s->multiple, "that is a multiple of", &before, to);
}

static const char *own_words(const struct schema *s)
{
    return json_string_value(json_object_get(s->json, "x-orb-expected"));
}

static void add_example(const struct schema *s, struct buf *to)
{
    const json_t *first = json_array_get(json_object_get(s->json, "examples"), 0);
    AUTO_FREE char *text = json_is_object(first) ? json_dumps(first, JSON_SORT_KEYS) : NULL;

    if (text && strlen(text) <= EXAMPLE_BYTES)
        buf_addf(to, ", for example %s", text);
}

/* The texts among its examples. */
static size_t examples_of(const struct schema *s, const char *names[KNOWN_MAX])
{
    const json_t *examples = json_object_get(s->json, "examples");
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(examples) && n < KNOWN_MAX; i++)
        if (json_is_string(json_array_get(examples, i)))
            names[n++] = json_string_value(json_array_get(examples, i));
    return n;
}

void schema_words_pattern(const struct schema *s, struct buf *to)
{
    const char *words = own_words(s);
    const char *names[KNOWN_MAX];
    size_t count = examples_of(s, names);

    if (words) {
        buf_addf(to, "%.160s", words);
    } else if (count) {
        buf_adds(to, "a text such as ");
        add_names(names, count, to);
    } else {
        buf_addf(to, "a text that matches %s", s->pattern.text);
    }
}

void schema_words_format(const struct schema *s, struct buf *to)
{
    buf_addf(to, "%.200s", own_words(s) ? own_words(s) : s->format->words);
}

void schema_words_value(const struct schema *s, struct buf *to)
{
    bool container = !(s->types & ~(SCHEMA_OBJECT | SCHEMA_ARRAY));

    if (!container || !own_words(s))
        schema_words_types(s->types, to);
    if (own_words(s))
        buf_addf(to, container ? "%.160s" : " (%.160s)", own_words(s));
    else if (s->types == SCHEMA_OBJECT)
        add_example(s, to);
}

static bool fits_alone(const struct schema *s, const char *word, size_t len)
{
    if (s->format && !s->format->test(word))
        return false;
    return !s->pattern.regex || schema_value_match(&s->pattern, word, len) > 0;
}

void schema_words_list(const struct schema *s, const char *text, struct buf *to)
{
    AUTO(buf) struct buf list = {0};
    AUTO_FREE char *copy = NULL;
    char *rest = NULL;
    size_t count = 0;

    if (!(s->types & SCHEMA_ARRAY) || strlen(text) > SHOWN_BYTES)
        return;
    copy = xstrdup(text);
    for (char *word = strtok_r(copy, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
        if (!fits_alone(s, word, strlen(word)))
            return;
        buf_adds(&list, count++ ? ", " : "");
        buf_add_json(&list, word, strlen(word));
    }
    if (count > 1)
        buf_addf(to, "; did you mean a list, [%s]?", buf_str(&list));
}

void schema_words_near_example(const struct schema *s, const char *word, struct buf *to)
{
    const char *names[KNOWN_MAX];

    if (strlen(word) <= SHOWN_BYTES)
        add_near_value(word, names, examples_of(s, names), to);
}

void schema_words_alternatives(const struct schema_list *list, struct buf *to)
{
    buf_adds(to, "one of: ");
    for (size_t i = 0; i < list->count && i < SHOWN_NAMES; i++) {
        const struct schema *s = list->all[i];
        const char *title = schema_facts_title(s);

        for (int hops = 0; s->only_ref && !title && hops < DEEPEST; hops++)
            s = s->ref;
        if (i)
            buf_adds(to, ", ");
        if (title)
            buf_adds(to, title);
        else if (s->has_choices || s->has_const)
            schema_words_choices(s, to);
        else if (s->format)
            buf_adds(to, s->format->words);
        else if (s->pattern.text)
            schema_words_pattern(s, to);
        else if (s->required_count && !s->types)
            buf_addf(to, "an object with certain members");
        else
            schema_words_types(schema_finish_types_of(s), to);
    }
}

void schema_words_got(const struct json_slice *v, bool secret, struct buf *to)
{
    size_t len = v->len;

    if (v->type == 'o' || v->type == 'a') {
        buf_adds(to, v->type == 'o' ? "an object" : "an array");
    } else if (secret) {
        buf_adds(to, "something else (it is secret)");
    } else if (len <= SHOWN_BYTES) {
        buf_add(to, v->p, len);
    } else {
        for (len = SHOWN_BYTES; len && (v->p[len] & 0xc0) == 0x80;)
            len--;
        buf_add(to, v->p, len);
        buf_adds(to, "…");
    }
}

static void known_add(const struct schema *s, unsigned depth, const char ***names, size_t *count,
                      unsigned *left)
{
    const struct schema_list *lists[] = {&s->all_of, &s->any_of, &s->one_of};

    if (depth > DEEPEST || !*left)
        return;
    *left -= *left < 1 + s->member_count / 16 ? *left : 1 + (unsigned)(s->member_count / 16);
    for (size_t i = 0; i < s->member_count && *count < KNOWN_MAX; i++) {
        bool there = !s->members[i].schema || s->members[i].schema->kind == SCHEMA_NEVER;

        for (size_t j = 0; j < *count && !there; j++)
            there = !strcmp((*names)[j], s->members[i].name);
        if (there)
            continue;
        *names = xrealloc(*names, (*count + 1) * sizeof(**names));
        (*names)[(*count)++] = s->members[i].name;
    }
    if (s->ref)
        known_add(s->ref, depth + 1, names, count, left);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (size_t j = 0; j < lists[i]->count; j++)
            known_add(lists[i]->all[j], depth + 4, names, count, left);
}

static const char **known(const struct schema *s, size_t *ret_count)
{
    const char **names = NULL;

    unsigned left = KNOWN_MAX;

    *ret_count = 0;
    known_add(s, 0, &names, ret_count, &left);
    return names;
}

static bool is_also(const struct schema *s, const char *name)
{
    const json_t *also = json_object_get(s->json, "x-orb-also");

    for (size_t i = 0; i < json_array_size(also); i++)
        if (!strcmp(json_string_value(json_array_get(also, i)), name))
            return true;
    return false;
}

static bool is_value_of(const struct schema *s, const char *name)
{
    for (size_t i = 0; s->has_choices && i < s->choice_count; i++)
        if (s->choices[i].type == SCHEMA_STRING && !strcmp(s->choices[i].text, name))
            return true;
    return false;
}

/* The known member that has this name elsewhere, or has it as a value. */
static bool add_meant(const struct schema *s, const char *name, unsigned depth, struct buf *to)
{
    if (depth > DEEPEST)
        return false;
    for (size_t i = 0; i < s->member_count && i < KNOWN_MAX; i++) {
        const struct member *m = &s->members[i];

        if (m->schema && is_also(m->schema, name)) {
            buf_addf(to, "; did you mean %.40s?", m->name);
            return true;
        }
        if (m->schema && is_value_of(m->schema, name)) {
            buf_addf(to, "; did you mean %.40s with the value %.40s?", m->name, name);
            return true;
        }
    }
    return s->ref && add_meant(s->ref, name, depth + 1, to);
}

void schema_words_unknown(const struct schema *s, const char *name, struct buf *to)
{
    size_t count;
    AUTO_FREE const char **names = known(s, &count);

    if (count == 0) {
        buf_addf(to, "expected no member of this name; got \"%.60s\"", name);
        schema_instead_word(s, name, to);
        return;
    }
    buf_adds(to, "expected one of ");
    add_names(names, count, to);
    buf_addf(to, "; got \"%.60s\", which is not known", name);
    if (!schema_instead_word(s, name, to) && !add_meant(s, name, 0, to))
        add_near(name, names, count, to);
}
