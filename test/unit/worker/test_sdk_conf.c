/* core/worker/sdk_conf.c, sdk_attach.c: the worker's part of configuration transactions. The plugin
 * below publishes every callback it gets, so the order of frames is the order of events. */
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "test/lib/harness.h"
#include "test/unit/worker/fakehost.h"

static struct orb_timer *later;
static struct orb_err later_err;

/* How a change behaves, by the tree: {"fw": {"mode": …}}. */
static const char *mode_of(const struct orb_change *change)
{
    const cJSON *fw = cJSON_GetObjectItemCaseSensitive(change->tree, "fw");
    const char *mode = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(fw, "mode"));

    return mode ? mode : "";
}

static void tell(struct orb_ctx *ctx, const char *stage, const struct orb_change *change)
{
    cJSON *event = cJSON_CreateObject();

    cJSON_AddStringToObject(event, "stage", stage);
    orb_add_int64(event, "tx", (int64_t)change->tx);
    orb_add_int64(event, "revision", (int64_t)change->revision);
    cJSON_AddBoolToObject(event, "initial", change->initial);
    cJSON_AddItemToObject(event, "tree", cJSON_Duplicate(change->tree, true));
    cJSON_AddItemToObject(event, "patch", cJSON_Duplicate(change->patch, true));
    orb_publish(ctx, stage, event, NULL);
}

static void on_later(struct orb_ctx *ctx, void *arg)
{
    orb_timer_free(later);
    later = NULL;
    orb_config_done(ctx, &later_err);
}

static int answer_later(struct orb_ctx *ctx)
{
    later_err = (struct orb_err){0};
    later = orb_timer_new(ctx, on_later, NULL);
    orb_timer_start(later, 50, 0);
    return ORB_LATER;
}

/* Eight times as long as the caller's deadline of 200 ms, reporting progress. */
static void on_step(struct orb_ctx *ctx, void *arg)
{
    static int left = 16;

    orb_progress(ctx);
    if (--left)
        return;
    orb_timer_free(later);
    later = NULL;
    orb_config_done(ctx, NULL);
}

static int work_on(struct orb_ctx *ctx)
{
    later = orb_timer_new(ctx, on_step, NULL);
    orb_timer_start(later, 100, 100);
    return ORB_LATER;
}

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    const char *mode = mode_of(change);

    tell(ctx, "prepare", change);
    if (change->question)
        orb_answer(ctx, cJSON_Duplicate(change->question, true));
    orb_plan_step(ctx, "live", "one thing");
    if (!strcmp(mode, "veto"))
        return orb_fail_at(err, ORB_E_VETO, "/fw/mode", "not this mode");
    if (!strcmp(mode, "later-veto")) {
        int r = answer_later(ctx);

        orb_fail_at(&later_err, ORB_E_VETO, "/fw/mode", "thought about it");
        return r;
    }
    if (!strcmp(mode, "early")) {
        orb_config_done(ctx, NULL);
        return ORB_LATER;
    }
    return !strcmp(mode, "later") ? answer_later(ctx) : 0;
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    tell(ctx, "apply", change);
    if (!strcmp(mode_of(change), "broken"))
        return orb_fail(err, ORB_E_KERNEL, "EINVAL of the kernel");
    if (!strcmp(mode_of(change), "never"))
        return ORB_LATER;
    if (!strcmp(mode_of(change), "plans"))
        orb_plan_step(ctx, "live", "one thing");
    if (!strcmp(mode_of(change), "slow"))
        return work_on(ctx);
    if (!strcmp(mode_of(change), "shows")) {
        orb_progress_at(ctx, "loading the rules of a very long name that is longer than a phase is",
                        140);
        return 0;
    }
    return !strcmp(mode_of(change), "later") ? answer_later(ctx) : 0;
}

static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    tell(ctx, applied ? "abort-applied" : "abort-prepared", change);
    return 0;
}

static const char *const paths[] = {"/fw", "/if", NULL};
static const struct orb_config config = {
    .paths = paths, .prepare = on_prepare, .apply = on_apply, .abort = on_abort};
