/* Whatever a package's schema contains, no request blocks the loop of the config service for long.
 * Each kind of schema is as large as one that is registered may be. In processor time, compared
 * with what reading, writing and freeing values of the size of one request takes at the same
 * moment. */
#include <string.h>
#include <time.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

#define MOST_UNITS 2.0     /* some 50 ms where this was written */
#define SCHEMA_BYTES 60000 /* of at most 64 KiB */
#define NAMES 1000
#define LARGE 100000 /* of at most 256 KiB of a frame */

static double unit; /* unit_ms(), the longest */

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Members of all kinds, 256 KiB, made three times. */
static double unit_ms(void)
{
    static const char member[] = "{\"action\":\"drop\",\"from\":[1,2,3,true],\"to\":\"lan\"}";
    AUTO(buf) struct buf text = {0};
    double begin = cpu_ms();

    buf_addc(&text, '[');
    while (text.len < 256u * 1024)
        buf_addf(&text, "%s%s", text.len > 1 ? "," : "", member);
    buf_addc(&text, ']');
    for (int i = 0; i < 3; i++) {
        AUTO(buf) struct buf again = {0};
        AUTO(json_t) json_t *tree = NULL;
        struct orb_err err;

        ck_assert_int_eq(tree_parse(buf_str(&text), text.len, NULL, &tree, &err), 0);
        tree_dump(tree, &again);
    }
    return cpu_ms() - begin;
}

/* {"WORD":[{"$ref":"#/$defs/d"}, … as many as there is room for]}, and a definition */
static void often(struct buf *b, const char *word, const char *definition)
{
    buf_addf(b, "{\"%s\":[true", word);
    while (b->len + strlen(definition) + 200 < SCHEMA_BYTES)
        buf_adds(b, ",{\"$ref\":\"#/$defs/d\"}");
    buf_addf(b, "]},\"$defs\":{\"d\":%s", definition);
}

static char *patterns(const char *value)
{
    struct buf b = {0};

    buf_adds(&b, "{\"type\":\"object\",\"patternProperties\":{");
    for (int i = 0; i < 30; i++)
        buf_addf(&b, "%s\"^(a{1,900}|%db)*c$\":%s", i ? "," : "", i, value);
    buf_adds(&b, "}}");
    return b.data;
}

static void patterns_behind(struct buf *b, const char *word)
{
    AUTO_FREE char *d = patterns("{\"type\":\"integer\"}");

    often(b, word, d);
    buf_addc(b, '}');
}

/* Different ones, so that none was looked at before. */
static void patterns_apart(struct buf *b, const char *word)
{
    buf_addf(b, "{\"%s\":[true", word);
    for (int i = 0; i < 50; i++) /* more are refused */
        buf_addf(b, ",{\"patternProperties\":{\"^(a{1,900}|%db)*c$\":{\"type\":\"integer\"}}}", i);
    buf_adds(b, "]},\"$defs\":{}");
}

static void any_of_patterns(struct buf *b)
{
    patterns_behind(b, "anyOf");
}

static void all_of_patterns(struct buf *b)
{
    patterns_behind(b, "allOf");
}

static void one_of_patterns(struct buf *b)
{
    patterns_apart(b, "oneOf");
}

static void all_of_many_patterns(struct buf *b)
{
    patterns_apart(b, "allOf");
}

static void names_of_members(struct buf *b)
{
    buf_adds(b, "{\"propertyNames\":{\"allOf\":[true");
    while (b->len + 300 < SCHEMA_BYTES)
        buf_adds(b, ",{\"$ref\":\"#/$defs/d\"}");
    buf_adds(b, "]}},\"$defs\":{\"d\":{\"pattern\":\"^(a{1,900}|b)*c?$\"}}");
}

static void secrets_behind(struct buf *b)
{
    AUTO_FREE char *d = patterns("{\"x-orb-secret\":true}");

    often(b, "allOf", d);
    buf_addc(b, '}');
}

#define REFERS "{\"items\":{\"x-orb-ref\":\"/interfaces\"},\"x-orb-ref\":\"/interfaces\"}"

static void references_all_over(struct buf *b)
{
    often(b, "allOf", "{\"items\":" REFERS ",\"additionalProperties\":" REFERS "}");
    buf_addc(b, '}');
}

/* Alternatives in alternatives, of which the last fits. */
static void references_behind(struct buf *b)
{
    buf_adds(b, "{\"additionalProperties\":{\"$ref\":\"#/$defs/d0\"}},\"$defs\":{");
    for (int i = 0; i < 60; i++)
        buf_addf(b,
                 "\"d%d\":{\"anyOf\":[{\"items\":{\"maximum\":-1}},{\"$ref\":\"#/$defs/d%d\"}]},",
                 i, i + 1);
    buf_adds(b, "\"d60\":" REFERS "}");
}

