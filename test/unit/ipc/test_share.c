/* Connections of one identity share the time of one: others wait as long for a user of sixty as for
 * a user of one. */
#include <unistd.h>

#include "core/ipc/broker_internal.h"
#include "core/ipc/peer_internal.h"
#include "test/unit/ipc/wire.h"

#define MANY 60

static struct wire kim[MANY];

/* Frames that take some time to look through. */
static void fill(struct wire *wire, int frames)
{
    AUTO_FREE char *text = buf_format("[\"%0*d\"]", 20000, 0);

    for (int i = 1; i <= frames; i++)
        wire_put(wire, (struct frame){.type = FRAME_OPEN, .corr = (uint32_t)i}, "{\"to\":\"x\"}",
                 text);
}

static void many(struct world *world, int frames)
{
    for (unsigned i = 0; i < MANY; i++)
        wire_user(world, &kim[i], "kim", "viewer");
    for (unsigned i = 0; i < MANY; i++)
        fill(&kim[i], frames);
}

/* HELLO is not counted. */
static unsigned seen_of(const struct wire *wire)
{
    return (unsigned)wire->peer->frames_in - 1;
}

TEST(a_user_with_many_connections_has_the_time_of_one)
{
    struct world world;
    struct wire lee;
    unsigned served = 0;

    world_init(&world);
    wire_user(&world, &lee, "lee", "viewer");
    many(&world, 3);
    fill(&lee, 1);
    world_turns(&world, 1);
    for (unsigned i = 0; i < MANY; i++)
        served += seen_of(&kim[i]) > 0;
    ck_assert_uint_gt(served, 0);
    ck_assert_uint_lt(served, MANY);
    ck_assert_uint_eq(seen_of(&lee), 1);
    world_fini(&world);
}

TEST(each_connection_is_served_before_one_is_again)
{
    struct world world;
    unsigned before[MANY] = {0}, turns[MANY] = {0}, left = MANY;

    world_init(&world);
    many(&world, 5);
    while (left) {
        unsigned least = UINT_MAX, most = 0;

        world_turns(&world, 1);
        left = 0;
        for (unsigned i = 0; i < MANY; i++) {
            turns[i] += seen_of(&kim[i]) != before[i];
            before[i] = seen_of(&kim[i]);
            if (before[i] == 5)
                continue;
            left++;
            least = turns[i] < least ? turns[i] : least;
            most = turns[i] > most ? turns[i] : most;
        }
        ck_assert_msg(!left || most - least <= 1, "one had %u turns, another one %u", most, least);
    }
    world_fini(&world);
}

TEST(what_was_sent_before_hanging_up_takes_no_more)
{
    struct world world;
    unsigned ended = 0, turns = 0;

    world_init(&world);
    many(&world, 1);
    world_turns(&world, 4 * MANY);
    for (unsigned i = 0; i < MANY; i++)
        fill(&kim[i], 4);
    for (unsigned i = 0; i < MANY; i++)
        wire_close(&kim[i]); /* with an answer unread: that is an error of the socket */
    for (; ended < MANY; turns++) {
        world_turns(&world, 1);
        ended = 0;
        for (unsigned i = 0; i < MANY; i++)
            ended += kim[i].closed;
        ck_assert(turns || ended < MANY);
    }
    ck_assert_uint_eq(world.broker->frames_in, MANY * (1 + 5));
    world_fini(&world);
}

static size_t queued(void)
{
    size_t n = 0;

    for (unsigned i = 0; i < MANY; i++)
        n += conn_queued(&kim[i].peer->conn);
    return n;
}

TEST(what_waits_for_all_connections_of_a_user_has_one_limit)
{
    struct world world;
    struct wire echo, lee;
    AUTO(got) struct got got = {0};
    AUTO_FREE char *huge = buf_format("{\"text\":\"%0*d\"}", 200000, 0);

    world_init(&world);
    wire_echo(&world, &echo);
    wire_user(&world, &lee, "lee", "viewer");
    many(&world, 0);
    for (unsigned i = 0; i < MANY; i++)
        wire_put(&kim[i], (struct frame){.type = FRAME_SUB, .corr = 1},
                 "{\"to\":\"echo\",\"topic\":\"tick\"}", NULL);
    wire_put(&lee, (struct frame){.type = FRAME_SUB, .corr = 1},
             "{\"to\":\"echo\",\"topic\":\"tick\"}", NULL);
    wire_expect(&lee, &got, FRAME_REP);
    for (unsigned i = 0; i < 40; i++) {
        wire_put(&echo, (struct frame){.type = FRAME_PUB}, "{\"topic\":\"tick\"}", huge);
        wire_expect(&lee, &got, FRAME_EVENT);
    }
    ck_assert_uint_gt(queued(), 12 << 20);
    ck_assert_uint_lt(queued(), (16 << 20) + MANY * (512 << 10));
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_int_eq(kim[i].closed, 0); /* for what others published */
    world_fini(&world);
}

TEST(a_user_asks_a_provider_over_many_connections_as_over_a_few)
{
    static const char env[] = "{\"to\":\"echo\",\"method\":\"say\"}";
    struct world world;
    struct wire echo, lee;
    AUTO(got) struct got got = {0};
    unsigned asked = 0;

    world_init(&world);
    wire_echo(&world, &echo);
    wire_user(&world, &lee, "lee", "viewer");
    many(&world, 0);
    for (unsigned i = 0; i < MANY; i++)
        for (uint32_t n = 1; n <= 20; n++)
            wire_put(&kim[i], (struct frame){.type = FRAME_REQ, .corr = n}, env,
                     "{\"text\":\"of kim\"}");
    world_turns(&world, 4 * MANY);
    wire_put(&lee, (struct frame){.type = FRAME_REQ, .corr = 1}, env, "{\"text\":\"of lee\"}");
    for (;;) {
        wire_get(&echo, &got);
        if (got.h.type == FRAME_REQ && strstr(got.payload, "of lee"))
            break;
        asked += got.h.type == FRAME_REQ;
    }
    ck_assert_uint_eq(asked, 256);
    world_fini(&world);
}