static const struct orb_plugin plugin = {ORB_PLUGIN_HEAD, .name = "t", .config = &config};
static const struct orb_plugin without = {ORB_PLUGIN_HEAD, .name = "t"};

enum { PREPARE = 1, APPLY, ABORT };
#define METHODS "\"service.t/prepare\",\"service.t/apply\",\"service.t/abort\""
#define CORR 31

static void answer_slice(struct fakehost *h, const struct fakeframe *req, const char *payload)
{
    fakehost_send(h, FRAME_REP, 0, req->head.corr, 0, 0, NULL, payload);
}

/* Answers attach with tree at revision, and the OPEN that watches the config service. */
static void attach(struct fakehost *h, int revision, const char *tree)
{
    AUTO(buf) struct buf b = {0};
    struct fakeframe f;

    fakehost_expect(h, FRAME_REQ, &f);
    ck_assert_str_eq(f.env, "{\"to\":\"config@1\",\"method\":\"attach\"}");
    ck_assert_str_eq(f.payload, "{\"paths\":[\"/fw\",\"/if\"]}");
    buf_addf(&b, "{\"revision\":%d,\"bytes\":%zu,\"data\":", revision, strlen(tree));
    buf_add_json(&b, tree, strlen(tree));
    buf_addc(&b, '}');
    answer_slice(h, &f, buf_str(&b));
    fakehost_expect(h, FRAME_OPEN, &f);
    ck_assert_str_eq(f.env, "{\"to\":\"config@1\",\"method\":\"attach\"}");
    fakehost_send(h, FRAME_OPENED, 4, f.head.corr, 0, 0, NULL, NULL);
}

static void expect_stage(struct fakehost *h, const char *stage, const char *rest)
{
    AUTO_FREE char *want = buf_format("{\"stage\":\"%s\",%s}", stage, rest);
    struct fakeframe f;

    fakehost_expect(h, FRAME_PUB, &f);
    ck_assert_str_eq(f.payload, want);
}

/* Skips what the plugin published until this stage; returns nothing but the assurance. */
static void until_stage(struct fakehost *h, const char *stage)
{
    AUTO_FREE char *want = buf_format("{\"topic\":\"%s\"}", stage);
    struct fakeframe f;

    do
        fakehost_expect(h, FRAME_PUB, &f);
    while (strcmp(f.env, want));
}

static void start(struct fakehost *h)
{
    fakehost_start(h, &plugin);
    fakehost_welcome(h, METHODS, "\"config\":[\"/fw\",\"/if\"],");
    attach(h, 12, "{\"fw\":{\"a\":1}}");
    until_stage(h, "apply");
    fakehost_ready(h);
}

static void ask(struct fakehost *h, uint32_t method, const char *in)
{
    fakehost_send(h, FRAME_REQ, method, CORR, 7, 5000, NULL, in);
}

static void expect_ok(struct fakehost *h, const char *out)
{
    struct fakeframe f;

    fakehost_expect(h, FRAME_REP, &f);
    ck_assert_uint_eq(f.head.corr, CORR);
    ck_assert_str_eq(f.payload, out);
}

static void expect_err(struct fakehost *h, const char *part)
{
    struct fakeframe f;

    fakehost_expect(h, FRAME_ERR, &f);
    ck_assert_uint_eq(f.head.corr, CORR);
    ck_assert_msg(strstr(f.env, part) != NULL, "%s not in %s", part, f.env);
}

#define SET_B                                                                                      \
    "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"/fw/b\",\"value\":2}]}"
#define PLAN "{\"plan\":[{\"kind\":\"live\",\"text\":\"one thing\"}]}"

