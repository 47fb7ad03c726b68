/* core/ipc/rest.c, held.c, offload.c: a peer whose turns are long is not read for a while. */
#include "core/ipc/broker_internal.h"
#include "core/ipc/offload.h"
#include "core/ipc/session.h"
#include "test/unit/ipc/wire.h"

static const char costly_schema[] =
    "{\"interface\":\"costly\",\"version\":\"1.0\",\"methods\":{\"take\":{\"requires\":\"observe\","
    "\"input\":{\"$ref\":\"#/$defs/a0\"}},\"give\":{\"requires\":\"observe\",\"input\":{},"
    "\"output\":{\"$ref\":\"#/$defs/a0\"}},\"tell\":{\"requires\":\"observe\",\"input\":{},"
    "\"output\":{}}},\"events\":{\"news\":{\"requires\":\"observe\",\"payload\":{}}},\"$defs\":{"
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

static void set_as(struct scene *s, bool shipped)
{
    struct peer_spec spec = {.kind = PEER_SERVICE, .name = "costly", .shipped = shipped};

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

static void set(struct scene *s)
{
    set_as(s, false);
}

static void unset(struct scene *s)
{
    world_fini(&s->world);
    contract_free(s->contract);
    buf_fini(&s->big);
}

static void ask(struct scene *s, struct wire *wire)
{
    offload_hold(s->world.broker, true);
    wire_put(wire, (struct frame){.type = FRAME_REQ, .corr = 3},
             "{\"to\":\"costly\",\"method\":\"take\"}", buf_str(&s->big));
    while (!wire->peer->conn.blocked)
        world_turn(&s->world);
    offload_hold(s->world.broker, false);
    while (wire->peer->conn.blocked)
        uv_run(&s->world.loop, UV_RUN_NOWAIT); /* runs timers before it reads the result */
    ck_assert(wire->peer->conn.resting);
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
    ck_assert(kim.peer->conn.resting);
    wire_put(&kim, (struct frame){.type = FRAME_REQ, .corr = 4}, "{\"to\":\"absent\"}", "");
    wire_put(&lee, (struct frame){.type = FRAME_REQ, .corr = 5}, "{\"to\":\"absent\"}", "");
    wire_expect_err(&lee, 5, "not-found", "absent");
    wire_expect_err(&kim, 4, "not-found", "absent");
    ck_assert(!kim.peer->conn.resting);
    unset(&s);
}

TEST(a_large_value_is_checked_by_the_thread_and_frames_behind_it_keep_their_order)
{
    struct scene s;
    struct wire kim, lee;
    const char *took = "the value is too costly";

    set(&s);
    offload_hold(s.world.broker, true);
    wire_user(&s.world, &kim, "kim", "viewer");
    wire_user(&s.world, &lee, "lee", "viewer");
    wire_put(&kim, (struct frame){.type = FRAME_REQ, .corr = 3},
             "{\"to\":\"costly\",\"method\":\"take\"}", buf_str(&s.big));
    while (!kim.peer->conn.blocked)
        world_turn(&s.world);
    offload_hold(s.world.broker, false);
    wire_put(&kim, (struct frame){.type = FRAME_REQ, .corr = 4}, "{\"to\":\"absent\"}", "");
    wire_put(&lee, (struct frame){.type = FRAME_REQ, .corr = 5}, "{\"to\":\"absent\"}", "");
    wire_expect_err(&lee, 5, "not-found", "absent");
    wire_expect_err(&kim, 3, "limit", took);
    wire_expect_err(&kim, 4, "not-found", "absent");
    unset(&s);
}

/* Answers kim with the large value, which then waits for the thread. */
static void answer_big(struct scene *s, struct wire *kim)
{
    AUTO(got) struct got got = {0};

    wire_put(kim, (struct frame){.type = FRAME_REQ, .corr = 3},
             "{\"to\":\"costly\",\"method\":\"give\"}", "{}");
    wire_expect(&s->source, &got, FRAME_PEER);
    wire_expect(&s->source, &got, FRAME_REQ);
    offload_hold(s->world.broker, true);
    wire_put(&s->source, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL,
             buf_str(&s->big));
    while (!s->source.peer->checks)
        world_turn(&s->world);
}

static void let_check(struct scene *s)
{
    offload_hold(s->world.broker, false);
    while (s->source.peer->checks)
        uv_run(&s->world.loop, UV_RUN_NOWAIT);
}

TEST(who_asks_for_a_costly_answer_of_a_shipped_service_rests_and_the_service_does_not)
{
    for (int shipped = 0; shipped < 2; shipped++) {
        struct scene s;
        struct wire kim;

        set_as(&s, shipped);
        wire_user(&s.world, &kim, "kim", "viewer");
        answer_big(&s, &kim);
        let_check(&s);
        ck_assert_int_eq(s.source.peer->conn.resting, !shipped);
        ck_assert_int_eq(kim.peer->conn.resting, shipped);
        wire_expect_err(&kim, 3, "internal", "costly");
        unset(&s);
    }
}

/* The next answer of the source to lee, a small one. */
static void ask_small(struct scene *s, struct wire *lee, uint32_t corr)
{
    AUTO(got) struct got got = {0};

    wire_put(lee, (struct frame){.type = FRAME_REQ, .corr = corr},
             "{\"to\":\"costly\",\"method\":\"tell\"}", "{}");
    do
        wire_get(&s->source, &got);
    while (got.h.type != FRAME_REQ);
    wire_put(&s->source, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL, "{}");
}

TEST(while_an_answer_is_checked_others_get_theirs_and_events_keep_their_place)
{
    struct scene s;
    struct wire kim, lee;
    AUTO(got) struct got got = {0};

    set_as(&s, true);
    wire_user(&s.world, &kim, "kim", "viewer");
    wire_user(&s.world, &lee, "lee", "viewer");
    wire_put(&kim, (struct frame){.type = FRAME_SUB, .corr = 1},
             "{\"to\":\"costly\",\"topic\":\"news\"}", NULL);
    wire_expect(&kim, &got, FRAME_REP);
    answer_big(&s, &kim);
    ask_small(&s, &lee, 4);
    wire_expect(&lee, &got, FRAME_REP);
    wire_put(&s.source, (struct frame){.type = FRAME_PUB}, "{\"topic\":\"news\"}", "{}");
    while (!s.source.peer->conn.blocked)
        world_turn(&s.world);
    wire_quiet(&kim);
    let_check(&s);
    wire_expect_err(&kim, 3, "internal", "costly");
    wire_expect(&kim, &got, FRAME_EVENT);
    /* And it goes on. */
    ask_small(&s, &lee, 5);
    wire_expect(&lee, &got, FRAME_REP);
    ck_assert_uint_eq(got.h.corr, 5);
    unset(&s);
}

TEST(an_answer_counts_though_its_service_is_gone_when_it_is_checked)
{
    struct scene s;
    struct wire kim;

    set_as(&s, true);
    wire_user(&s.world, &kim, "kim", "viewer");
    answer_big(&s, &kim);
    wire_close(&s.source);
    while (!s.source.peer->conn.leaving)
        world_turn(&s.world);
    wire_quiet(&kim);
    offload_hold(s.world.broker, false);
    wire_expect_err(&kim, 3, "internal", "costly"); /* of the check, and not peer-gone */
    world_until(&s.world, &s.source.closed);
    unset(&s);
}

TEST(a_peer_may_leave_while_a_value_is_checked_and_what_it_sent_last_counts)
{
    struct scene s;
    struct wire kim, lee, echo;
    AUTO(got) struct got got = {0};

    set(&s);
    offload_hold(s.world.broker, true);
    wire_echo(&s.world, &echo);
    wire_user(&s.world, &kim, "kim", "viewer");
    wire_user(&s.world, &lee, "lee", "viewer");
    for (int i = 0; i < 2; i++)
        wire_put(i ? &lee : &kim, (struct frame){.type = FRAME_REQ, .corr = 3},
                 "{\"to\":\"costly\",\"method\":\"take\"}", buf_str(&s.big));
    while (!kim.peer->conn.blocked || !lee.peer->conn.blocked)
        world_turn(&s.world);
    offload_hold(s.world.broker, false);
    wire_put(&kim, (struct frame){.type = FRAME_REQ, .corr = 4},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"last\"}");
    wire_close(&kim);
    wire_expect(&echo, &got, FRAME_PEER);
    wire_expect(&echo, &got, FRAME_REQ);
    world_until(&s.world, &kim.closed);
    peer_close(lee.peer); /* by the host: the result is not waited for */
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
    rest_after_thread(first.peer, 4000000);
    uv_timer_start(&first.peer->rest, first.peer->rest.timer_cb, 60000,
                   0); /* the test may take long */
    rest_after_thread(third.peer, 4000000);
    one = uv_timer_get_due_in(&third.peer->rest);
    rest_after_thread(second.peer, 4000000);
    ck_assert_uint_ge(uv_timer_get_due_in(&second.peer->rest), 2 * one);
    /* Hanging up does not end it. */
    wire_close(&first);
    world_until(&s.world, &first.closed);
    wire_connect(&s.world, &first,
                 &(struct peer_spec){.kind = PEER_USER, .name = "kim", .role = "viewer"});
    ck_assert(first.peer->conn.resting);
    wire_connect(&s.world, &third, &(struct peer_spec){.kind = PEER_SERVICE, .name = "kim"});
    ck_assert(!third.peer->conn.resting);
    unset(&s);
}

/* ---- sessions ---- */

static struct principal *session(struct scene *s, const struct wire *front, const char *user)
{
    uint32_t id = 0;

    ck_assert_int_eq(
        session_open(s->world.broker, peer_id(front->peer), user, "viewer", 0, &id, NULL), 0);
    return principal_find(&s->world.broker->principals, id);
}

static void front_connect(struct scene *s, struct wire *front)
{
    static const char *const delegates[] = {"session.delegate", NULL};
    AUTO(got) struct got welcome = {0};

    wire_connect(
        &s->world, front,
        &(struct peer_spec){.kind = PEER_SERVICE, .name = "front", .capabilities = delegates});
    wire_hello(front);
}

static void ask_as(const struct principal *who, struct wire *front, uint32_t corr, const char *to,
                   const char *payload)
{
    AUTO_FREE char *env = buf_format("{\"to\":\"%s\",\"method\":\"take\"}", to);

    wire_put(front, (struct frame){.type = FRAME_REQ, .corr = corr, .src = who->id}, env, payload);
}

static void rests(struct scene *s, const struct principal *who)
{
    ck_assert_uint_gt(who->rest_until_ms, uv_now(&s->world.loop));
}

TEST(what_a_session_costs_is_its_users_to_pay_and_no_other_session_waits)
{
    struct scene s;
    struct wire front;
    struct principal *kim, *kim2, *lee;

    set(&s);
    front_connect(&s, &front);
    kim = session(&s, &front, "kim");
    kim2 = session(&s, &front, "kim");
    lee = session(&s, &front, "lee");
    ask_as(kim, &front, 3, "costly", buf_str(&s.big));
    wire_expect_err(&front, 3, "limit", "too costly");
    rests(&s, kim);
    rests(&s, kim2);
    rests(&s, session(&s, &front, "kim")); /* logging in anew does not help */
    ck_assert_uint_eq(lee->rest_until_ms, 0);
    kim->rest_until_ms = kim2->rest_until_ms = uv_now(&s.world.loop) + 200;
    ask_as(kim, &front, 4, "absent", "");
    ask_as(kim2, &front, 5, "absent", "");
    ask_as(kim, &front, 6, "absent2", "");
    ask_as(lee, &front, 7, "absent", "");
    wire_expect_err(&front, 7, "not-found", "absent");
    for (int i = 0; i < 3; i++) { /* kim's in their order, kim2's somewhere between */
        AUTO(got) struct got got = {0};

        wire_expect(&front, &got, FRAME_ERR);
        ck_assert_uint_ge(got.h.corr, 4);
        ck_assert_uint_le(got.h.corr, 6);
        ck_assert(got.h.corr != 6 || !kim->held);
    }
    ck_assert_uint_eq(kim->held_count + kim2->held_count, 0);
    ck_assert_uint_eq(kim->held_bytes, 0);
    unset(&s);
}

TEST(what_waits_for_a_session_has_a_limit_and_ends_with_it)
{
    struct scene s;
    struct wire front;
    struct principal *kim;

    set(&s);
    front_connect(&s, &front);
    kim = session(&s, &front, "kim");
    kim->rest_until_ms = uv_now(&s.world.loop) + 60000;
    for (uint32_t i = 0; i < 64; i++)
        ask_as(kim, &front, 10 + i, "absent", "");
    ask_as(kim, &front, 100, "absent", "");
    wire_expect_err(&front, 100, "busy", "take long");
    ck_assert_uint_eq(kim->held_count, 64);
    ck_assert_int_eq(session_close(s.world.broker, peer_id(front.peer), kim->id, NULL), 0);
    for (uint32_t i = 0; i < 64; i++)
        wire_expect_err(&front, 10 + i, "unauthenticated", "has ended");
    kim = session(&s, &front, "kim");
    kim->rest_until_ms = uv_now(&s.world.loop) + 60000;
    ask_as(kim, &front, 7, "costly", buf_str(&s.big));
    ask_as(kim, &front, 8, "costly", buf_str(&s.big));
    ask_as(kim, &front, 9, "costly", buf_str(&s.big));
    wire_expect_err(&front, 9, "busy", "take long");
    unset(&s); /* with two that wait */
}

TEST(a_request_that_waits_beyond_its_deadline_is_told_so)
{
    struct scene s;
    struct wire front;
    struct principal *kim;

    set(&s);
    front_connect(&s, &front);
    kim = session(&s, &front, "kim");
    kim->rest_until_ms = uv_now(&s.world.loop) + 100;
    wire_put(&front,
             (struct frame){.type = FRAME_REQ, .corr = 3, .src = kim->id, .deadline_ms = 20},
             "{\"to\":\"costly\",\"method\":\"take\"}", "{}");
    wire_expect_err(&front, 3, "deadline", "waited");
    unset(&s);
}
