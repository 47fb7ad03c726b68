/* plugins/config/fiber.c and requests_pause(): requests that stop half-way and continue. A request
 * in slices among others has the same answer as one at once and alone. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/candidate.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/fiber.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

/* ---- fibers ---- */

struct counter {
    struct fiber *fiber;
    unsigned count, until;
};

static void counts(void *arg)
{
    struct counter *c = arg;

    while (c->count < c->until) {
        char deep[4096];

        memset(deep, (int)c->count, sizeof(deep)); /* each has a stack of its own */
        c->count++;
        fiber_pause(c->fiber);
        ck_assert_int_eq(deep[4095], (char)(c->count - 1));
    }
}

TEST(each_fiber_continues_where_it_stopped)
{
    struct counter c[FIBER_MAX];
    struct fibers fibers = {0};
    unsigned running = FIBER_MAX;

    for (unsigned i = 0; i < FIBER_MAX; i++) {
        c[i] = (struct counter){.until = i % 7};
        c[i].fiber = fiber_new(&fibers, counts, &c[i]);
        ck_assert_ptr_nonnull(c[i].fiber);
    }
    ck_assert_ptr_null(fiber_new(&fibers, counts, c));
    for (unsigned turn = 0; running; turn++)
        for (unsigned i = 0; i < FIBER_MAX; i++) {
            if (!c[i].fiber || fiber_run(c[i].fiber))
                continue;
            ck_assert_uint_eq(turn, i % 7);
            ck_assert_uint_eq(c[i].count, i % 7);
            fiber_free(&fibers, c[i].fiber);
            c[i].fiber = NULL;
            running--;
        }
    ck_assert_uint_eq(fibers.count, 0);
    fiber_free_idle(&fibers);
}

/* ---- requests ---- */

#define USERS 5u
#define REQUESTS 60u
#define ALL (USERS * REQUESTS)

struct slices {
    struct fake f; /* first: the host's argument */
    char *answers[ALL];
    unsigned answered;
    bool soon;
    unsigned stopped; /* half-way at a time, at most */
};

static void note(struct slices *s, void *req, const char *text)
{
    size_t i = (uintptr_t)req - 1;

    ck_assert_uint_lt(i, ALL);
    ck_assert_msg(!s->answers[i], "request %zu is answered twice", i);
    s->answers[i] = xstrdup(text);
    s->answered++;
}

static void on_reply(void *arg, void *req, const char *text, size_t len)
{
    AUTO_FREE char *copy = xstrndup(text, len);

    note(arg, req, copy);
}

static void on_refuse(void *arg, void *req, const struct orb_err *err)
{
    AUTO_FREE char *text = buf_format("%s: %s", err->path, err->text);

    note(arg, req, text);
}

static void on_soon(void *arg)
{
    ((struct slices *)arg)->soon = true;
}

/* Each look at the clock is a slice later. */
static uint64_t on_now_us(void *arg)
{
    return ((struct slices *)arg)->f.us += REQUESTS_SLICE_US;
}

static void slices_new(struct slices *s, bool sliced, bool with_service)
{
    memset(s, 0, sizeof(*s));
    fake_new(&s->f);
    if (with_service)
        fake_attach(&s->f, fake_service(&s->f, "firewall", "/firewall"));
    fake_set(&s->f, "/firewall/zones", "{\"a\":{},\"b\":{}}");
    fake_set(&s->f, "/system", "{\"hostname\":\"box\",\"users\":[{\"name\":\"x\",\"key\":\"1\"}]}");
    fake_commit(&s->f);
    s->f.engine->host.reply = on_reply;
    s->f.engine->host.refuse = on_refuse;
    if (!sliced)
        return;
    s->f.engine->host.soon = on_soon;
    s->f.engine->host.now_us = on_now_us;
}

static void slices_free(struct slices *s)
{
    fake_free(&s->f);
    for (unsigned i = 0; i < ALL; i++)
        free(s->answers[i]);
}

static void add_rules(struct buf *to, unsigned *seed)
{
    unsigned n = 1 + (unsigned)rand_r(seed) % 30;

    for (unsigned i = 0; i < n; i++)
        buf_addf(to,
                 "%s{\"op\":\"set\",\"path\":\"/firewall/rules/%u\",\"value\":{\"action\":"
                 "\"%s\",\"from\":\"%s\"}}",
                 i ? "," : "", (unsigned)rand_r(seed) % 200, rand_r(seed) % 40 ? "drop" : "none",
                 rand_r(seed) % 40 ? "a" : "c");
}

