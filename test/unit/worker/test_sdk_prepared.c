/* core/worker/sdk_prepared.c: what prepare made is discarded exactly once, however a change ends.
 * The plugin's states are named by /fw/name; each that is freed is published, and so is the
 * one in use after each step. */
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "test/lib/harness.h"
#include "test/unit/worker/fakehost.h"

struct state {
    char name[16];
    char mode[16];
};

static struct state *current;

static const char *text_of(const struct orb_change *change, const char *key)
{
    const cJSON *fw = cJSON_GetObjectItemCaseSensitive(change->tree, "fw");
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(fw, key));

    return text ? text : "";
}

static void tell(struct orb_ctx *ctx, const char *topic, const struct state *state)
{
    cJSON *event = cJSON_CreateObject();

    cJSON_AddStringToObject(event, "name", state ? state->name : "none");
    orb_publish(ctx, topic, event, NULL);
}

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct state *state = xcalloc(1, sizeof(*state));

    ck_assert(ORB_HAS(change, prepared));
    ck_assert_ptr_null(*change->prepared);
    snprintf(state->name, sizeof(state->name), "%s", text_of(change, "name"));
    snprintf(state->mode, sizeof(state->mode), "%s", text_of(change, "mode"));
    *change->prepared = state;
    if (!strcmp(state->mode, "veto"))
        return orb_fail(err, ORB_E_VETO, "no");
    return !strcmp(state->mode, "never") ? ORB_LATER : 0;
}

static void swap(const struct orb_change *change)
{
    struct state *before = current;

    current = *change->prepared;
    *change->prepared = before;
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    const struct state *next = *change->prepared;
    bool broken = !strcmp(next->mode, "broken");

    if (strcmp(next->mode, "forget"))
        swap(change);
    tell(ctx, "applied", current);
    return broken ? orb_fail(err, ORB_E_KERNEL, "EINVAL") : 0;
}

static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    if (applied)
        swap(change);
    tell(ctx, "aborted", current);
    return 0;
}

static void on_discard(struct orb_ctx *ctx, void *prepared)
{
    tell(ctx, "discarded", prepared);
    free(prepared);
}

static void on_stop(struct orb_ctx *ctx)
{
    tell(ctx, "stopped", current);
    free(current);
}

static const char *const paths[] = {"/fw", NULL};
static const struct orb_config config = {.paths = paths,
                                         .prepare = on_prepare,
                                         .apply = on_apply,
                                         .abort = on_abort,
                                         .discard = on_discard};
static const struct orb_config forgets = {
    .paths = paths, .prepare = on_prepare, .apply = on_apply, .abort = on_abort};
static const struct orb_plugin plugin = {ORB_PLUGIN_HEAD, .name = "t", .config = &config,
                                         .stop = on_stop};
static const struct orb_plugin forgetful = {ORB_PLUGIN_HEAD, .name = "t", .config = &forgets};

enum { PREPARE = 1, APPLY, ABORT };
#define METHODS "\"service.t/prepare\",\"service.t/apply\",\"service.t/abort\""
#define NAMED(name, mode) "{\"name\":\"" name "\",\"mode\":\"" mode "\"}"
#define TO(name, mode)                                                                             \
    "{\"tx\":5,\"revision\":2,\"patch\":[{\"op\":\"set\",\"path\":\"/fw\",\"value\":" NAMED(       \
        name, mode) "}]}"

static void attach(struct fakehost *h, int revision, const char *tree)
{
    AUTO(buf) struct buf b = {0};
    struct fakeframe f;

    fakehost_expect(h, FRAME_REQ, &f);
    buf_addf(&b, "{\"revision\":%d,\"bytes\":%zu,\"data\":", revision, strlen(tree));
    buf_add_json(&b, tree, strlen(tree));
    buf_addc(&b, '}');
    fakehost_send(h, FRAME_REP, 0, f.head.corr, 0, 0, NULL, buf_str(&b));
    fakehost_expect(h, FRAME_OPEN, &f);
    fakehost_send(h, FRAME_OPENED, 4, f.head.corr, 0, 0, NULL, NULL);
}

static void expect(struct fakehost *h, const char *topic, const char *name)
{
    AUTO_FREE char *env = buf_format("{\"topic\":\"%s\"}", topic);
    AUTO_FREE char *payload = buf_format("{\"name\":\"%s\"}", name);
    struct fakeframe f;

    fakehost_expect(h, FRAME_PUB, &f);
    ck_assert_str_eq(f.env, env);
    ck_assert_str_eq(f.payload, payload);
}

static void start(struct fakehost *h)
{
    fakehost_start(h, &plugin);
    fakehost_welcome(h, METHODS, "");
    attach(h, 1, "{\"fw\":" NAMED("one", "") "}");
    expect(h, "applied", "one"); /* and nothing to discard: there was none before */
    fakehost_ready(h);
}

