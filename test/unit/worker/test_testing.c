/* The test kit of package authors, with a package that does what packages may. */
#include <orbital/testing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/harness.h"

struct user {
    struct orb_timer *timer;
    struct orb_req *kept;
    uint32_t gone;
    char *mode;
    int discarded;
    int turns; /* of the loop, before "turns" is answered */
};

static void on_answer(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    cJSON *answer = cJSON_CreateObject();

    if (err) {
        cJSON_Delete(answer);
        orb_reply_error(arg, err);
        return;
    }
    cJSON_AddItemToObject(answer, "answer",
                          cJSON_Duplicate(cJSON_GetObjectItem(out, "value"), true));
    orb_reply(arg, answer);
}

static int on_ask(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    return orb_call(ctx, "other@1", "value", NULL, 1000, on_answer, req, err);
}

static int on_who(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    cJSON *out = cJSON_CreateObject();

    cJSON_AddStringToObject(out, "name", orb_req_peer(req)->name);
    cJSON_AddStringToObject(out, "role", orb_req_peer(req)->role);
    orb_reply(req, out);
    return 0;
}

static int on_wrong(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    orb_reply_text(req, "{\"answer\":\"text\"}", 17);
    return 0;
}

static int on_keep(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    u->kept = req;
    return 0;
}

static void on_turn(struct orb_ctx *ctx, void *arg)
{
    struct user *u = orb_user(ctx);

    if (u->turns-- > 1)
        orb_post(ctx, on_turn, arg, NULL);
    else
        orb_reply(arg, NULL);
}

/* Answered from within a later turn of the loop, in which nothing else happens. */
static int on_turns(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    u->turns = (int)orb_number(in, "turns", 1);
    return orb_post(ctx, on_turn, req, err);
}

static int on_die(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    orb_timer_start(u->timer, 10, 0);
    orb_reply(req, NULL);
    return 0;
}

static void on_timer(struct orb_ctx *ctx, void *arg)
{
    struct orb_err err;

    orb_fail(&err, ORB_E_STATE, "now");
    orb_config_done(ctx, &err);
}

static void on_event(struct orb_ctx *ctx, void *arg, const char *topic, const cJSON *payload)
{
    const struct orb_problem problem = {ORB_PROBLEM_FAILED, "it was reported", "/kit", "listen"};

    orb_publish(ctx, topic, cJSON_Duplicate(payload, true), NULL);
    orb_problem_set(ctx, "reported", &problem);
}

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct user *u = orb_user(ctx);
    const char *mode = orb_text(orb_at(change->tree, "/kit"), "mode", "plain");

    *change->prepared = strdup(mode);
    if (!strcmp(mode, "veto"))
        return orb_fail_at(err, ORB_E_VETO, "/kit/mode", "not that one");
    if (!strcmp(mode, "later")) {
        orb_timer_start(u->timer, 100, 0);
        return ORB_LATER;
    }
    return 0;
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    u->mode = (char *)orb_swap(change, u->mode);
    return 0;
}

static void on_discard(struct orb_ctx *ctx, void *prepared)
{
    free(prepared);
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    struct user *u = calloc(1, sizeof(*u));

    u->timer = orb_timer_new(ctx, on_timer, NULL);
    orb_set_user(ctx, u);
    return orb_subscribe(ctx, "other", "*", on_event, NULL, err);
}

static void on_gone(struct orb_ctx *ctx, uint32_t peer)
{
    struct user *u = orb_user(ctx);

    u->gone = peer;
    orb_log(ctx, ORB_INFO, "kit.gone", KV("left-ms", u->kept ? orb_req_left_ms(u->kept) : 1));
    if (u->kept)
        orb_reply(u->kept, NULL);
    u->kept = NULL;
}

static int on_health(struct orb_ctx *ctx, struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    return u->gone ? orb_fail(err, ORB_E_STATE, "the peer left") : 0;
}