TEST(the_first_configuration_comes_in_slices_before_ready)
{
    struct fakehost h;
    struct fakeframe f;

    fakehost_start(&h, &plugin);
    fakehost_welcome(&h, METHODS, "\"config\":[\"/fw\",\"/if/x\",\"/if\"],");
    fakehost_expect(&h, FRAME_REQ, &f);
    answer_slice(&h, &f, "{\"revision\":12,\"bytes\":20,\"data\":\"{\\\"fw\\\":{\\\"a\\\"\"}");
    fakehost_expect(&h, FRAME_REQ, &f);
    ck_assert_str_eq(f.env, "{\"to\":\"config@1\",\"method\":\"fetch\"}");
    ck_assert_str_eq(f.payload, "{\"what\":\"attach\",\"offset\":10}");
    answer_slice(&h, &f, "{\"offset\":10,\"bytes\":20,\"data\":\":\\\"\xc3\xa9\\\"\"}");
    fakehost_expect(&h, FRAME_OPEN, &f); /* a second call in a burst opens a handle */
    fakehost_expect(&h, FRAME_REQ, &f);
    ck_assert_str_eq(f.payload, "{\"what\":\"attach\",\"offset\":15}");
    answer_slice(&h, &f, "{\"offset\":15,\"bytes\":20,\"data\":\"}   }\"}");
    fakehost_expect(&h, FRAME_OPEN, &f);
    expect_stage(&h, "prepare",
                 "\"tx\":0,\"revision\":12,\"initial\":true,\"tree\":{\"fw\":{\"a\":\"\xc3\xa9\"}},"
                 "\"patch\":[{\"op\":\"set\",\"path\":\"/fw\",\"value\":{\"a\":\"\xc3\xa9\"}}]");
    until_stage(&h, "apply");
    fakehost_expect(&h, FRAME_READY, &f);
    ck_assert_str_eq(f.payload, "{\"revision\":12}");
    fakehost_stop(&h);
}

TEST(a_config_service_that_is_not_there_yet_is_asked_again)
{
    struct fakehost h;
    struct fakeframe f;

    fakehost_start(&h, &plugin);
    fakehost_welcome(&h, METHODS, "");
    fakehost_expect(&h, FRAME_REQ, &f);
    fakehost_send(&h, FRAME_ERR, 0, f.head.corr, 0, 0,
                  "{\"err\":{\"code\":\"unavailable\",\"text\":\"starting\"}}", NULL);
    attach(&h, 1, "{}");
    expect_stage(&h, "prepare",
                 "\"tx\":0,\"revision\":1,\"initial\":true,\"tree\":{},\"patch\":[]");
    until_stage(&h, "apply");
    fakehost_ready(&h);
    fakehost_stop(&h);
}

TEST(a_path_without_its_capability_ends_the_worker_with_that_reason)
{
    struct fakehost h;
    struct fakeframe f;

    fakehost_start(&h, &plugin);
    fakehost_welcome(&h, METHODS, "\"config\":[\"/fw\",\"/iffy\"],");
    fakehost_expect(&h, FRAME_FAIL, &f);
    ck_assert_str_eq(f.payload,
                     "{\"code\":\"denied\",\"text\":\"the capability config.read:/if was "
                     "not granted\",\"path\":\"/if\"}");
    ck_assert_int_eq(fakehost_wait(&h), 1);
}

TEST(a_veto_of_the_first_configuration_ends_the_worker)
{
    struct fakehost h;
    struct fakeframe f;

    fakehost_start(&h, &plugin);
    fakehost_welcome(&h, METHODS, "");
    attach(&h, 3, "{\"fw\":{\"mode\":\"veto\"}}");
    until_stage(&h, "prepare");
    fakehost_expect(&h, FRAME_FAIL, &f);
    ck_assert_str_eq(f.payload,
                     "{\"code\":\"config.veto\",\"text\":\"configuration revision 3: not "
                     "this mode\",\"path\":\"/fw/mode\"}");
    ck_assert_int_eq(fakehost_wait(&h), 1);
}

TEST(prepare_shows_the_new_tree_and_apply_follows)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, SET_B);
    expect_stage(&h, "prepare",
                 "\"tx\":5,\"revision\":13,\"initial\":false,\"tree\":{\"fw\":{\"a\":1,\"b\":2}},"
                 "\"patch\":[{\"op\":\"set\",\"path\":\"/fw/b\",\"value\":2}]");
    expect_ok(&h, PLAN);
    ask(&h, PREPARE, SET_B);
    expect_err(&h, "transaction 5: an earlier transaction is neither applied nor aborted");
    ask(&h, APPLY, "{\"tx\":6}");
    expect_err(&h, "\"code\":\"state\"");
    ask(&h, APPLY, "{\"tx\":5}");
    until_stage(&h, "apply");
    expect_ok(&h, "{}");
    fakehost_stop(&h);
}

