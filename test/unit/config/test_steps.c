/* What a package asks of large values is done in steps that are short, each of them: so long waits
 * who asks next, whatever the whole takes. Steps are compared with the time that reading, writing
 * and freeing one value as large as a request takes in the same run, in processor time. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/heap.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

#define ELEMENTS 3500u
#define MEMBERS 900u
#define MAPS 20u
#define TEXTS 28u
#define TEXT_BYTES 90000u
#define ATTEMPTS 8u /* what else runs on the machine disturbs single steps */

static const char schema[] =
    "{\"interface\":\"guest\",\"version\":\"1.0\",\"config\":{\"type\":\"object\",\"properties\":{"
    "\"l\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"n\":{\"type\":\"integer\"},\"p\":{\"type\":\"string\",\"x-orb-secret\":true}}}},"
    "\"t\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},"
    "\"o\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\","
    "\"additionalProperties\":{\"type\":\"string\"}}}}}}";
static const char *const grants[] = {"config.read:/", "config.write:/guest", NULL};

struct steps {
    struct fake f; /* first: the host's argument */
    bool soon;
    char *answer;
    uint64_t longest_us;
    const char *longest; /* its method */
};

static void on_reply(void *arg, void *req, const char *text, size_t len)
{
    ((struct steps *)arg)->answer = xstrndup(text, len);
}

static void on_refuse(void *arg, void *req, const struct orb_err *err)
{
    ((struct steps *)arg)->answer = buf_format("%s: %s", err->path, err->text);
}

static void on_soon(void *arg)
{
    ((struct steps *)arg)->soon = true;
}

static uint64_t processor_us(void *arg)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void steps_new(struct steps *s)
{
    *s = (struct steps){0};
    fake_new(&s->f);
    fake_close(&s->f);
    s->f.guest = schema;
    fake_open(&s->f);
    fake_set(&s->f, "/services/guest", "{\"enabled\":true,\"grants\":[\"config.read:/\"]}");
    fake_commit(&s->f);
    s->f.engine->host.reply = on_reply;
    s->f.engine->host.refuse = on_refuse;
    s->f.engine->host.soon = on_soon;
    s->f.engine->host.now_us = processor_us;
}

/* The answer begins with begin. */
static void ask(struct steps *s, const char *method, const char *in, size_t len, const char *begin)
{
    const struct engine_caller caller = {
        .peer = 9, .kind = CALLER_SERVICE, .name = "guest", .grants = grants};
    uint64_t at = processor_us(NULL);

    engine_request(s->f.engine, &caller, method, in, len, (void *)1);
    for (;;) {
        uint64_t took = processor_us(NULL) - at;

        if (took > s->longest_us) {
            s->longest_us = took;
            s->longest = method;
        }
        if (!s->soon)
            break;
        s->soon = false;
        at = processor_us(NULL);
        engine_go_on(s->f.engine);
    }
    ck_assert_ptr_nonnull(s->answer);
    ck_assert_msg(!strncmp(s->answer, begin, strlen(begin)), "%s: %.200s", method, s->answer);
    free(s->answer);
    s->answer = NULL;
}

static void asks(struct steps *s, const char *method, const char *in, const char *begin)
{
    ask(s, method, in, strlen(in), begin);
}

/* ---- what is edited ---- */

static void set(struct steps *s, const char *path, const struct buf *value)
{
    AUTO(buf) struct buf in = {0};

    buf_addf(&in, "{\"ops\":[{\"op\":\"set\",\"path\":\"%s\",\"value\":", path);
    buf_add(&in, value->data, value->len);
    buf_adds(&in, "}]}");
    ask(s, "edit", in.data, in.len, "{\"changes\":");
}

/* A list with secrets; masked: with their masks, moved by one. */
static void add_list(struct buf *to, bool masked)
{
    buf_addc(to, '[');
    for (unsigned i = 0; i < ELEMENTS; i++)
        if (masked)
            buf_addf(to, "%s{\"n\":%u,\"p\":\"********\"}", i ? "," : "", (i + 1) % ELEMENTS);
        else
            buf_addf(to, "%s{\"n\":%u,\"p\":\"s%u\"}", i ? "," : "", i, i);
    buf_addc(to, ']');
}

static void list(struct steps *s)
{
    for (int masked = 0; masked < 2; masked++) {
        AUTO(buf) struct buf value = {0};

        add_list(&value, masked);
        set(s, "/guest/l", &value);
    }
}

static void texts(struct steps *s)
{
    AUTO(buf) struct buf value = {0};

    buf_addf(&value, "\"%0*u\"", (int)TEXT_BYTES, 1u);
    for (unsigned i = 0; i < TEXTS; i++) {
        AUTO_FREE char *path = buf_format("/guest/t/t%u", i);

        set(s, path, &value);
    }
}

static void maps(struct steps *s)
{
    AUTO(buf) struct buf value = {0};

    for (unsigned i = 0; i < MEMBERS; i++)
        buf_addf(&value, "%c\"x%u\":\"x\"", i ? ',' : '{', i);
    buf_addc(&value, '}');
    for (unsigned i = 0; i < MAPS; i++) {
        AUTO_FREE char *path = buf_format("/guest/o/m%u", i);

        set(s, path, &value);
    }
}

/* ---- how long it may take ---- */

static uint64_t unit_us(void)
{
    AUTO(buf) struct buf text = {0}, again = {0};
    uint64_t begin;
    json_t *tree = NULL;

    add_list(&text, true);
    begin = processor_us(NULL);
    ck_assert_int_eq(tree_parse(text.data, text.len, NULL, &tree, NULL), 0);
    tree_dump(tree, &again);
    json_decref(tree);
    return processor_us(NULL) - begin;
}

typedef void fill_fn(struct steps *steps);

static bool is_short(fill_fn *fill, bool fits)
{
    static const char candidate[] = "{\"path\":\"/guest\",\"source\":\"candidate\"}";
    struct steps s;
    uint64_t unit;

    heap_run_in_steps();
    mallopt(M_PERTURB, 0); /* meson has it fill megabytes of what is freed */
    unit = unit_us();
    steps_new(&s);
    fill(&s);
    asks(&s, "diff", "{}", "{\"changes\":[{");
    asks(&s, "validate", "{}", "{\"changes\":");
    asks(&s, "get", candidate, fits ? "{\"path\":\"/guest\"" : "/guest: the value (over ");
    asks(&s, "get-part", "{\"path\":\"/guest\",\"source\":\"candidate\",\"offset\":0}",
         "{\"revision\":");
    asks(&s, "history", "{\"limit\":500}", "{\"entries\":[");
    asks(&s, "commit", "{\"dry-run\":true}", "{\"changes\":");
    asks(&s, "discard", "{}", "{}");
    fake_free(&s.f);
    fprintf(stderr, "# the longest step %.2f ms (%s), a value read, written and freed %.2f ms\n",
            (double)s.longest_us / 1e3, s.longest, (double)unit / 1e3);
    return 2 * s.longest_us < unit;
}

static void check(fill_fn *fill, bool fits)
{
    unsigned attempts = 1;

    while (!is_short(fill, fits))
        ck_assert_msg(attempts++ < ATTEMPTS, "a step took longer than half a request is read");
}

TEST(no_step_about_a_long_list_with_secrets_is_long)
{
    check(list, true);
}

TEST(no_step_about_long_texts_is_long)
{
    check(texts, false);
}

TEST(no_step_about_maps_with_many_members_is_long)
{
    check(maps, true);
}