/* Each level many ways to the next. */
static void nested(struct buf *b)
{
    static const char *const words[] = {"allOf", "anyOf", "oneOf"};

    buf_adds(b, "{\"$ref\":\"#/$defs/d0\"},\"$defs\":{");
    for (int i = 0; i < 6; i++) {
        buf_addf(b, "\"d%d\":{\"%s\":[true", i, words[i % 3]);
        for (int k = 0; k < 300; k++)
            buf_addf(b, ",{\"$ref\":\"#/$defs/d%d\"}", i + 1);
        buf_adds(b, "]},");
    }
    buf_adds(b, "\"d6\":{\"properties\":{\"zz\":{\"type\":\"integer\"}},\"additionalProperties\":"
                "{\"type\":\"string\"}}}");
}

static void long_enum(struct buf *b)
{
    buf_adds(b, "{\"type\":\"object\",\"additionalProperties\":{\"enum\":[0");
    for (int i = 0; b->len + 200 < SCHEMA_BYTES; i++)
        buf_addf(b, ",\"%050d\"", i);
    buf_adds(b, "]}},\"$defs\":{}");
}

static void many_names(struct buf *b)
{
    AUTO(buf) struct buf d = {0};

    buf_adds(&d, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"p\":true");
    for (int i = 0; i < 490; i++)
        buf_addf(&d, ",\"p%05d\":{\"type\":\"integer\"}", i);
    buf_adds(&d, "}}");
    often(b, "anyOf", buf_str(&d));
    buf_addc(b, '}');
}

static void many_required(struct buf *b)
{
    buf_adds(b, "{\"type\":\"object\",\"properties\":{\"p\":true");
    for (int i = 0; i < 500; i++)
        buf_addf(b, ",\"q%d\":true", i);
    buf_adds(b, "},\"required\":[\"p\"");
    for (int i = 0; b->len + 200 < SCHEMA_BYTES && i < 3500; i++)
        buf_addf(b, ",\"r%d\"", i);
    buf_adds(b, "]},\"$defs\":{}");
}

static void unique_lists(struct buf *b)
{
    buf_adds(b, "{\"type\":\"object\",\"additionalProperties\":{\"allOf\":[true");
    while (b->len + 300 < SCHEMA_BYTES)
        buf_adds(b, ",{\"$ref\":\"#/$defs/d\"}");
    buf_adds(b, "]}},\"$defs\":{\"d\":{\"uniqueItems\":true}}");
}

static const struct {
    const char *name;
    void (*make)(struct buf *config);
} kinds[] = {{"anyOf of patterns", any_of_patterns},
             {"allOf of patterns", all_of_patterns},
             {"oneOf of different patterns", one_of_patterns},
             {"allOf of different patterns", all_of_many_patterns},
             {"patterns of names", names_of_members},
             {"secrets behind patterns", secrets_behind},
             {"references all over", references_all_over},
             {"references behind alternatives", references_behind},
             {"nested combinations", nested},
             {"a long enum", long_enum},
             {"many names again and again", many_names},
             {"many required names", many_required},
             {"unique lists", unique_lists}};

static void measured(struct fake *f, const char *kind, const char *what, const char *method,
                     const char *in)
{
    double begin = cpu_ms(), took;

    fake_send(f, "ada", 1, method, in);
    f->method = NULL;
    for (int i = 0; !f->answered && i < 100; i++) {
        engine_go_on(f->engine); /* a commit is written in a turn of its own */
        fake_advance(f, 500);
    }
    took = cpu_ms() - begin;
    ck_assert_msg(f->answered, "%s: %s", kind, what);
    for (int i = 0; i < 3 && took > MOST_UNITS * unit; i++) {
        double now = unit_ms(); /* the machine may be slower than it was */

        unit = now > unit ? now : unit;
    }
    if (took > unit / 2)
        printf("# %s: %s took %.1f ms, %.1f units\n", kind, what, took, took / unit);
    ck_assert_msg(took < MOST_UNITS * unit, "%s: %s took %.1f ms, %.1f units (%s)", kind, what,
                  took, took / unit, f->err.text);
}

/* {"op":"set","path":"/guest","value":{"aaa…0":VALUE, …}} */
static char *edit_of(int count, int len, const char *value)
{
    struct buf b = {0};

    buf_adds(&b, "{\"ops\":[{\"op\":\"merge\",\"path\":\"/guest\",\"value\":{");
    for (int i = 0; i < count; i++)
        buf_addf(&b, "%s\"%0*d\":%s", i ? "," : "", len, i, value);
    buf_adds(&b, "}}]}");
    for (char *p = strstr(b.data, "guest") + 16; (p = strstr(p, "\"0")); p++)
        for (char *q = p + 1; *q == '0'; q++)
            *q = 'a';
    return b.data;
}

