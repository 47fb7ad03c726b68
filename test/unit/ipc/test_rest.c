/* core/ipc/rest.c: a peer whose turns are long is not read for a while. */
#include "core/ipc/room.h"
#include "test/unit/ipc/wire.h"

static const char costly_schema[] =
    "{\"interface\":\"costly\",\"version\":\"1.0\",\"methods\":{\"take\":{\"requires\":\"observe\","
    "\"input\":{\"$ref\":\"#/$defs/a0\"}}},\"$defs\":{"
    "\"a0\":{\"anyOf\":[{\"$ref\":\"#/$defs/a1\"},{\"$ref\":\"#/$defs/a1\"},{\"$ref\":\"#/$defs/"
    "a1\"}]},"
    "\"a1\":{\"anyOf\":[{\"$ref\":\"#/$defs/a2\"},{\"$ref\":\"#/$defs/a2\"},{\"$ref\":\"#/$defs/"
    "a2\"}]},"
    "\"a2\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"array\",\"items\":{\"type\":"
    "\"integer\"}}},\"required\":[\"no\"]}}}";

struct scene {
    struct world world;
    struct wire source, idle;
    struct contract *contract;
    struct buf big; /* costs some milliseconds to refuse */
};

static void set(struct scene *s)
{
    struct peer_spec spec = {.kind = PEER_SERVICE, .name = "costly"};

    memset(s, 0, sizeof(*s));
    world_init(&s->world);
    ck_assert_int_eq(contract_compile(costly_schema, strlen(costly_schema), &s->contract, NULL), 0);
    spec.contract = s->contract;
    wire_connect(&s->world, &s->source, &spec);
    wire_hello(&s->source);
    peer_open(s->source.peer);
    buf_adds(&s->big, "{\"x\":[1");
    while (s->big.len < 240000)
        buf_adds(&s->big, ",1");
    buf_adds(&s->big, "]}");
}

static void unset(struct scene *s)
{
    world_fini(&s->world);
    contract_free(s->contract);
    buf_fini(&s->big);
}

static void ask(struct scene *s, struct wire *wire)
{
    wire_put(wire, (struct frame){.type = FRAME_REQ, .corr = 3},
             "{\"to\":\"costly\",\"method\":\"take\"}", buf_str(&s->big));
    for (int i = 0; !wire->peer->resting && i < 5000; i++)
        uv_run(&s->world.loop, UV_RUN_NOWAIT);
    ck_assert(wire->peer->resting);
}

TEST(a_long_turn_is_followed_by_a_rest_in_which_answers_come_and_others_are_read)
{
    struct scene s;
    struct wire kim, lee;
    AUTO(got) struct got got = {0};
    uint64_t due;

    set(&s);
    wire_user(&s.world, &kim, "kim", "viewer");
    wire_user(&s.world, &lee, "lee", "viewer");
    ask(&s, &kim);
    due = uv_timer_get_due_in(&kim.peer->rest);
    ck_assert_uint_ge(due, 15); /* 15 times 2 ms, of which some passed */
    wire_expect(&kim, &got, FRAME_ERR);
    ck_assert(kim.peer->resting);
    wire_put(&kim, (struct frame){.type = FRAME_REQ, .corr = 4}, "{\"to\":\"nobody\"}", "");
    wire_put(&lee, (struct frame){.type = FRAME_REQ, .corr = 5}, "{\"to\":\"nobody\"}", "");
    wire_expect_err(&lee, 5, "not-found", "nobody");
    wire_expect_err(&kim, 4, "not-found", "nobody");
    ck_assert(!kim.peer->resting);
    unset(&s);
}

TEST(more_connections_are_no_more_time)
{
    struct scene s;
    struct wire first, second, third;
    uint64_t one;

    set(&s);
    wire_user(&s.world, &first, "kim", "viewer");
    wire_user(&s.world, &second, "kim", "viewer");
    wire_user(&s.world, &third, "lee", "viewer");
    ask(&s, &first);
    ask(&s, &third);
    one = uv_timer_get_due_in(&third.peer->rest);
    uv_timer_start(&first.peer->rest, first.peer->rest.timer_cb, 60000,
                   0); /* the test may take long */
    ask(&s, &second);
    ck_assert_uint_gt(uv_timer_get_due_in(&second.peer->rest), one + one / 4);
    /* Hanging up does not end it. */
    wire_close(&first);
    world_until(&s.world, &first.closed);
    wire_connect(&s.world, &first,
                 &(struct peer_spec){.kind = PEER_USER, .name = "kim", .role = "viewer"});
    ck_assert(first.peer->resting);
    wire_connect(&s.world, &third, &(struct peer_spec){.kind = PEER_SERVICE, .name = "kim"});
    ck_assert(!third.peer->resting);
    unset(&s);
}
