/* plugins/config/requests.c, past.c, read.c: requests that wait take turns by identity, and reads
 * of older revisions go on in slices. */
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/candidate.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/past.h"
#include "plugins/config/requests.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

/* A clock that each look moves on by step_us, and who was answered, in order. */
struct turns {
    struct fake f;
    uint64_t step_us, used_us;
    bool soon;
    struct buf order; /* "a1 b1 …" */
    unsigned busy, gone;
    int slices; /* that a request of identity "slow" takes */
};

static uint64_t on_now_us(void *arg)
{
    struct turns *t = arg;

    return t->f.us += t->step_us;
}

static void on_soon(void *arg)
{
    ((struct turns *)arg)->soon = true;
}

static void on_refuse(void *arg, void *req, const struct orb_err *err)
{
    struct turns *t = arg;

    t->busy += err->code == ORB_E_BUSY;
    t->gone += err->code == ORB_E_GONE;
    if (err->code == ORB_E_BUSY)
        ck_assert_ptr_nonnull(strstr(err->text, "ask again"));
}

static bool answer(struct engine *engine, const struct request *request, struct read **read)
{
    struct turns *t = engine->host.arg;

    if (!strcmp(request->caller.name, "slow") && --t->slices > 0)
        return true;
    buf_addf(&t->order, "%s%s ", request->caller.name, request->method);
    return false;
}

static void turns_init(struct turns *t, struct engine *engine, uint64_t step_us)
{
    *t = (struct turns){.step_us = step_us};
    *engine = (struct engine){
        .host = {.arg = t, .now_us = on_now_us, .soon = on_soon, .refuse = on_refuse}};
}

static void take_of(struct engine *engine, enum caller_kind kind, const char *name, uint32_t peer,
                    const char *method)
{
    const struct request r = {.caller = {.kind = kind, .name = name, .peer = peer},
                              .method = (char *)(uintptr_t)method,
                              .text = (char *)(uintptr_t) "{}",
                              .len = 2,
                              .req = engine};

    requests_take(engine, &r, answer);
}

static void take(struct engine *engine, const char *name, uint32_t peer, const char *method)
{
    take_of(engine, CALLER_TOKEN, name, peer, method);
}

/* Turns of the loop until nothing waits. */
static void turn_all(struct turns *t, struct engine *engine)
{
    while (t->soon) {
        t->soon = false;
        requests_go_on(engine);
    }
}

TEST(requests_that_cost_little_are_answered_at_once)
{
    struct turns t;
    struct engine e;

    turns_init(&t, &e, 1);
    for (unsigned i = 0; i < 100; i++)
        take(&e, "a", 1, "x");
    ck_assert(!t.soon);
    ck_assert_uint_eq(t.order.len, 300);
    requests_free_all(&e);
    buf_fini(&t.order);
}

TEST(who_asks_much_waits_for_itself_alone)
{
    struct turns t;
    struct engine e;

    turns_init(&t, &e, REQUESTS_SLICE_US); /* each answer takes a slice */
    for (unsigned i = 0; i < 50; i++)
        take(&e, "a", 1, "x");
    ck_assert_str_eq(buf_str(&t.order), "ax ");
    take(&e, "b", 2, "1");
    take(&e, "c", 3, "1");
    for (unsigned i = 0; i < 2; i++)
        requests_go_on(&e);
    ck_assert(strstr(buf_str(&t.order), "b1 "));
    ck_assert(strstr(buf_str(&t.order), "c1 "));
    /* Also one that comes later waits for no more than what is being answered. */
    buf_clear(&t.order);
    take(&e, "b", 2, "2");
    requests_go_on(&e);
    requests_go_on(&e);
    ck_assert(strstr(buf_str(&t.order), "b2 "));
    turn_all(&t, &e);
    ck_assert_uint_eq(e.requests.bytes, 0);
    requests_free_all(&e);
    buf_fini(&t.order);
}

static uint64_t on_used_us(void *arg)
{
    return ((struct turns *)arg)->used_us;
}

