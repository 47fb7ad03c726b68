/* core/worker/sdk_queue.c: requests of several identities that wait for a package, in turns. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test/lib/harness.h"
#include "test/unit/worker/fakehost.h"

#define MANY 60u
#define CONFIG 7u /* peers of fakehost_welcome() */
#define EVE 9u
#define BOB 10u
#define EVE_TOO 11u

static void compute_ms(unsigned ms)
{
    struct timespec t;
    long long end;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    end = t.tv_sec * 1000000000LL + t.tv_nsec + ms * 1000000LL;
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while (t.tv_sec * 1000000000LL + t.tv_nsec < end);
}

/* Longer than the SDK handles frames in a turn (SDK_DELIVER_US). */
static int on_work(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    compute_ms(12);
    ++*(unsigned *)orb_user(ctx);
    orb_reply(req, NULL);
    return 0;
}

static int on_count(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    cJSON *out = cJSON_CreateObject();

    cJSON_AddNumberToObject(out, "done", *(unsigned *)orb_user(ctx));
    orb_reply(req, out);
    return 0;
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    orb_set_user(ctx, calloc(1, sizeof(unsigned)));
    return 0;
}

static void on_stop(struct orb_ctx *ctx)
{
    free(orb_user(ctx));
}

static const struct orb_method methods[] = {{"work", on_work, 0}, {"count", on_count, 0}, {0}};
static const struct orb_plugin plugin = {ORB_PLUGIN_HEAD, .name = "t", .methods = methods,
                                         .init = on_init, .stop = on_stop};

enum { WORK = 1, COUNT };

static void ask(struct fakehost *h, uint32_t method, uint32_t corr, uint32_t peer)
{
    fakehost_send(h, FRAME_REQ, method, corr, peer, 60000, NULL, "{}");
}

static void peer(struct fakehost *h, const char *json)
{
    fakehost_send(h, FRAME_PEER, 0, 0, 0, 0, NULL, json);
}

/* The worker does not run until go(): all frames are there when it handles the first one. */
static void start(struct fakehost *h)
{
    fakehost_start(h, &plugin);
    fakehost_welcome(h, "\"t/work\",\"t/count\"", "");
    fakehost_ready(h);
    peer(h, "{\"id\":10,\"kind\":\"user\",\"name\":\"bob\",\"role\":\"viewer\"}");
    peer(h, "{\"id\":11,\"kind\":\"user\",\"name\":\"eve\",\"role\":\"operator\"}");
    kill(h->pid, SIGSTOP);
}

static void go(struct fakehost *h)
{
    kill(h->pid, SIGCONT);
}

/* Numbers of the next `count` answers. */
static void answers(struct fakehost *h, uint32_t *ret_corr, unsigned count)
{
    struct fakeframe f;

    for (unsigned i = 0; i < count; i++) {
        fakehost_until(h, FRAME_REP, &f);
        ret_corr[i] = f.head.corr;
    }
}

static unsigned place_of(const uint32_t *corr, unsigned count, uint32_t wanted)
{
    unsigned i = 0;

    while (i < count && corr[i] != wanted)
        i++;
    return i;
}

TEST(a_user_with_many_requests_delays_anothers_by_one_of_them)
{
    uint32_t corr[MANY + 2];
    struct fakehost h;

    start(&h);
    for (unsigned i = 0; i < MANY; i++)
        ask(&h, WORK, 100 + i, i % 2 ? EVE : EVE_TOO);
    ask(&h, WORK, 50, BOB);
    ask(&h, WORK, 51, BOB);
    go(&h);
    answers(&h, corr, MANY + 2);
    ck_assert_uint_le(place_of(corr, MANY + 2, 50), 2);
    ck_assert_uint_le(place_of(corr, MANY + 2, 51), 4);
    for (unsigned i = 0, at = 0; i < MANY; i++) { /* eve's in their order, over her sessions */
        unsigned next = place_of(corr, MANY + 2, 100 + i);

        ck_assert_uint_ge(next, at);
        at = next;
    }
    fakehost_stop(&h);
}

TEST(frames_about_requests_do_not_wait_behind_them)
{
    uint32_t corr[3];
    struct fakeframe f;
    struct fakehost h;

    start(&h);
    for (unsigned i = 0; i < MANY; i++)
        ask(&h, WORK, 100 + i, EVE);
    for (unsigned i = 2; i < MANY; i++) /* the package never sees these */
        fakehost_send(&h, FRAME_CANCEL, 0, 100 + i, 0, 0, NULL, NULL);
    ask(&h, COUNT, 50, EVE);
    go(&h);
    answers(&h, corr, 2);
    fakehost_expect(&h, FRAME_REP, &f);
    ck_assert_uint_eq(f.head.corr, 50);
    ck_assert_str_eq(f.payload, "{\"done\":2}");
    fakehost_stop(&h);
}

TEST(requests_of_a_peer_that_left_are_not_handled)
{
    struct fakeframe f;
    struct fakehost h;

    start(&h);
    for (unsigned i = 0; i < MANY; i++)
        ask(&h, WORK, 100 + i, EVE);
    ask(&h, COUNT, 50, BOB);
    fakehost_send(&h, FRAME_GONE, 0, 0, EVE, 0, NULL, NULL);
    go(&h);
    do
        fakehost_until(&h, FRAME_REP, &f);
    while (f.head.corr != 50);
    ask(&h, COUNT, 51, BOB);
    fakehost_expect(&h, FRAME_REP, &f);
    ck_assert_uint_eq(f.head.corr, 51);
    ck_assert_msg(!strcmp(f.payload, "{\"done\":1}") || !strcmp(f.payload, "{\"done\":2}"), "%s",
                  f.payload);
    fakehost_stop(&h);
}

TEST(what_came_before_stop_is_answered)
{
    uint32_t corr[10];
    struct fakehost h;

    start(&h);
    for (unsigned i = 0; i < 10; i++)
        ask(&h, WORK, 100 + i, i % 2 ? EVE : BOB);
    fakehost_send(&h, FRAME_STOP, 0, 0, 0, 0, NULL, NULL);
    go(&h);
    answers(&h, corr, 10);
    ck_assert_int_eq(fakehost_wait(&h), 0);
}