static void on_stop(struct orb_ctx *ctx)
{
    struct user *u = orb_user(ctx);

    free(u->mode);
    free(u);
}

static const struct orb_method methods[] = {{"ask", on_ask, 0},
                                            {"who", on_who, 0},
                                            {"wrong", on_wrong, 0},
                                            {"keep", on_keep, 0},
                                            {"die", on_die, 0},
                                            {"turns", on_turns, 0},
                                            {0}};
static const char *const paths[] = {"/kit", NULL};
static const struct orb_config config = {
    .paths = paths, .prepare = on_prepare, .apply = on_apply, .discard = on_discard};
static const struct orb_plugin plugin = {ORB_PLUGIN_HEAD,      .name = "kit",   .methods = methods,
                                         .config = &config,    .init = on_init, .health = on_health,
                                         .peer_gone = on_gone, .stop = on_stop};

static struct orb_test *start(void)
{
    struct orb_err err = {0};
    struct orb_test *t = orb_test_of(&plugin, getenv("SCHEMA"), &err);

    ck_assert_msg(t != NULL, "%s", err.text);
    ck_assert_msg(orb_test_start(t, NULL, &err) == 0, "%s", err.text);
    return t;
}

static void stop(struct orb_test *t)
{
    struct orb_err err = {0};

    ck_assert_msg(orb_test_stop(t, &err) == 0, "%s", err.text);
}

TEST(a_call_of_the_package_is_answered_by_the_test)
{
    struct orb_test *t = start();
    struct orb_err err = {0};
    const char *out;

    for (int i = 0; i < 3; i++) { /* by name, then by a handle */
        ck_assert_int_eq(orb_test_call(t, "ask", NULL, &out, &err), ORB_LATER);
        ck_assert_str_eq(orb_test_next(t, ORB_TEST_CALL, "other@1/value"), "{}");
        orb_test_reply(t, "{\"value\":5}");
        ck_assert_int_eq(orb_test_answer(t, 0, &out, &err), 0);
        ck_assert_str_eq(out, "{\"answer\":5}");
    }
    ck_assert_int_eq(orb_test_call(t, "ask", NULL, &out, &err), ORB_LATER);
    ck_assert_ptr_nonnull(orb_test_next(t, ORB_TEST_CALL, NULL));
    orb_test_reply_error(t, ORB_E_DENIED, "no");
    ck_assert_int_eq(orb_test_answer(t, 0, &out, &err), ORB_E_DENIED);
    ck_assert_str_eq(err.text, "no");
    /* No service answers: the package's own deadline. */
    ck_assert_int_eq(orb_test_call(t, "ask", NULL, &out, &err), ORB_LATER);
    orb_test_advance(t, 1999);
    ck_assert_int_eq(orb_test_answer(t, 0, &out, &err), ORB_LATER);
    orb_test_advance(t, 1);
    ck_assert_int_eq(orb_test_answer(t, 0, &out, &err), ORB_E_DEADLINE);
    stop(t);
}

TEST(an_answer_of_a_later_turn_is_not_left_in_the_queue)
{
    struct orb_test *t = start();
    struct orb_err err = {0};
    const char *out;

    for (int turns = 1; turns <= 8; turns++) {
        char input[32];
        int r;

        snprintf(input, sizeof(input), "{\"turns\":%d}", turns);
        r = orb_test_call(t, "turns", input, &out, &err);
        if (r == ORB_LATER)
            r = orb_test_answer(t, 10000, &out, &err);
        ck_assert_int_eq(r, 0);
    }
    stop(t);
}

TEST(events_of_others_arrive_and_what_the_package_reports_is_seen)
{
    struct orb_test *t = start();
    struct orb_err err = {0};

    ck_assert_int_eq(orb_test_event(t, "third", "seen", "{}", &err), ORB_E_NOT_FOUND);
    ck_assert_int_eq(orb_test_event(t, "other", "seen", "{\"n\":1}", &err), 0);
    ck_assert_str_eq(orb_test_next(t, ORB_TEST_EVENT, "seen"), "{\"n\":1}");
    ck_assert_str_eq(orb_test_problems(t),
                     "[{\"level\":\"failed\",\"key\":\"reported\",\"what\":\"it "
                     "was reported\",\"path\":\"/kit\",\"todo\":\"listen\"}]");
    stop(t);
}