/* Of the processor a's requests take 100 µs, b's 10; during "p" another process has it. */
static bool answer_used(struct engine *engine, const struct request *request, struct read **read)
{
    struct turns *t = engine->host.arg;

    t->used_us += *request->caller.name == 'a' ? 100 : 10;
    if (*request->method == 'p')
        t->f.us += 10 * (uint64_t)REQUESTS_SLICE_US;
    return answer(engine, request, read);
}

TEST(who_loses_the_processor_to_others_is_not_charged_for_their_time)
{
    static const char *const all[][2] = {{"a", "x"}, {"b", "p"}, {"b", "q"}, {"a", "y"}};
    struct turns t;
    struct engine e;

    turns_init(&t, &e, REQUESTS_SLICE_US);
    e.host.used_us = on_used_us;
    for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
        const struct request r = {.caller = {.kind = CALLER_TOKEN, .name = all[i][0], .peer = i},
                                  .method = (char *)(uintptr_t)all[i][1],
                                  .text = (char *)(uintptr_t) "{}",
                                  .len = 2,
                                  .req = &e};

        requests_take(&e, &r, answer_used);
    }
    turn_all(&t, &e);
    ck_assert_str_eq(buf_str(&t.order), "ax bp bq ay ");
    requests_free_all(&e);
    buf_fini(&t.order);
}

TEST(a_request_in_slices_lets_others_in_and_keeps_the_order_of_its_own)
{
    struct turns t;
    struct engine e;

    turns_init(&t, &e, REQUESTS_SLICE_US);
    t.slices = 5;
    take(&e, "slow", 1, "1");
    take(&e, "slow", 1, "2");
    take(&e, "b", 2, "1");
    turn_all(&t, &e);
    ck_assert_str_eq(buf_str(&t.order), "b1 slow1 slow2 ");
    requests_free_all(&e);
    buf_fini(&t.order);
}

TEST(of_one_identity_only_so_many_wait)
{
    struct turns t;
    struct engine e;

    turns_init(&t, &e, REQUESTS_SLICE_US);
    for (unsigned i = 0; i < REQUESTS_OF_ONE + 11; i++)
        take(&e, "a", i % 5, "x"); /* over all its connections */
    ck_assert_uint_eq(t.busy, 10); /* one was answered at once */
    take(&e, "b", 9, "1");
    ck_assert_uint_eq(t.busy, 10);
    requests_peer_gone(&e, 3);
    ck_assert_uint_gt(t.gone, 20);
    buf_clear(&t.order);
    turn_all(&t, &e);
    ck_assert_uint_eq(t.order.len / 3 + t.gone, REQUESTS_OF_ONE + 1);
    requests_free_all(&e);
    buf_fini(&t.order);
}

/* ---- older revisions ---- */

static unsigned patches_read(struct fake *f, uint64_t revision)
{
    struct store *s = &f->engine->store;
    struct walk walk;
    struct past *past = NULL;
    struct orb_err err;
    unsigned n = 0;
    int r = past_walk_begin(s, &f->engine->parts, revision, &walk, &err);

    ck_assert_int_eq(r, 0);
    while ((r = past_walk_step(s, &walk, &past, &err)) > 0)
        n++;
    ck_assert_int_eq(r, 0);
    past_unref(past);
    past_walk_fini(&walk);
    return n;
}

static void check_mtu(struct fake *f, uint64_t revision)
{
    int r = fake_ask(f, "ada", 1, "get", "{\"path\":\"/interfaces\",\"revision\":%u}",
                     (unsigned)revision);

    ck_assert_msg(r == 0, "revision %u: %s", (unsigned)revision, f->err.text);
    ck_assert_int_eq(json_integer_value(json_object_get(
                         json_object_get(json_object_get(f->reply, "value"), "a"), "mtu")),
                     1000 + (int)revision);
    ck_assert_int_eq(json_object_size(json_object_get(f->reply, "value")),
                     revision < 40 ? 1 : 2); /* b came with revision 40 */
}