/* Of many kinds, wrong ones among them. */
static const char *any_request(unsigned *seed, struct buf *in)
{
    static const char *const others[][2] = {
        {"validate", "{}"},
        {"diff", "{}"},
        {"get", "{\"path\":\"/firewall\",\"source\":\"candidate\"}"},
        {"get-part", "{\"path\":\"/\",\"source\":\"candidate\",\"offset\":0}"},
        {"schema", "{\"path\":\"/firewall/rules/1/from\"}"},
        {"discard", "{}"},
        {"edit", "{\"ops\":[{\"op\":\"merge\",\"path\":\"/\",\"value\":{\"system\":{\"users\":["
                 "{\"name\":\"x\",\"key\":\"********\"},{\"name\":\"y\",\"key\":\"2\"}]},"
                 "\"firewall\":{\"rules\":{\"7\":{\"action\":\"drop\"},\"8\":null}}}}]}"},
        {"edit", "{\"replace\":true,\"ops\":[{\"op\":\"set\",\"path\":\"/firewall\",\"value\":{"
                 "\"zones\":{\"z\":{}},\"rules\":{\"1\":{\"action\":\"drop\",\"from\":\"z\"}}}}]}"},
        {"edit", "{\"ops\":[{\"op\":\"delete\",\"path\":\"/firewall/zones/b\"}]}"},
        {"load-part", "{\"offset\":0,\"last\":true,\"mode\":\"merge\",\"data\":\"{\\\"firewall\\\":"
                      "{\\\"rules\\\":{\\\"3\\\":{\\\"action\\\":\\\"drop\\\"}}}}\"}"},
        {"diff", "{\"from\":0}"},
    };
    unsigned k = (unsigned)rand_r(seed) % 20;

    buf_clear(in);
    if (k < ARRAY_LEN(others)) {
        buf_adds(in, others[k][1]);
        return others[k][0];
    }
    buf_adds(in, "{\"ops\":[");
    add_rules(in, seed);
    buf_adds(in, "]}");
    return "edit";
}

static void ask(struct slices *s, unsigned user, unsigned nth, unsigned seed, bool commits)
{
    char name[8];
    const struct engine_caller caller = {.peer = user + 1, .name = name};
    AUTO(buf) struct buf in = {0};
    unsigned own = seed * ALL + user * REQUESTS + nth;
    const char *method = any_request(&own, &in);

    snprintf(name, sizeof(name), "u%u", user);
    if (commits && rand_r(&own) % 5 == 0) {
        method = "commit";
        buf_clear(&in);
        buf_adds(&in, rand_r(&own) % 2 ? "{}" : "{\"dry-run\":true}");
    }
    engine_request(s->f.engine, &caller, method, buf_str(&in), in.len,
                   (void *)(uintptr_t)(user * REQUESTS + nth + 1));
}

static void turn_all(struct slices *s)
{
    while (s->soon) {
        s->soon = false;
        engine_go_on(s->f.engine);
        if (s->f.engine->requests.fibers.count > s->stopped)
            s->stopped = s->f.engine->requests.fibers.count;
    }
}

TEST(what_is_asked_in_slices_among_others_is_answered_as_at_once)
{
    for (unsigned seed = 1; seed < 9; seed++) {
        struct slices once, sliced;

        printf("# seed %u\n", seed);
        slices_new(&once, false, false);
        slices_new(&sliced, true, false);
        for (unsigned u = 0; u < USERS; u++)
            for (unsigned n = 0; n < REQUESTS; n++)
                ask(&once, u, n, seed, false);
        for (unsigned n = 0; n < REQUESTS; n++)
            for (unsigned u = 0; u < USERS; u++)
                ask(&sliced, u, n, seed, false);
        turn_all(&sliced);
        ck_assert_uint_ge(sliced.stopped, USERS); /* at a time */
        ck_assert_uint_eq(once.answered, ALL);
        ck_assert_uint_eq(sliced.answered, ALL);
        for (unsigned i = 0; i < ALL; i++)
            ck_assert_str_eq(once.answers[i], sliced.answers[i]);
        slices_free(&once);
        slices_free(&sliced);
    }
}