static char *large(const char *const shape[4])
{
    struct buf b = {0};

    buf_adds(&b, shape[0]);
    while (b.len < LARGE)
        buf_addf(&b, "%s%zu%s", shape[1], b.len, shape[2]);
    buf_adds(&b, shape[3]);
    return b.data;
}

static void edited(struct fake *f, const char *kind, const char *what, const char *edit)
{
    AUTO_FREE char *then = buf_format("what follows %s", what);

    measured(f, kind, what, "edit", edit);
    measured(f, kind, then, "validate", "{}");
    measured(f, kind, then, "diff", "{}");
    measured(f, kind, then, "commit", "{}");
    measured(f, kind, then, "get", "{\"path\":\"/guest\"}");
    measured(f, kind, then, "discard", "{}");
}

static void large_values(struct fake *f, const char *kind)
{
    static const char *const shapes[][4] = {{"[0", ",", "", "]"},
                                            {"[\"\"", ",\"aab", "\"", "]"},
                                            {"{\"a\":1", ",\"aab", "\":1", "}"},
                                            {"[{}", ",{\"aab\":", "}", "]"},
                                            {"\"", "aaaa", "", "\""}};

    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        AUTO_FREE char *value = large(shapes[i]);
        AUTO_FREE char *edit = edit_of(1, 3, value), *what = buf_format("large value %zu", i);
        AUTO_FREE char *top =
            buf_format("{\"ops\":[{\"op\":\"set\",\"path\":\"/guest\",\"value\":%s}]}", value);

        edited(f, kind, what, edit);
        edited(f, kind, what, top);
    }
}

static void all_requests(struct fake *f, const char *kind)
{
    static const int lengths[] = {3, 200, 3900};
    /* A part that is there: each name is a change of its own. */
    static const char empty[] = "{\"ops\":[{\"op\":\"set\",\"path\":\"/guest\",\"value\":{}}]}";
    static const char *const values[] = {"1", "\"zzz\"", "{\"aaab\":1}", "[1,2,3,1]"};

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        AUTO_FREE char *name = xcalloc(1, (size_t)lengths[i] + 1);
        AUTO_FREE char *at = NULL, *deep = NULL;

        memset(name, 'a', (size_t)lengths[i]);
        at = buf_format("{\"path\":\"/guest/%s\"}", name);
        deep = buf_format("{\"path\":\"/guest/%s/a/b/c/d/e/f/g/h/i/%s\"}", name, "aaab");
        measured(f, kind, "schema", "schema", at);
        measured(f, kind, "schema of the part", "schema", "{\"path\":\"/guest\"}");
        measured(f, kind, "schema far below", "schema", deep);
        measured(f, kind, "get", "get", at);
    }
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        AUTO_FREE char *few = edit_of(20, 1000, values[i]);
        AUTO_FREE char *many = edit_of(NAMES, 40, values[i]);

        edited(f, kind, "edit of long names", few);
        edited(f, kind, "edit of many names", many);
    }
    large_values(f, kind);
    edited(f, kind, "an empty part", empty);
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        AUTO_FREE char *many = edit_of(NAMES, 40, values[i]);

        edited(f, kind, "edit of many names below", many);
    }
    /* As many as an event names one by one. */
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        AUTO_FREE char *some = edit_of(lengths[i] > 1000 ? 60 : 100, lengths[i], values[i]);

        edited(f, kind, "edit of a hundred names below", some);
    }
}

static void on_soon(void *arg)
{
}

static uint64_t on_now_us(void *arg)
{
    return 1;
}

TEST(no_schema_makes_a_request_hold_the_loop)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO(buf) struct buf config = {0}, text = {0};
        struct fake f;

        buf_adds(&text, "{\"interface\":\"guest\",\"version\":\"1.0\",\"config\":");
        kinds[i].make(&config);
        buf_addf(&text, "%s}", buf_str(&config));
        ck_assert_uint_lt(text.len, 65536);
        fake_new(&f);
        f.guest = buf_str(&text);
        fake_close(&f);
        buf_clear(&f.logged);
        fake_open(&f);
        if (strstr(buf_str(&f.logged), "schema.refused"))
            printf("# %s: refused: %.300s\n", kinds[i].name, buf_str(&f.logged));
        /* As in the service, in fibers: their stacks are small. */
        f.engine->host.soon = on_soon;
        f.engine->host.now_us = on_now_us;
        f.engine->requests.settling = 1; /* each is answered at once */
        /* Each is notified of the commit. */
        fake_service(&f, "firewall", "/guest");
        fake_service(&f, "interfaces", "/guest");
        fake_service(&f, "system", "/guest");
        all_requests(&f, kinds[i].name);
        fake_free(&f);
    }
}