TEST(a_question_about_a_change_is_answered_with_its_plan)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, "{\"tx\":5,\"revision\":13,\"patch\":[],\"question\":{\"why\":[1]}}");
    until_stage(&h, "prepare");
    expect_ok(&h,
              "{\"plan\":[{\"kind\":\"live\",\"text\":\"one thing\"}],\"answer\":{\"why\":[1]}}");
    ask(&h, ABORT, "{\"tx\":5,\"applied\":false}");
    until_stage(&h, "abort-prepared");
    expect_ok(&h, "{}");
    ask(&h, PREPARE, SET_B); /* the next one has no question, and so no answer */
    until_stage(&h, "prepare");
    expect_ok(&h, PLAN);
    fakehost_stop(&h);
}

TEST(what_only_shows_in_apply_is_told_then)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE,
        "{\"tx\":5,\"revision\":13,\"patch\":["
        "{\"op\":\"set\",\"path\":\"/fw/mode\",\"value\":\"plans\"}]}");
    until_stage(&h, "prepare");
    expect_ok(&h, PLAN);
    ask(&h, APPLY, "{\"tx\":5}");
    until_stage(&h, "apply");
    expect_ok(&h, PLAN);
    fakehost_stop(&h);
}

TEST(abort_after_prepare_puts_the_tree_back)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE,
        "{\"tx\":5,\"revision\":13,\"patch\":["
        "{\"op\":\"set\",\"path\":\"/fw/a\",\"value\":7,\"old\":1},"
        "{\"op\":\"set\",\"path\":\"/if/lan/mtu\",\"value\":1500},"
        "{\"op\":\"set\",\"path\":\"/fw/x~1y\",\"value\":{}},"
        "{\"op\":\"set\",\"path\":\"/fw/x~1y/z\",\"value\":true}]}");
    expect_stage(&h, "prepare",
                 "\"tx\":5,\"revision\":13,\"initial\":false,\"tree\":{\"fw\":{\"a\":7,\"x/"
                 "y\":{\"z\":true}},"
                 "\"if\":{\"lan\":{\"mtu\":1500}}},\"patch\":["
                 "{\"op\":\"set\",\"path\":\"/fw/a\",\"value\":7,\"old\":1},"
                 "{\"op\":\"set\",\"path\":\"/if/lan/mtu\",\"value\":1500},"
                 "{\"op\":\"set\",\"path\":\"/fw/x~1y\",\"value\":{}},"
                 "{\"op\":\"set\",\"path\":\"/fw/x~1y/z\",\"value\":true}]");
    expect_ok(&h, PLAN);
    ask(&h, ABORT, "{\"tx\":5,\"applied\":false}");
    expect_stage(&h, "abort-prepared",
                 "\"tx\":5,\"revision\":12,\"initial\":false,\"tree\":{\"fw\":{\"a\":1}},"
                 "\"patch\":[{\"op\":\"delete\",\"path\":\"/fw/x~1y/z\",\"old\":true},"
                 "{\"op\":\"delete\",\"path\":\"/fw/x~1y\",\"old\":{}},"
                 "{\"op\":\"delete\",\"path\":\"/if\",\"old\":{\"lan\":{\"mtu\":1500}}},"
                 "{\"op\":\"set\",\"path\":\"/fw/a\",\"value\":1,\"old\":7}]");
    expect_ok(&h, "{}");
    ask(&h, ABORT, "{\"tx\":5,\"applied\":false}"); /* a second time: nothing to undo */
    expect_ok(&h, "{}");
    fakehost_stop(&h);
}

