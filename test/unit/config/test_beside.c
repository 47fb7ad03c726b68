/* What a commit, a dry run or an attach leaves alone: requests of others that stopped half-way are
 * not ended at once by it, and it stops half-way itself. Each look at the clock is a slice later,
 * so that all that can stop does. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/subscriber.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

#define RULES 200u
#define LARGE 2000u
#define ANSWERS 8u

struct beside {
    struct fake f; /* first: the host's argument */
    char *answers[ANSWERS];
    bool soon;
};

static void on_reply(void *arg, void *req, const char *text, size_t len)
{
    char **answer = &((struct beside *)arg)->answers[(uintptr_t)req - 1];

    ck_assert_ptr_null(*answer);
    *answer = xstrndup(text, len);
}

static void on_refuse(void *arg, void *req, const struct orb_err *err)
{
    on_reply(arg, req, err->text, strlen(err->text));
}

static void on_soon(void *arg)
{
    ((struct beside *)arg)->soon = true;
}

static uint64_t on_now_us(void *arg)
{
    return ((struct beside *)arg)->f.us += REQUESTS_SLICE_US;
}

static void beside_new(struct beside *b)
{
    memset(b, 0, sizeof(*b));
    fake_new(&b->f);
    fake_attach(&b->f, fake_service(&b->f, "firewall", "/firewall"));
    fake_set(&b->f, "/firewall/zones", "{\"a\":{}}");
    fake_commit(&b->f);
    b->f.engine->host.reply = on_reply;
    b->f.engine->host.refuse = on_refuse;
    b->f.engine->host.soon = on_soon;
    b->f.engine->host.now_us = on_now_us;
}

static void beside_free(struct beside *b)
{
    fake_free(&b->f);
    for (unsigned i = 0; i < ANSWERS; i++)
        free(b->answers[i]);
}

static void turn(struct beside *b)
{
    ck_assert(b->soon);
    b->soon = false;
    engine_go_on(b->f.engine);
}

static void turn_all(struct beside *b)
{
    while (b->soon)
        turn(b);
}

static void ask(struct beside *b, const char *user, const char *method, const char *in,
                unsigned nth)
{
    const struct engine_caller caller = {.peer = 1, .name = user};

    engine_request(b->f.engine, &caller, method, in, strlen(in), (void *)(uintptr_t)(nth + 1));
}

static void edit_some(struct beside *b, const char *user, unsigned rules, unsigned nth)
{
    AUTO(buf) struct buf in = {0};

    buf_adds(&in, "{\"ops\":[");
    for (unsigned i = 0; i < rules; i++)
        buf_addf(&in,
                 "%s{\"op\":\"set\",\"path\":\"/firewall/rules/%u\",\"value\":{\"action\":\"drop\","
                 "\"from\":\"a\"}}",
                 i ? "," : "", i);
    buf_adds(&in, "]}");
    ask(b, user, "edit", buf_str(&in), nth);
    turn_all(b);
    ck_assert_msg(!strncmp(b->answers[nth], "{\"changes\":", 11), "%s", b->answers[nth]);
}

static void edit_rules(struct beside *b, const char *user, unsigned nth)
{
    edit_some(b, user, RULES, nth);
}

static size_t stopped(const struct beside *b)
{
    return b->f.engine->requests.fibers.count;
}

TEST(an_answer_of_a_service_does_not_end_what_others_have_begun)
{
    struct beside b;

    beside_new(&b);
    edit_rules(&b, "ada", 0);
    edit_rules(&b, "bob", 1);
    ask(&b, "bob", "commit", "{\"dry-run\":true}", 2);
    turn_all(&b);
    ck_assert_ptr_nonnull(b.f.calls); /* prepare */
    ask(&b, "ada", "validate", "{}", 3);
    turn(&b);
    ck_assert_uint_eq(stopped(&b), 1);
    fake_pump(&b.f); /* prepare is answered, and abort */
    ck_assert_ptr_null(b.answers[3]);
    turn_all(&b);
    fake_pump(&b.f);
    turn_all(&b);
    ck_assert_str_eq(b.answers[3], "{\"changes\":200,\"ok\":true}");
    ck_assert_msg(strstr(b.answers[2], "\"changes\":1,"), "%s", b.answers[2]);
    beside_free(&b);
}

/* Runs turns until the first request that was begun after the others is answered. */
static void answered_before(struct beside *b, unsigned nth, unsigned before)
{
    while (!b->answers[nth]) {
        ck_assert_ptr_null(b->answers[before]);
        turn(b);
    }
    ck_assert_ptr_null(b->answers[before]);
}

static void commit_rules(struct beside *b, unsigned nth)
{
    edit_rules(b, "ada", nth);
    ask(b, "ada", "commit", "{}", nth + 1);
    do {
        turn_all(b);
        fake_pump(&b->f);
    } while (b->soon || b->f.calls);
    ck_assert_msg(strstr(b->answers[nth + 1], "\"changes\":1,"), "%s", b->answers[nth + 1]);
}