TEST(what_the_contract_does_not_allow_is_a_fault)
{
    struct orb_test *t = start();
    struct orb_err err = {0};
    const char *out;

    ck_assert_int_eq(orb_test_event(t, "other", "unknown", "{}", &err), 0);
    ck_assert_str_eq(orb_test_fault(t), "unknown: interface kit has no event \"unknown\"");
    ck_assert_ptr_null(orb_test_fault(t));
    ck_assert_int_eq(orb_test_call(t, "nothing", NULL, &out, &err), ORB_E_NOT_FOUND);
    ck_assert_int_lt(orb_test_call(t, "wrong", NULL, &out, &err), 0);
    ck_assert_int_eq(orb_test_stop(t, &err), ORB_E_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(err.text, "wrong: /answer: expected an integer"));
}

TEST(a_peer_that_leaves_is_told_of_and_health_is_asked)
{
    struct orb_test *t = start();
    struct orb_err err = {0};
    const char *out;

    ck_assert_int_eq(orb_test_health(t, &err), 0);
    orb_test_as(t, "token", "door", "viewer");
    ck_assert_int_eq(orb_test_call(t, "who", NULL, &out, &err), 0);
    ck_assert_str_eq(out, "{\"name\":\"door\",\"role\":\"viewer\"}");
    ck_assert_int_eq(orb_test_call(t, "keep", NULL, &out, &err), ORB_LATER);
    orb_test_peer_gone(t);
    ck_assert_str_eq(orb_test_next(t, ORB_TEST_LOG, "kit.gone"),
                     "{\"level\":\"info\",\"event\":\"kit.gone\",\"kv\":{\"left-ms\":0}}");
    ck_assert_int_eq(orb_test_health(t, &err), ORB_E_STATE);
    ck_assert_str_eq(err.text, "the peer left");
    stop(t);
}

TEST(a_step_may_be_answered_later)
{
    struct orb_test *t = start();
    struct orb_err err = {0};

    ck_assert_int_eq(orb_test_set(t, "/kit/mode", "\"later\"", &err), 0);
    ck_assert_int_eq(orb_test_prepare(t, &err), ORB_LATER);
    ck_assert_int_eq(orb_test_apply(t, &err), ORB_E_STATE);
    orb_test_advance(t, 99);
    ck_assert_int_eq(orb_test_step(t, &err), ORB_LATER);
    orb_test_advance(t, 1);
    ck_assert_int_eq(orb_test_step(t, &err), ORB_E_STATE);
    ck_assert_str_eq(err.text, "now");
    ck_assert_int_eq(orb_test_set(t, "/kit/mode", "\"veto\"", &err), 0);
    ck_assert_int_eq(orb_test_commit(t, &err), ORB_E_VETO);
    ck_assert_str_eq(err.path, "/kit/mode");
    stop(t);
}

TEST(a_change_of_more_bytes_than_a_frame_arrives_whole)
{
    struct orb_test *t = start();
    struct orb_err err = {0};
    char *value = malloc(600000), *at = value;

    *at++ = '{';
    for (unsigned i = 0; i < 2000; i++)
        at += sprintf(at, "%s\"n%u\":\"%0*d \\u20ac \\\"\"", i ? "," : "", i, 250, 0);
    strcpy(at, "}");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(orb_test_set(t, "/kit/notes", i ? "{}" : value, &err), 0);
        ck_assert_int_eq(orb_test_set(t, "/kit/mode", i ? "\"veto\"" : "\"plain\"", &err), 0);
        ck_assert_int_eq(orb_test_commit(t, &err), i ? ORB_E_VETO : 0);
    }
    ck_assert_int_eq(orb_test_set(t, "/kit/notes", value, &err), 0);
    ck_assert_int_eq(orb_test_set(t, "/kit/mode", "\"veto\"", &err), 0);
    ck_assert_int_eq(orb_test_commit(t, &err), ORB_E_VETO); /* it read the end of it, too */
    free(value);
    stop(t);
}