TEST(abort_after_apply_restores_what_was)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE,
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"delete\",\"path\":\"/"
        "fw\",\"old\":{\"a\":1}}]}");
    expect_stage(&h, "prepare",
                 "\"tx\":5,\"revision\":13,\"initial\":false,\"tree\":{},\"patch\":[{\"op\":"
                 "\"delete\",\"path\":\"/fw\",\"old\":{\"a\":1}}]");
    expect_ok(&h, PLAN);
    ask(&h, APPLY, "{\"tx\":5}");
    until_stage(&h, "apply");
    expect_ok(&h, "{}");
    ask(&h, ABORT, "{\"tx\":5,\"applied\":true}");
    expect_stage(&h, "abort-applied",
                 "\"tx\":5,\"revision\":12,\"initial\":false,\"tree\":{\"fw\":{\"a\":1}},"
                 "\"patch\":[{\"op\":\"set\",\"path\":\"/fw\",\"value\":{\"a\":1}}]");
    expect_ok(&h, "{}");
    fakehost_stop(&h);
}

static void expect_applied(struct fakehost *h, const char *payload)
{
    struct fakeframe f;

    fakehost_expect(h, FRAME_APPLIED, &f);
    ck_assert_str_eq(f.payload, payload);
}

TEST(the_host_is_told_each_revision_before_the_config_service)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, SET_B);
    until_stage(&h, "prepare");
    expect_ok(&h, PLAN);
    ask(&h, APPLY, "{\"tx\":5}");
    until_stage(&h, "apply");
    expect_applied(&h, "{\"revision\":13}");
    expect_ok(&h, "{}");
    ask(&h, ABORT, "{\"tx\":5,\"applied\":true}");
    until_stage(&h, "abort-applied");
    expect_applied(&h, "{\"revision\":12}");
    expect_ok(&h, "{}");
    fakehost_stop(&h);
}

TEST(a_veto_names_the_path_and_leaves_the_tree)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE,
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"/fw/"
        "mode\",\"value\":\"veto\"}]}");
    until_stage(&h, "prepare");
    expect_err(
        &h,
        "{\"err\":{\"code\":\"config.veto\",\"text\":\"not this mode\",\"path\":\"/fw/mode\"}}");
    ask(&h, ABORT, "{\"tx\":5,\"applied\":false}");
    expect_ok(&h, "{}");
    ask(&h, PREPARE, SET_B);
    expect_stage(&h, "prepare",
                 "\"tx\":5,\"revision\":13,\"initial\":false,\"tree\":{\"fw\":{\"a\":1,\"b\":2}},"
                 "\"patch\":[{\"op\":\"set\",\"path\":\"/fw/b\",\"value\":2}]");
    expect_ok(&h, PLAN);
    fakehost_stop(&h);
}

TEST(a_failed_apply_waits_for_its_abort)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE,
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"/fw/"
        "mode\",\"value\":\"broken\"}]}");
    until_stage(&h, "prepare");
    expect_ok(&h, PLAN);
    ask(&h, APPLY, "{\"tx\":5}");
    until_stage(&h, "apply");
    expect_err(&h, "EINVAL of the kernel");
    ask(&h, PREPARE, SET_B);
    expect_err(&h, "\"code\":\"state\"");
    ask(&h, ABORT, "{\"tx\":5,\"applied\":false}");
    expect_stage(&h, "abort-applied",
                 "\"tx\":5,\"revision\":12,\"initial\":false,\"tree\":{\"fw\":{\"a\":1}},\"patch\":"
                 "[{\"op\":\"delete\",\"path\":\"/fw/mode\",\"old\":\"broken\"}]");
    expect_ok(&h, "{}");
    fakehost_stop(&h);
}

TEST(an_answer_may_come_later_and_an_abort_waits_for_it)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE,
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"/fw/"
        "mode\",\"value\":\"later\"}]}");
    until_stage(&h, "prepare");
    expect_ok(&h, PLAN);
    ask(&h, APPLY, "{\"tx\":5}");
    ask(&h, ABORT, "{\"tx\":5,\"applied\":true}"); /* gave up waiting */
    until_stage(&h, "apply");
    expect_ok(&h, "{}");
    until_stage(&h, "abort-applied");
    expect_ok(&h, "{}");
    ask(&h, PREPARE,
        "{\"tx\":6,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"/fw/"
        "mode\",\"value\":\"later-veto\"}]}");
    until_stage(&h, "prepare");
    ask(&h, PREPARE, SET_B);
    expect_err(&h, "the service still works on this one");
    expect_err(&h, "thought about it");
    ask(&h, PREPARE,
        "{\"tx\":7,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"/fw/"
        "mode\",\"value\":\"early\"}]}");
    until_stage(&h, "prepare");
    expect_ok(&h, PLAN);
    fakehost_stop(&h);
}

