/* Who pays: a peer is not lost, and not closed to others, because of what one keeps sending it. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "core/ipc/broker_internal.h"
#include "test/unit/ipc/wire.h"

static char big[3900];

static const char *say(void)
{
    snprintf(big, sizeof(big), "{\"text\":\"%0*d\"}", (int)sizeof(big) - 20, 0);
    return big;
}

/* Connects, sends 60 requests and disconnects. 1: an answer was busy. */
static int ask_and_leave(struct world *world, const char *name)
{
    static const char env[] = "{\"to\":\"echo\",\"method\":\"say\"}";
    struct wire user;
    AUTO(got) struct got got = {0};
    int busy;

    wire_user(world, &user, name, "viewer");
    for (uint32_t i = 1; i <= 60; i++)
        wire_put(&user, (struct frame){.type = FRAME_REQ, .corr = i}, env, say());
    wire_put(&user, (struct frame){.type = FRAME_REQ, .corr = 99}, "{\"to\":\"none\"}", NULL);
    wire_get(&user, &got); /* the broker has seen all of them */
    busy = strstr(got.env, "\"busy\"") != NULL;
    while (got.h.corr != 99)
        wire_get(&user, &got);
    wire_close(&user);
    world_until(world, &user.closed);
    return busy;
}

TEST(a_provider_that_is_busy_is_not_ended_by_who_asks_it)
{
    static const char *const names[] = {"kim", "lee", "max", "noa"};
    struct world world;
    struct wire echo;
    AUTO(got) struct got got = {0};
    unsigned seen[FRAME_APPLIED + 1] = {0};
    int busy = 0;

    world_init(&world);
    wire_echo(&world, &echo);
    for (unsigned i = 0; i < 400; i++)
        busy += ask_and_leave(&world, names[i % 4]);
    ck_assert_int_gt(busy, 300);
    ck_assert_int_eq(echo.closed, 0);
    /* No refused request is announced, cancelled or reported as ended. */
    peer_ping(echo.peer);
    do {
        wire_get(&echo, &got);
        seen[got.h.type]++;
    } while (got.h.type != FRAME_PING);
    ck_assert_uint_gt(seen[FRAME_REQ], 1000);
    ck_assert_uint_lt(seen[FRAME_PEER], 60);
    ck_assert_uint_eq(seen[FRAME_CANCEL], seen[FRAME_REQ]);
    ck_assert_uint_eq(seen[FRAME_GONE], seen[FRAME_PEER]);
    world_fini(&world);
    wire_close(&echo);
}

TEST(one_who_keeps_asking_leaves_others_their_part)
{
    struct world world;
    struct wire echo, lee;
    AUTO(got) struct got got = {0};
    unsigned left = 0;

    world_init(&world);
    wire_echo(&world, &echo);
    while (!ask_and_leave(&world, "kim"))
        ck_assert_uint_lt(++left, 40);
    ck_assert_uint_gt(left, 8);
    ck_assert_int_eq(ask_and_leave(&world, "kim"), 1); /* also over another connection */
    wire_user(&world, &lee, "lee", "viewer");
    wire_put(&lee, (struct frame){.type = FRAME_REQ, .corr = 1},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"of lee\"}");
    do
        wire_get(&echo, &got);
    while (!strstr(got.payload, "of lee"));
    /* What was read is no longer charged. */
    ck_assert_int_eq(ask_and_leave(&world, "kim"), 0);
    world_fini(&world);
    wire_close(&echo);
    wire_close(&lee);
}

/* Turns until the broker has read all that the wire sent: how much that is in one turn is a matter
 * of time. */
static void until_read(struct wire *wire)
{
    int unread;

    do {
        world_turns(wire->world, 1);
        ck_assert_int_eq(ioctl(wire->fd, SIOCOUTQ, &unread), 0);
    } while (unread || wire->peer->conn.blocked || wire->peer->conn.more || wire->peer->checks);
    world_turns(wire->world, 6);
}

TEST(unread_answers_become_errors_and_disconnect_no_peer)
{
    static const char *const may[] = {"ipc.call:echo/*", NULL};
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};
    AUTO_FREE char *huge = buf_format("{\"text\":\"%0*d\"}", 250000, 0);

    world_init(&world);
    wire_echo(&world, &echo);
    wire_service(&world, &caller, "caller", may);
    for (uint32_t i = 1; i <= 60; i++)
        wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = i, .deadline_ms = 60000},
                 "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"x\"}");
    wire_expect(&echo, &got, FRAME_PEER);
    for (uint32_t i = 1; i <= 60; i++) {
        wire_expect(&echo, &got, FRAME_REQ);
        wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL, huge);
        until_read(&echo);
    }
    ck_assert_int_eq(caller.closed, 0);
    for (uint32_t i = 1; i <= 60; i++) {
        wire_get(&caller, &got);
        ck_assert_msg(got.h.type == FRAME_REP || strstr(got.env, "does not read"), "%u: %s", i,
                      got.env);
    }
    ck_assert_int_eq(got.h.type, FRAME_ERR);
    world_fini(&world);
    wire_close(&echo);
    wire_close(&caller);
}