TEST(a_package_that_refuses_its_first_configuration_reports_why)
{
    struct orb_err err = {0};
    struct orb_test *t = orb_test_of(&plugin, getenv("SCHEMA"), &err);

    ck_assert_int_eq(orb_test_start(t, "{\"kit\":{\"mode\":\"veto\"}}", &err), ORB_E_VETO);
    ck_assert_str_eq(err.text, "configuration revision 1: not that one");
    ck_assert_int_eq(orb_test_stop(t, &err), ORB_E_VETO);
}

TEST(a_package_calls_and_subscribes_to_what_it_was_granted)
{
    struct orb_err err = {0};
    struct orb_test *t = orb_test_of(&plugin, getenv("SCHEMA"), &err);
    const char *out;

    orb_test_grant(t, "ipc.call:other/elsewhere");
    orb_test_grant(t, "config.write:/kit"); /* comes with calls of the config service */
    ck_assert_int_eq(orb_test_start(t, NULL, &err), 0);
    ck_assert_ptr_nonnull(orb_test_next(t, ORB_TEST_LOG, "sdk.subscribe-refused"));
    ck_assert_int_eq(orb_test_event(t, "other", "reported", "{}", &err), ORB_E_NOT_FOUND);
    ck_assert_int_eq(orb_test_call(t, "ask", NULL, &out, &err), ORB_E_DENIED);
    ck_assert_str_eq(err.text, "service kit may not call other/value: it lacks the capability "
                               "ipc.call:other/value");
    ck_assert_ptr_null(orb_test_next(t, ORB_TEST_CALL, NULL));
    stop(t);
}

TEST(a_package_that_was_granted_a_call_makes_it)
{
    struct orb_err err = {0};
    struct orb_test *t = orb_test_of(&plugin, getenv("SCHEMA"), &err);
    const char *out;

    orb_test_grant(t, "ipc.call:other/*");
    orb_test_grant(t, "ipc.subscribe:other/*");
    ck_assert_int_eq(orb_test_start(t, NULL, &err), 0);
    ck_assert_ptr_null(orb_test_next(t, ORB_TEST_LOG, "sdk.subscribe-refused"));
    ck_assert_int_eq(orb_test_call(t, "ask", NULL, &out, &err), ORB_LATER);
    ck_assert_ptr_nonnull(orb_test_next(t, ORB_TEST_CALL, "other@1/value"));
    orb_test_reply(t, "{\"value\":7}");
    ck_assert_int_eq(orb_test_answer(t, 0, &out, &err), 0);
    ck_assert_str_eq(out, "{\"answer\":7}");
    stop(t);
}

TEST(a_package_is_loaded_from_its_directory)
{
    struct orb_err err = {0};
    struct orb_test *t = orb_test_load(getenv("PACKAGE"), &err);
    const char *out;

    ck_assert_msg(t != NULL, "%s", err.text);
    ck_assert_int_eq(orb_test_start(t, "{\"greeter\":{\"word\":\"Servus\"}}", &err), 0);
    ck_assert_int_eq(orb_test_call(t, "hello", "{\"name\":\"Ada\"}", &out, &err), 0);
    ck_assert_str_eq(out, "{\"text\":\"Servus, Ada!\"}");
    ck_assert_str_eq(orb_test_next(t, ORB_TEST_EVENT, "greeted"), "{\"name\":\"Ada\",\"count\":1}");
    stop(t);
    ck_assert_ptr_null(orb_test_load("/does/not/exist", &err));
}