TEST(a_large_patch_is_fetched_in_slices)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    ask(&h, PREPARE, "{\"tx\":5,\"revision\":13,\"bytes\":41}");
    fakehost_expect(&h, FRAME_REQ, &f);
    ck_assert_str_eq(f.payload, "{\"what\":\"tx\",\"offset\":0}");
    answer_slice(&h, &f, "{\"offset\":0,\"bytes\":41,\"data\":\"[{\\\"op\\\":\\\"set\\\",\"}");
    /* The second call in a burst opens a handle. */
    fakehost_expect(&h, FRAME_OPEN, &f);
    fakehost_expect(&h, FRAME_REQ, &f);
    ck_assert_str_eq(f.payload, "{\"what\":\"tx\",\"offset\":13}");
    answer_slice(
        &h, &f,
        "{\"offset\":13,\"bytes\":41,\"data\":\"\\\"path\\\":\\\"/fw/b\\\", \\\"value\\\":23}]\"}");
    expect_stage(&h, "prepare",
                 "\"tx\":5,\"revision\":13,\"initial\":false,\"tree\":{\"fw\":{\"a\":1,\"b\":23}},"
                 "\"patch\":[{\"op\":\"set\",\"path\":\"/fw/b\",\"value\":23}]");
    expect_ok(&h, PLAN);
    ask(&h, ABORT, "{\"tx\":5,\"applied\":false}");
    until_stage(&h, "abort-prepared");
    expect_ok(&h, "{}");
    ask(&h, PREPARE, "{\"tx\":6,\"revision\":13,\"bytes\":41}");
    fakehost_expect(&h, FRAME_REQ, &f);
    fakehost_send(&h, FRAME_ERR, 0, f.head.corr, 0, 0,
                  "{\"err\":{\"code\":\"not-found\",\"text\":\"no such transaction\"}}", NULL);
    expect_err(&h, "the patch could not be fetched: no such transaction");
    fakehost_stop(&h);
}

TEST(a_bad_patch_is_refused_and_changes_nothing)
{
    static const char *const bad[] = {
        "{\"tx\":5,\"revision\":13}",
        "{\"tx\":5,\"revision\":13,\"patch\":{}}",
        "{\"revision\":13,\"patch\":[]}",
        "{\"tx\":5,\"patch\":[]}",
        "{\"tx\":5,\"revision\":13,\"bytes\":99999999999}",
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"/fw/q\",\"value\":1},"
        "{\"op\":\"set\",\"path\":\"/fw/a/b\",\"value\":1}]}",
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"fw\",\"value\":1}]}",
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"/new/x/"
        "~2\",\"value\":1}]}",
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"move\",\"path\":\"/fw\"}]}",
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"/fw\"}]}",
        "{\"tx\":5,\"revision\":13,\"patch\":[7]}",
    };
    struct fakehost h;

    start(&h);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ask(&h, PREPARE, bad[i]);
        expect_err(&h, "\"code\":\"invalid\"");
    }
    ask(&h, PREPARE,
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"delete\",\"path\":\"/no/such\"}]}");
    expect_stage(
        &h, "prepare",
        "\"tx\":5,\"revision\":13,\"initial\":false,\"tree\":{\"fw\":{\"a\":1}},\"patch\":["
        "{\"op\":\"delete\",\"path\":\"/no/such\"}]");
    expect_ok(&h, PLAN);
    fakehost_stop(&h);
}