static void sub(struct wire *wire, enum frame_type type, unsigned n)
{
    AUTO_FREE char *env = buf_format("{\"to\":\"service.n%u\",\"topic\":\"x\"}", n);

    wire_put(wire, (struct frame){.type = type, .corr = 5}, env, NULL);
}

TEST(interfaces_without_a_provider_are_freed_with_their_subscriptions)
{
    static const char *const may[] = {"ipc.subscribe:service.*/x", NULL};
    struct world world;
    struct wire wire, other;
    AUTO(got) struct got got = {0};
    AUTO(buf) struct buf list = {0};

    world_init(&world);
    wire_service(&world, &wire, "loud", may);
    for (unsigned n = 0; n < 3000; n++) {
        sub(&wire, FRAME_SUB, n);
        wire_expect(&wire, &got, FRAME_REP);
        sub(&wire, FRAME_UNSUB, n);
        wire_expect(&wire, &got, FRAME_REP);
    }
    for (unsigned n = 0; n < 16; n++) {
        sub(&wire, FRAME_SUB, n);
        wire_expect(&wire, &got, FRAME_REP);
    }
    sub(&wire, FRAME_SUB, 16);
    wire_expect_err(&wire, 5, "limit", "waits for 16 interfaces");
    sub(&wire, FRAME_SUB, 3); /* again what it has */
    wire_expect(&wire, &got, FRAME_REP);
    wire_close(&wire);
    wire_service(&world, &other, "other", may);
    sub(&other, FRAME_UNSUB, 3);
    wire_expect_err(&other, 5, "not-found", "is not subscribed to");
    for (unsigned n = 0; n < 16; n++) {
        sub(&other, FRAME_SUB, n);
        wire_expect(&other, &got, FRAME_REP);
    }
    world_fini(&world);
    wire_close(&other);
}

TEST(a_peer_that_waits_for_an_interface_is_told_and_it_stays)
{
    static const char *const may[] = {"ipc.subscribe:echo/*", NULL};
    struct world world;
    struct wire wire, echo;
    AUTO(got) struct got got = {0};

    world_init(&world);
    wire_service(&world, &wire, "early", may);
    wire_put(&wire, (struct frame){.type = FRAME_SUB, .corr = 5},
             "{\"to\":\"echo\",\"topic\":\"tick\"}", NULL);
    wire_expect(&wire, &got, FRAME_REP);
    wire_echo(&world, &echo);
    wire_put(&echo, (struct frame){.type = FRAME_PUB}, "{\"topic\":\"tick\"}", "{}");
    wire_expect(&wire, &got, FRAME_EVENT);
    wire_put(&wire, (struct frame){.type = FRAME_UNSUB, .corr = 5},
             "{\"to\":\"echo\",\"topic\":\"tick\"}", NULL);
    wire_expect(&wire, &got, FRAME_REP);
    wire_put(&echo, (struct frame){.type = FRAME_PUB}, "{\"topic\":\"tick\"}", "{}");
    wire_quiet(&wire);
    world_fini(&world);
    wire_close(&wire);
    wire_close(&echo);
}

/* How often kim may ask 60 times until the queue of the provider holds enough of kim. */
static unsigned rounds_until_busy(size_t queue_bytes)
{
    struct world world;
    struct wire echo;
    unsigned rounds = 0;

    world_init(&world);
    wire_echo(&world, &echo);
    peer_limit(echo.peer, queue_bytes, 0);
    while (!ask_and_leave(&world, "kim"))
        ck_assert_uint_lt(++rounds, 200);
    ck_assert_int_eq(echo.closed, 0);
    world_fini(&world);
    wire_close(&echo);
    return rounds;
}

TEST(a_queue_is_as_long_as_its_limit)
{
    unsigned usual = rounds_until_busy(0);

    ck_assert_uint_lt(rounds_until_busy(4 << 20), usual);
    ck_assert_uint_gt(rounds_until_busy(32 << 20), 2 * usual);
}

TEST(a_peer_has_as_many_requests_in_flight_as_its_limit_allows)
{
    static const char env[] = "{\"to\":\"echo\",\"method\":\"say\"}";
    struct world world;
    struct wire echo, kim;
    AUTO(got) struct got got = {0};

    world_init(&world);
    wire_echo(&world, &echo);
    wire_user(&world, &kim, "kim", "viewer");
    peer_limit(kim.peer, 0, 2);
    for (uint32_t i = 1; i <= 3; i++)
        wire_put(&kim, (struct frame){.type = FRAME_REQ, .corr = i}, env, "{\"text\":\"x\"}");
    wire_expect_err(&kim, 3, "busy", "2 requests in flight; at most 2");
    wire_expect(&echo, &got, FRAME_PEER);
    wire_expect(&echo, &got, FRAME_REQ);
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL,
             "{\"text\":\"x\"}");
    wire_expect(&kim, &got, FRAME_REP);
    wire_put(&kim, (struct frame){.type = FRAME_REQ, .corr = 4}, env, "{\"text\":\"x\"}");
    wire_expect(&echo, &got, FRAME_REQ);
    wire_expect(&echo, &got, FRAME_REQ); /* the fourth */
    world_fini(&world);
}