static void ask(struct fakehost *h, uint32_t method, const char *in)
{
    fakehost_send(h, FRAME_REQ, method, 31, 7, 5000, NULL, in);
}

static void answered(struct fakehost *h, unsigned type)
{
    struct fakeframe f;

    fakehost_expect(h, type, &f);
}

static void stop(struct fakehost *h, const char *name)
{
    fakehost_send(h, FRAME_STOP, 0, 0, 0, 0, NULL, NULL);
    expect(h, "stopped", name);
    ck_assert_int_eq(fakehost_wait(h), 0);
}

TEST(what_a_refusing_prepare_left_is_discarded)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, TO("two", "veto"));
    expect(&h, "discarded", "two");
    answered(&h, FRAME_ERR);
    stop(&h, "one");
}

TEST(what_is_aborted_before_apply_is_discarded)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, TO("two", ""));
    answered(&h, FRAME_REP);
    ask(&h, ABORT, "{\"tx\":5,\"applied\":false}");
    expect(&h, "aborted", "one");
    expect(&h, "discarded", "two");
    answered(&h, FRAME_REP);
    stop(&h, "one");
}

TEST(what_was_in_use_stays_until_the_change_cannot_be_undone)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, TO("two", ""));
    answered(&h, FRAME_REP);
    ask(&h, APPLY, "{\"tx\":5}");
    expect(&h, "applied", "two");
    answered(&h, FRAME_REP);
    ask(&h, PREPARE, TO("three", ""));
    expect(&h, "discarded", "one");
    answered(&h, FRAME_REP);
    ask(&h, APPLY, "{\"tx\":5}");
    expect(&h, "applied", "three");
    answered(&h, FRAME_REP);
    ask(&h, ABORT, "{\"tx\":5,\"applied\":true}");
    expect(&h, "aborted", "two");
    expect(&h, "discarded", "three");
    answered(&h, FRAME_REP);
    stop(&h, "two");
}

TEST(an_apply_that_fails_is_undone_with_the_same_slot)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, TO("two", "broken"));
    answered(&h, FRAME_REP);
    ask(&h, APPLY, "{\"tx\":5}");
    expect(&h, "applied", "two");
    answered(&h, FRAME_ERR);
    ask(&h, ABORT, "{\"tx\":5,\"applied\":true}");
    expect(&h, "aborted", "one");
    expect(&h, "discarded", "two");
    answered(&h, FRAME_REP);
    stop(&h, "one");
}

TEST(an_apply_that_forgets_to_swap_leaks_nothing)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, TO("two", "forget"));
    answered(&h, FRAME_REP);
    ask(&h, APPLY, "{\"tx\":5}");
    expect(&h, "applied", "one");
    answered(&h, FRAME_REP);
    ask(&h, PREPARE, TO("three", "veto"));
    expect(&h, "discarded", "two");
    expect(&h, "discarded", "three");
    answered(&h, FRAME_ERR);
    stop(&h, "one");
}

TEST(a_worker_that_stops_discards_before_stop_is_called)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, TO("two", ""));
    answered(&h, FRAME_REP);
    fakehost_send(&h, FRAME_STOP, 0, 0, 0, 0, NULL, NULL);
    expect(&h, "discarded", "two");
    expect(&h, "stopped", "one");
    ck_assert_int_eq(fakehost_wait(&h), 0);

    start(&h);
    ask(&h, PREPARE, TO("three", "never")); /* still at it */
    fakehost_send(&h, FRAME_STOP, 0, 0, 0, 0, NULL, NULL);
    expect(&h, "discarded", "three");
    expect(&h, "stopped", "one");
    ck_assert_int_eq(fakehost_wait(&h), 0);
}

TEST(a_config_service_that_ends_aborts_and_discards)
{
    struct fakehost h;

    start(&h);
    ask(&h, PREPARE, TO("two", ""));
    answered(&h, FRAME_REP);
    fakehost_send(&h, FRAME_GONE, 0, 0, 7, 0, NULL, NULL);
    expect(&h, "aborted", "one");
    expect(&h, "discarded", "two");
    answered(&h, FRAME_REQ); /* attach again */
    stop(&h, "one");
}

TEST(a_package_that_cannot_free_its_result_is_refused_with_the_reason)
{
    struct fakehost h;
    struct fakeframe f;

    fakehost_start(&h, &forgetful);
    fakehost_welcome(&h, METHODS, "");
    attach(&h, 1, "{\"fw\":" NAMED("one", "") "}");
    fakehost_expect(&h, FRAME_FAIL, &f);
    ck_assert_ptr_nonnull(strstr(f.payload, "the package has no discard to free it"));
    ck_assert_int_eq(fakehost_wait(&h), 1);
}