TEST(when_the_config_service_restarts_the_worker_undoes_and_attaches_again)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, SET_B);
    until_stage(&h, "prepare");
    expect_ok(&h, PLAN);
    fakehost_send(&h, FRAME_GONE, 0, 0, 7, 0, NULL, NULL);
    fakehost_send(&h, FRAME_GONE, 4, 0, 0, 0, NULL, NULL); /* reported both ways */
    until_stage(&h, "abort-prepared");
    attach(&h, 14, "{\"fw\":{\"a\":1},\"if\":{}}");
    expect_stage(&h, "prepare",
                 "\"tx\":0,\"revision\":14,\"initial\":false,\"tree\":{\"fw\":{\"a\":1},\"if\":{}},"
                 "\"patch\":[{\"op\":\"set\",\"path\":\"/if\",\"value\":{}}]");
    until_stage(&h, "apply");
    fakehost_stop(&h);
}

/* An apply of this mode is running with 200 ms left when the config service ends. */
static void alone_with(struct fakehost *h, const char *mode)
{
    AUTO_FREE char *in = buf_format("{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":"
                                    "\"/fw/mode\",\"value\":\"%s\"}]}",
                                    mode);

    start(h);
    ask(h, PREPARE, in);
    until_stage(h, "prepare");
    expect_ok(h, PLAN);
    fakehost_send(h, FRAME_REQ, APPLY, CORR, 7, 200, NULL, "{\"tx\":5}");
    until_stage(h, "apply");
    fakehost_send(h, FRAME_GONE, 0, 0, 7, 0, NULL, NULL);
}

TEST(a_step_without_a_caller_that_never_ends_is_the_worker_s_end)
{
    struct fakehost h;
    struct fakeframe f;

    alone_with(&h, "never");
    fakehost_expect(&h, FRAME_FAIL, &f);
    ck_assert_msg(strstr(f.payload, "it did not answer apply of revision 13 in time") != NULL, "%s",
                  f.payload);
    ck_assert_int_eq(fakehost_wait(&h), 1);
}

TEST(a_step_that_reports_it_continues_may_take_longer_than_its_deadline)
{
    struct fakehost h;
    struct fakeframe f;

    alone_with(&h, "slow");
    do {
        fakehost_read(&h, &f);
        ck_assert_int_ne(f.head.type, FRAME_FAIL);
    } while (f.head.type != FRAME_REQ); /* progress, logs, the cancelled answer */
    ck_assert_str_eq(f.env, "{\"to\":\"config@1\",\"method\":\"attach\"}");
    fakehost_stop(&h);
}

TEST(a_step_shows_its_caller_how_far_it_is)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    ask(&h, PREPARE,
        "{\"tx\":5,\"revision\":13,\"patch\":[{\"op\":\"set\",\"path\":\"/fw/mode\",\"value\":"
        "\"shows\"}]}");
    until_stage(&h, "prepare");
    expect_ok(&h, PLAN);
    ask(&h, APPLY, "{\"tx\":5}");
    fakehost_until(&h, FRAME_PROGRESS, &f);
    ck_assert_uint_eq(f.head.corr, CORR);
    ck_assert_str_eq(f.payload, "{\"phase\":\"loading the rules of a very long name that is longer "
                                "than a pha\",\"percent\":100}");
    expect_ok(&h, "{}");
    fakehost_stop(&h);
}

TEST(a_config_service_that_never_called_is_missed_by_its_handle)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    fakehost_send(&h, FRAME_PING, 0, 0, 0, 0, NULL, NULL);
    fakehost_expect(&h, FRAME_PONG, &f);
    fakehost_send(&h, FRAME_GONE, 4, 0, 0, 0, NULL, NULL);
    attach(&h, 12, "{\"fw\":{\"a\":1}}"); /* nothing changed: no callback */
    fakehost_send(&h, FRAME_PING, 0, 0, 0, 0, NULL, NULL);
    fakehost_expect(&h, FRAME_PONG, &f);
    fakehost_stop(&h);
}

TEST(a_package_without_configuration_agrees_to_everything)
{
    struct fakehost h;

    fakehost_start(&h, &without);
    fakehost_welcome(&h, METHODS, "");
    fakehost_ready(&h);
    ask(&h, PREPARE, SET_B);
    expect_ok(&h, "{\"plan\":[]}");
    ask(&h, APPLY, "{\"tx\":5}");
    expect_ok(&h, "{}");
    fakehost_stop(&h);
}