TEST(a_service_that_attaches_to_much_delays_no_short_request)
{
    static const char *const grants[] = {"config.read:/firewall", NULL};
    static const char in[] = "{\"paths\":[\"/firewall\"]}";
    struct beside b;
    const struct engine_caller caller = {
        .peer = 77, .kind = CALLER_SERVICE, .name = "firewall", .grants = grants};

    beside_new(&b);
    commit_rules(&b, 0);
    engine_request(b.f.engine, &caller, "attach", in, strlen(in), (void *)(4 + 1));
    ck_assert_uint_eq(stopped(&b), 1);
    ask(&b, "bob", "get", "{\"path\":\"/system\"}", 5);
    answered_before(&b, 5, 4);
    turn_all(&b);
    ck_assert_msg(strstr(b.answers[4], "\"revision\":2"), "%.200s", b.answers[4]);
    beside_free(&b);
}

/* The tree is not to change under it, and it follows the commit that it attached during. */
TEST(a_service_that_ends_while_it_attaches_is_not_attached)
{
    static const char *const grants[] = {"config.read:/firewall", NULL};
    static const char in[] = "{\"paths\":[\"/firewall\"]}";
    struct beside b;
    const struct engine_caller caller = {
        .peer = 77, .kind = CALLER_SERVICE, .name = "firewall", .grants = grants};

    beside_new(&b);
    commit_rules(&b, 0);
    engine_request(b.f.engine, &caller, "attach", in, strlen(in), (void *)(4 + 1));
    ck_assert_uint_eq(stopped(&b), 1);
    engine_peer_gone(b.f.engine, 77);
    turn_all(&b);
    ck_assert_msg(strstr(b.answers[4], "went away"), "%.200s", b.answers[4]);
    for (const struct subscriber *s = b.f.engine->subscribers; s; s = s->next)
        ck_assert_uint_ne(s->peer, 77);
    beside_free(&b);
}

/* It begins when the one before it ends, which is in no request. */
TEST(a_commit_that_waited_is_checked_in_slices)
{
    struct beside b;

    beside_new(&b);
    edit_rules(&b, "ada", 0);
    edit_rules(&b, "bob", 1);
    ask(&b, "ada", "commit", "{\"dry-run\":true}", 2);
    turn_all(&b);
    ask(&b, "bob", "commit", "{\"dry-run\":true}", 3);
    turn_all(&b);
    while (!b.answers[2]) {
        fake_pump(&b.f);
        turn(&b);
    }
    ask(&b, "eve", "get", "{\"path\":\"/system\"}", 4);
    answered_before(&b, 4, 3);
    ck_assert_ptr_null(b.f.calls); /* it is still being checked */
    ck_assert_uint_ge(stopped(&b), 1);
    do {
        turn_all(&b);
        fake_pump(&b.f);
    } while (b.soon || b.f.calls);
    ck_assert_msg(strstr(b.answers[3], "\"changes\":1,"), "%s", b.answers[3]);
    beside_free(&b);
}

static void pump_all(struct beside *b)
{
    do {
        turn_all(b);
        fake_pump(&b->f);
    } while (b->soon || b->f.calls);
}

/* Until the service has been asked; its answer is what the next part of the commit follows. */
static void until_asked(struct beside *b)
{
    while (!b->f.calls)
        turn(b);
    fake_pump(&b->f);
}

/* Its record has more than 64 KiB: the tree and the index are made beside the present ones. */
TEST(a_large_commit_is_written_and_applied_in_slices)
{
    AUTO(buf) struct buf running = {0}, again = {0};
    struct beside b;

    beside_new(&b);
    edit_some(&b, "ada", LARGE, 0);
    ask(&b, "ada", "commit", "{}", 1);
    until_asked(&b); /* prepare */
    ask(&b, "bob", "get", "{\"path\":\"/system\"}", 2);
    answered_before(&b, 2, 1);
    ck_assert_ptr_null(b.f.calls); /* it is still being written */
    until_asked(&b);               /* apply */
    ask(&b, "eve", "get", "{\"path\":\"/system\"}", 3);
    answered_before(&b, 3, 1);
    ck_assert_uint_eq(engine_revision(b.f.engine), 1); /* it is still being laid out */
    pump_all(&b);
    ck_assert_msg(strstr(b.answers[1], "\"revision\":2"), "%s", b.answers[1]);
    ask(&b, "bob", "edit", "{\"ops\":[{\"op\":\"delete\",\"path\":\"/firewall/zones/a\"}]}", 4);
    turn_all(&b);
    ask(&b, "bob", "validate", "{}", 5);
    turn_all(&b);
    ck_assert_msg(strstr(b.answers[5], "it is used by /firewall/rules/"), "%s", b.answers[5]);
    ask(&b, "bob", "edit", "{\"ops\":[{\"op\":\"delete\",\"path\":\"/firewall/rules\"}]}", 6);
    turn_all(&b);
    ask(&b, "bob", "commit", "{}", 7);
    pump_all(&b);
    ck_assert_msg(strstr(b.answers[7], "\"revision\":3"), "%s", b.answers[7]);
    ck_assert_uint_eq(json_object_size(b.f.engine->refs.index), 0);
    engine_running(b.f.engine, &running);
    fake_close(&b.f);
    fake_open(&b.f);
    engine_running(b.f.engine, &again);
    ck_assert_str_eq(buf_str(&running), buf_str(&again));
    ck_assert_ptr_null(strstr(buf_str(&again), "rules"));
    beside_free(&b);
}