/* Services answer and peers go away in the middle of it, and commits change what others look at. */
TEST(commits_and_peers_that_go_end_what_is_half_done)
{
    uint64_t commits = 0;

    for (unsigned seed = 1; seed < 9; seed++) {
        AUTO(buf) struct buf running = {0}, again = {0};
        unsigned random = seed;
        struct slices s;

        printf("# seed %u\n", seed);
        slices_new(&s, true, true);
        for (unsigned n = 0; n < REQUESTS; n++)
            for (unsigned u = 0; u < USERS; u++) {
                ask(&s, u, n, seed, true);
                if (rand_r(&random) % 3 == 0 && s.soon) {
                    s.soon = false;
                    engine_go_on(s.f.engine);
                }
                if (rand_r(&random) % 9 == 0)
                    fake_pump(&s.f);
                if (rand_r(&random) % 50 == 0)
                    engine_peer_gone(s.f.engine, 1 + (unsigned)rand_r(&random) % USERS);
                if (rand_r(&random) % 20 == 0)
                    engine_tick(s.f.engine);
            }
        while (s.soon || s.f.calls) {
            turn_all(&s);
            fake_pump(&s.f);
        }
        ck_assert_uint_eq(s.answered, ALL);
        commits += s.f.engine->store.revision - 1;
        engine_running(s.f.engine, &running);
        fake_close(&s.f);
        fake_open(&s.f);
        engine_running(s.f.engine, &again);
        ck_assert_str_eq(buf_str(&running), buf_str(&again));
        slices_free(&s);
    }
    ck_assert_uint_ge(commits, 8); /* not every seed has one that succeeds */
}

/* ---- a whole configuration ---- */

/* A step is a small part of the whole, in processor time: that does not depend on the machine. What
 * else runs disturbs single steps of an attempt. */
#define STEPS_AT_LEAST 20u
#define ATTEMPTS 5u
#define PIECE 120000u

static uint64_t processor_us(void *arg)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void long_configuration(struct buf *to)
{
    buf_adds(to, "{\"interfaces\":{");
    for (unsigned i = 0; i < 10000; i++)
        buf_addf(to, "%s\"i%u\":{\"mtu\":1500,\"description\":\"%0500u\"}", i ? "," : "", i, i);
    buf_adds(to, "},\"firewall\":{\"rules\":{");
    for (unsigned i = 0; i < 20000; i++)
        buf_addf(to, "%s\"%u\":{\"action\":\"drop\",\"protocol\":\"tcp\",\"port\":%u}",
                 i ? "," : "", i, 1 + i % 60000);
    buf_adds(to, "}}}");
}

/* Whether its longest step was short. */
static bool load(struct slices *s, const struct buf *text, const char *mode)
{
    const struct engine_caller caller = {.peer = 1, .name = "ada"};
    uint64_t longest = 0, sum = 0;

    for (size_t at = 0; at < text->len; at += PIECE) {
        AUTO(buf) struct buf in = {0};
        size_t len = text->len - at < PIECE ? text->len - at : PIECE;
        uint64_t begin;

        buf_addf(&in, "{\"mode\":\"%s\",\"offset\":%zu,\"last\":%s,\"data\":", mode, at,
                 at + len == text->len ? "true" : "false");
        buf_add_json(&in, text->data + at, len);
        buf_addc(&in, '}');
        begin = processor_us(NULL);
        engine_request(s->f.engine, &caller, "load-part", buf_str(&in), in.len, (void *)1);
        do {
            uint64_t took = processor_us(NULL) - begin;

            longest = took > longest ? took : longest;
            sum += took;
            begin = processor_us(NULL);
            if (s->soon) {
                s->soon = false;
                engine_go_on(s->f.engine);
            }
        } while (s->soon || !s->answered);
        ck_assert_msg(!strncmp(s->answers[0], "{\"changes\":", 11), "%.200s", s->answers[0]);
        free(s->answers[0]);
        s->answers[0] = NULL;
        s->answered = 0;
    }
    printf("# %s: %zu bytes, %.1f ms, of which the longest step took %.1f\n", mode, text->len,
           (double)sum / 1e3, (double)longest / 1e3);
    return longest * STEPS_AT_LEAST < sum;
}

static bool load_anew(const struct buf *text, const char *mode)
{
    struct slices s;
    bool ok;

    slices_new(&s, true, false);
    s.f.engine->host.now_us = processor_us;
    ok = load(&s, text, mode);
    slices_free(&s);
    return ok;
}

TEST(no_step_of_loading_a_whole_configuration_holds_the_loop)
{
    static const char *const modes[] = {"merge", "replace"};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        AUTO(buf) struct buf text = {0};
        unsigned attempts = 1;

        long_configuration(&text);
        while (!load_anew(&text, modes[i]))
            ck_assert_msg(attempts++ < ATTEMPTS, "%s: a step took more than 1/%u of the whole",
                          modes[i], STEPS_AT_LEAST);
    }
}

/* The service ends while requests are half done: each is answered, nothing leaks. */
TEST(what_is_stopped_half_way_ends_with_the_engine)
{
    struct slices s;

    slices_new(&s, true, false);
    for (unsigned n = 0; n < REQUESTS; n++)
        for (unsigned u = 0; u < USERS; u++)
            ask(&s, u, n, 3, false);
    slices_free(&s);
}
