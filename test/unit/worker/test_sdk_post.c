/* orb_post(): calls of other threads arrive on the loop, each once, in order, none lost. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_req.h"
#include "test/lib/harness.h"
#include "test/unit/worker/fakehost.h"

#define THREADS 4
#define POSTS 5000

struct sender {
    pthread_t thread;
    struct orb_ctx *ctx;
    int number;
    int next; /* number of the call expected next; the loop's */
    int posted;
};

struct user {
    struct sender senders[THREADS];
    struct orb_req *req;
    pthread_t loop;
    sem_t called;
    int calls;
    int wrong;
    int running;
    int refused; /* code of the first post that was */
    bool post_at_stop;
};

static struct user *user_of(struct orb_ctx *ctx)
{
    return orb_user(ctx);
}

static void answer(struct orb_ctx *ctx, struct orb_req *req)
{
    struct user *u = orb_user(ctx);
    cJSON *out = cJSON_CreateObject();

    cJSON_AddNumberToObject(out, "calls", u->calls);
    cJSON_AddNumberToObject(out, "wrong", u->wrong);
    cJSON_AddStringToObject(out, "refused", u->refused ? orb_code_name(u->refused) : "");
    orb_reply(req, out);
}

struct item {
    struct sender *sender;
    int number;
};

static void on_item(struct orb_ctx *ctx, void *arg)
{
    struct user *u = orb_user(ctx);
    struct item *item = arg;

    u->calls++;
    if (item->number != item->sender->next++ || !pthread_equal(pthread_self(), u->loop) ||
        item->sender->ctx != ctx)
        u->wrong++;
    free(item);
}

static void on_finished(struct orb_ctx *ctx, void *arg)
{
    struct user *u = orb_user(ctx);
    struct sender *sender = arg;

    pthread_join(sender->thread, NULL);
    if (--u->running == 0)
        answer(ctx, u->req);
}

static void post_until_taken(struct orb_ctx *ctx, orb_post_fn *fn, void *arg)
{
    struct orb_err err;

    while (orb_post(ctx, fn, arg, &err) == ORB_E_BUSY)
        sched_yield();
}

static void *send_many(void *arg)
{
    struct sender *sender = arg;

    for (int i = 0; i < POSTS; i++) {
        struct item *item = calloc(1, sizeof(*item));

        *item = (struct item){.sender = sender, .number = i};
        post_until_taken(sender->ctx, on_item, item);
    }
    post_until_taken(sender->ctx, on_finished, sender);
    return NULL;
}

static int on_many(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    u->req = req;
    u->running = THREADS;
    for (int i = 0; i < THREADS; i++) {
        u->senders[i] = (struct sender){.ctx = ctx, .number = i};
        pthread_create(&u->senders[i].thread, NULL, send_many, &u->senders[i]);
    }
    return 0;
}

static void on_ping(struct orb_ctx *ctx, void *arg)
{
    user_of(ctx)->calls++;
    sem_post(&user_of(ctx)->called);
}

/* One at a time, and the loop blocks in between: with a lost wake-up the test hangs here. */
static void *send_one_by_one(void *arg)
{
    struct sender *sender = arg;

    for (int i = 0; i < POSTS; i++) {
        orb_post(sender->ctx, on_ping, NULL, NULL);
        sem_wait(&user_of(sender->ctx)->called);
    }
    orb_post(sender->ctx, on_finished, sender, NULL);
    return NULL;
}

static int on_one_by_one(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                         struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    u->req = req;
    u->running = 1;
    u->senders[0] = (struct sender){.ctx = ctx};
    pthread_create(&u->senders[0].thread, NULL, send_one_by_one, &u->senders[0]);
    return 0;
}

static void on_count(struct orb_ctx *ctx, void *arg)
{
    if (++user_of(ctx)->calls == SDK_MAX_POSTED)
        orb_publish(ctx, "all", NULL, NULL);
}

static int on_fill(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct user *u = orb_user(ctx);
    cJSON *out = cJSON_CreateObject();
    int taken = 0;

    while ((u->refused = orb_post(ctx, on_count, NULL, err)) == 0)
        taken++;
    cJSON_AddNumberToObject(out, "taken", taken);
    cJSON_AddStringToObject(out, "text", err->text);
    orb_reply(req, out);
    return 0;
}

static int on_calls(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    answer(ctx, req);
    return 0;
}

/* Posts again, for ever. */
static void on_again(struct orb_ctx *ctx, void *arg)
{
    user_of(ctx)->calls++;
    orb_post(ctx, on_again, NULL, NULL);
}

static int on_for_ever(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                       struct orb_err *err)
{
    orb_reply(req, NULL);
    return orb_post(ctx, on_again, NULL, err);
}

static int on_stop_filled(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                          struct orb_err *err)
{
    user_of(ctx)->post_at_stop = true;
    for (int i = 0; i < 3; i++)
        orb_post(ctx, on_count, NULL, NULL);
    orb_reply(req, NULL);
    return 0;
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    struct user *u = calloc(1, sizeof(*u));

    u->loop = pthread_self();
    sem_init(&u->called, 0, 0);
    orb_set_user(ctx, u);
    return 0;
}