/* One user may have thousands of such numbers. */
TEST(users_without_a_name_are_one_identity)
{
    struct turns t;
    struct engine e;

    turns_init(&t, &e, REQUESTS_SLICE_US);
    for (unsigned i = 0; i < REQUESTS_OF_ONE + 11; i++) {
        char name[16];

        snprintf(name, sizeof(name), "uid-%u", 100000 + i);
        take_of(&e, CALLER_USER, name, i, "x");
    }
    ck_assert_uint_eq(t.busy, 10);
    take_of(&e, CALLER_USER, "uid-1x", 300, "1");
    ck_assert_uint_eq(t.busy, 10);
    requests_free_all(&e);
    buf_fini(&t.order);
}

TEST(an_older_tree_is_found_once_and_is_freed_with_the_running_one)
{
    struct fake f;

    fake_new(&f);
    for (unsigned i = 1; i <= 100; i++) {
        char value[64];

        snprintf(value, sizeof(value), "{\"mtu\":%u}", 1000 + i);
        if (i == 40)
            ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                                      "{\"ops\":[{\"op\":\"set\",\"path\":\"/interfaces/b\","
                                      "\"value\":{\"mtu\":1500}}]}"),
                             0);
        fake_set(&f, "/interfaces/a", value);
        fake_commit(&f);
    }
    for (unsigned i = 1; i < 100; i += 7)
        check_mtu(&f, i);
    ck_assert_uint_eq(patches_read(&f, 1), 0); /* it is kept */
    ck_assert_uint_le(patches_read(&f, 2), 32);
    fake_set(&f, "/interfaces/a", "{\"mtu\":1101}");
    fake_commit(&f);
    ck_assert_uint_le(patches_read(&f, 1), 2); /* what was committed since */
    for (unsigned i = 100; i > 9; i -= 9)
        check_mtu(&f, i);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "get", "{\"revision\":102}"), ORB_E_NOT_FOUND);
    fake_free(&f);
}

static void check_conflict(struct fake *f, const char *user, uint32_t peer, const char *path)
{
    ck_assert_int_eq(fake_ask(f, user, peer, "validate", "{}"), path ? ORB_E_CONFLICT : 0);
    if (path)
        ck_assert_str_eq(f->err.path, path);
}

TEST(conflicts_are_found_by_looking_at_each_revision_once)
{
    struct fake f;

    fake_new(&f);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/interfaces/a/mtu\","
                              "\"value\":1300}]}"),
                     0);
    check_conflict(&f, "bob", 2, NULL);
    fake_set(&f, "/interfaces/b", "{\"mtu\":1400}");
    fake_commit(&f);
    check_conflict(&f, "bob", 2, NULL);
    ck_assert_uint_eq(f.engine->candidates->checked, f.engine->store.revision);
    fake_set(&f, "/interfaces/a", "{\"mtu\":1400}");
    fake_commit(&f);
    check_conflict(&f, "bob", 2, "/interfaces/a/mtu");
    check_conflict(&f, "bob", 2, "/interfaces/a/mtu"); /* it stays until it is set again, */
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "edit",
                              "{\"ops\":[{\"op\":\"merge\",\"path\":\"/interfaces\","
                              "\"value\":{\"c\":{\"mtu\":1300},\"d\":{\"mtu\":7}}}]}"),
                     ORB_E_SCHEMA);
    check_conflict(&f, "bob", 2, "/interfaces/a/mtu"); /* also when an edit is taken back, */
    fake_set(&f, "/interfaces/a", "{\"mtu\":1300}");
    fake_commit(&f);
    check_conflict(&f, "bob", 2, NULL); /* or it is the same for both */
    fake_set(&f, "/interfaces/a", "{\"mtu\":1350}");
    fake_commit(&f);
    check_conflict(&f, "bob", 2, "/interfaces/a/mtu");
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/interfaces/a/mtu\","
                              "\"value\":1301}]}"),
                     0);
    check_conflict(&f, "bob", 2, NULL);
    fake_free(&f);
}