static void on_stop(struct orb_ctx *ctx)
{
    struct user *u = orb_user(ctx);
    cJSON *seen = cJSON_CreateObject();
    struct orb_err err = {0};

    if (u->post_at_stop) {
        orb_post(ctx, on_count, NULL, &err);
        cJSON_AddNumberToObject(seen, "calls", u->calls);
        cJSON_AddStringToObject(seen, "refused", orb_code_name(err.code));
        orb_publish(ctx, "stopped", cJSON_Duplicate(seen, true), NULL);
    }
    cJSON_Delete(seen);
    sem_destroy(&u->called);
    free(u);
}

static const struct orb_method methods[] = {{"many", on_many, 0},
                                            {"one-by-one", on_one_by_one, 0},
                                            {"fill", on_fill, 0},
                                            {"calls", on_calls, 0},
                                            {"for-ever", on_for_ever, 0},
                                            {"stop-filled", on_stop_filled, 0},
                                            {0}};
static const struct orb_plugin plugin = {ORB_PLUGIN_HEAD, .name = "t", .methods = methods,
                                         .init = on_init, .stop = on_stop};

enum { MANY = 1, ONE_BY_ONE, FILL, CALLS, FOR_EVER, STOP_FILLED };
#define METHODS                                                                                    \
    "\"t/many\",\"t/one-by-one\",\"t/fill\",\"t/calls\",\"t/for-ever\",\"t/stop-filled\""

static void start(struct fakehost *h)
{
    fakehost_start(h, &plugin);
    fakehost_welcome(h, METHODS, "");
    fakehost_ready(h);
}

static void ask(struct fakehost *h, uint32_t method, const char *answer)
{
    struct fakeframe f;

    fakehost_send(h, FRAME_REQ, method, 21, 9, 60000, NULL, "{}");
    fakehost_expect(h, FRAME_REP, &f);
    ck_assert_str_eq(f.payload, answer);
}

TEST(calls_of_several_threads_arrive_once_and_in_order)
{
    AUTO_FREE char *all =
        buf_format("{\"calls\":%d,\"wrong\":0,\"refused\":\"\"}", THREADS * POSTS);
    struct fakehost h;

    start(&h);
    ask(&h, MANY, all);
    fakehost_stop(&h);
}

TEST(no_wake_up_of_a_sleeping_loop_is_lost)
{
    AUTO_FREE char *all = buf_format("{\"calls\":%d,\"wrong\":0,\"refused\":\"\"}", POSTS);
    struct fakehost h;

    start(&h);
    ask(&h, ONE_BY_ONE, all);
    fakehost_stop(&h);
}

TEST(a_full_ring_is_refused_and_what_it_holds_is_called)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    ask(&h, FILL, "{\"taken\":1024,\"text\":\"1024 calls wait for the loop, the limit is 1024\"}");
    fakehost_expect(&h, FRAME_PUB, &f);
    ask(&h, CALLS, "{\"calls\":1024,\"wrong\":0,\"refused\":\"busy\"}");
    fakehost_stop(&h);
}

TEST(a_call_that_posts_itself_again_lets_others_in)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    ask(&h, FOR_EVER, "{}");
    fakehost_send(&h, FRAME_REQ, CALLS, 21, 9, 5000, NULL, "{}");
    fakehost_expect(&h, FRAME_REP, &f);
    fakehost_stop(&h);
}

/* STOP comes in the same bytes as the request: the loop has no turn in between. */
TEST(what_waits_is_called_before_stop_and_nothing_later)
{
    unsigned char two[2 * FRAME_HEADER + 2];
    struct frame stop = {.type = FRAME_STOP};
    struct frame ask = {.type = FRAME_REQ,
                        .handle = STOP_FILLED,
                        .corr = 21,
                        .src = 9,
                        .len = 2,
                        .deadline_ms = 5000};
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    frame_put(two, &ask);
    memcpy(two + FRAME_HEADER, "{}", 2);
    frame_put(two + FRAME_HEADER + 2, &stop);
    fakehost_raw(&h, two, sizeof(two));
    fakehost_expect(&h, FRAME_REP, &f);
    fakehost_expect(&h, FRAME_PUB, &f);
    ck_assert_str_eq(f.payload, "{\"calls\":3,\"refused\":\"state\"}");
    ck_assert_int_eq(fakehost_wait(&h), 0);
}

static void must_not_be_called(struct orb_ctx *ctx, void *arg)
{
    abort();
}

static int on_failing_init(struct orb_ctx *ctx, struct orb_err *err)
{
    orb_post(ctx, must_not_be_called, NULL, NULL);
    return orb_fail(err, ORB_E_STATE, "not today");
}

TEST(what_an_init_that_fails_posted_is_not_called)
{
    static const struct orb_plugin failing = {ORB_PLUGIN_HEAD, .name = "t",
                                              .init = on_failing_init};
    struct fakehost h;
    struct fakeframe f;

    fakehost_start(&h, &failing);
    fakehost_welcome(&h, "", "");
    fakehost_expect(&h, FRAME_FAIL, &f);
    ck_assert_int_eq(fakehost_wait(&h), 1);
}
