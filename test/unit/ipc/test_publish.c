/* core/ipc/publish.c: events, gaps, state. */
#include "core/ipc/broker_internal.h"
#include "test/unit/ipc/wire.h"

static void subscribe_to(struct wire *wire, const char *interface, const char *topic)
{
    AUTO_FREE char *env = buf_format("{\"to\":\"%s\",\"topic\":\"%s\"}", interface, topic);
    AUTO(got) struct got got = {0};

    wire_put(wire, (struct frame){.type = FRAME_SUB, .corr = 77}, env, NULL);
    wire_expect(wire, &got, FRAME_REP);
    ck_assert_uint_eq(got.h.corr, 77);
}

static void subscribe(struct wire *wire, const char *topic)
{
    subscribe_to(wire, "echo", topic);
}

static void publish(struct wire *echo, const char *topic, const char *payload)
{
    AUTO_FREE char *env = buf_format("{\"topic\":\"%s\"}", topic);

    wire_put(echo, (struct frame){.type = FRAME_PUB}, env, payload);
}

/* The host has read that many frames since then, and checked the last one: large ones are checked
 * on a thread. */
static void taken(struct world *world, const struct wire *wire, uint64_t before, unsigned frames)
{
    while (wire->peer->frames_in < before + frames || wire->peer->conn.blocked)
        world_turn(world);
}

static void expect_event(struct wire *wire, const char *topic, const char *payload)
{
    AUTO_FREE char *env = buf_format("{\"from\":\"echo\",\"topic\":\"%s\"}", topic);
    AUTO(got) struct got got = {0};

    wire_expect(wire, &got, FRAME_EVENT);
    ck_assert_str_eq(got.env, env);
    ck_assert_str_eq(got.payload, payload);
}

TEST(an_event_reaches_all_who_asked_for_its_topic)
{
    static const char *const grants[] = {"ipc.subscribe:echo/*", NULL};
    struct world world;
    struct wire echo, all, one, none;

    world_init(&world);
    wire_echo(&world, &echo);
    wire_service(&world, &all, "all", grants);
    wire_user(&world, &one, "kim", "viewer");
    wire_user(&world, &none, "lee", "viewer");
    subscribe(&all, "*");
    subscribe(&one, "tick");
    publish(&echo, "tick", "{\"a\":1}");
    publish(&echo, "changed", "{\"n\":1}");
    publish(&echo, "tick", NULL);
    expect_event(&all, "tick", "{\"a\":1}");
    expect_event(&all, "changed", "{\"n\":1}");
    expect_event(&all, "tick", "{}");
    expect_event(&one, "tick", "{\"a\":1}");
    expect_event(&one, "tick", "{}");
    wire_quiet(&none);
    wire_put(&one, (struct frame){.type = FRAME_UNSUB, .corr = 3},
             "{\"to\":\"echo\",\"topic\":\"tick\"}", NULL);
    {
        AUTO(got) struct got got = {0};

        wire_expect(&one, &got, FRAME_REP);
    }
    publish(&echo, "tick", NULL);
    expect_event(&all, "tick", "{}");
    wire_quiet(&one);
    world_fini(&world);
}

TEST(the_last_value_of_a_state_is_told_to_a_new_subscriber)
{
    struct world world;
    struct wire echo, early, late, after;

    world_init(&world);
    wire_echo(&world, &echo);
    wire_user(&world, &early, "kim", "viewer");
    subscribe(&early, "changed");
    wire_quiet(&early);
    publish(&echo, "changed", "{\"n\":1}");
    publish(&echo, "changed", "{\"n\":2}");
    publish(&echo, "tick", "{}");
    expect_event(&early, "changed", "{\"n\":1}");
    expect_event(&early, "changed", "{\"n\":2}");
    wire_user(&world, &late, "lee", "viewer");
    subscribe(&late, "changed");
    expect_event(&late, "changed", "{\"n\":2}");
    wire_quiet(&late);
    /* the last value of a provider that ended is not replayed */
    wire_close(&echo);
    world_until(&world, &echo.closed);
    wire_echo(&world, &echo);
    wire_user(&world, &after, "moe", "viewer");
    subscribe(&after, "changed");
    wire_quiet(&after);
    publish(&echo, "changed", "{\"n\":3}");
    expect_event(&after, "changed", "{\"n\":3}");
    expect_event(&late, "changed", "{\"n\":3}");
    world_fini(&world);
}

TEST(refused_subscriptions_say_why)
{
    static const char *const some[] = {"ipc.subscribe:echo/tick", "ipc.subscribe:later/*", NULL};
    static const struct {
        const char *env, *code, *words;
    } rows[] = {
        {"{\"to\":\"echo\",\"topic\":\"changed\"}", "denied", "ipc.subscribe:echo/changed"},
        {"{\"to\":\"echo\",\"topic\":\"*\"}", "denied", "ipc.subscribe:echo/*"},
        {"{\"to\":\"echo\",\"topic\":\"tikc\"}", "denied", "ipc.subscribe:echo/tikc"},
        {"{\"to\":\"echo@2\",\"topic\":\"tick\"}", "version", "1.2"},
        {"{\"to\":\"other\",\"topic\":\"tick\"}", "denied", "ipc.subscribe:other/tick"},
        {"{\"to\":\"echo\"}", "invalid", "topic"},
        {NULL, "invalid", "topic"},
        {"{\"to\":", "syntax", "envelope of SUB"},
    };
    struct world world;
    struct wire echo, dns, viewer;

    world_init(&world);
    wire_echo(&world, &echo);
    wire_service(&world, &dns, "dns", some);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        wire_put(&dns, (struct frame){.type = FRAME_SUB, .corr = 5}, rows[i].env, NULL);
        wire_expect_err(&dns, 5, rows[i].code, rows[i].words);
    }
    wire_put(&dns, (struct frame){.type = FRAME_SUB, .corr = 6},
             "{\"to\":\"later\",\"topic\":\"x\"}", NULL);
    {
        AUTO(got) struct got got = {0};

        wire_expect(&dns, &got, FRAME_REP); /* granted, so it may wait for the provider */
    }
    wire_user(&world, &viewer, "kim", "viewer");
    wire_put(&viewer, (struct frame){.type = FRAME_SUB, .corr = 7},
             "{\"to\":\"echo\",\"topic\":\"vital\"}", NULL);
    wire_expect_err(&viewer, 7, "denied", "requires the role admin");
    wire_put(&viewer, (struct frame){.type = FRAME_UNSUB, .corr = 8},
             "{\"to\":\"echo\",\"topic\":\"vital\"}", NULL);
    wire_expect_err(&viewer, 8, "not-found", "is not subscribed to");
    world_fini(&world);
}

TEST(an_event_that_breaks_its_contract_reaches_no_subscriber)
{
    struct world world;
    struct wire echo, kim;

    world_init(&world);
    wire_echo(&world, &echo);
    wire_user(&world, &kim, "kim", "admin");
    subscribe(&kim, "*");
    publish(&echo, "changed", "{\"n\":\"x\"}");
    publish(&echo, "changed", "{\"n\":");
    publish(&echo, "nothing", "{}");
    wire_put(&echo, (struct frame){.type = FRAME_PUB, .corr = 4}, "{\"topic\":\"changed\"}", "{}");
    wire_expect_err(&echo, 4, "schema", "event echo/changed");
    wire_quiet(&kim);
    ck_assert_ptr_nonnull(strstr(buf_str(&world.log), "ipc.bad-event peer=echo"));
    world_fini(&world);
}

TEST(a_slow_subscriber_is_told_its_gap_and_costs_no_other)
{
    struct world world;
    struct wire echo, slow, fast;
    AUTO(buf) struct buf big = {0};
    AUTO(got) struct got got = {0};
    int sent = 80, seen = 0, lost = 0;

    world_init(&world);
    wire_echo(&world, &echo);
    wire_user(&world, &slow, "slow", "admin");
    wire_user(&world, &fast, "fast", "admin");
    subscribe(&slow, "*");
    subscribe(&fast, "*");
    publish(&echo, "changed", "{\"n\":5}");
    expect_event(&fast, "changed", "{\"n\":5}");
    buf_adds(&big, "{\"x\":\"");
    for (int i = 0; i < 200000; i++)
        buf_addc(&big, 'x');
    buf_adds(&big, "\"}");
    for (int i = 0; i < sent; i++) {
        publish(&echo, "tick", buf_str(&big));
        wire_expect(&fast, &got, FRAME_EVENT);
        ck_assert_uint_eq(got.len, big.len);
    }
    publish(&echo, "changed", "{\"n\":6}");
    expect_event(&fast, "changed", "{\"n\":6}");
    ck_assert_int_eq(slow.closed, 0);
    expect_event(&slow, "changed", "{\"n\":5}");
    for (;;) {
        wire_get(&slow, &got);
        if (got.h.type == FRAME_GAP)
            break;
        ck_assert_uint_eq(got.h.type, FRAME_EVENT);
        seen++;
    }
    ck_assert_int_eq(sscanf(got.payload, "{\"from\":\"echo\",\"topic\":\"*\",\"count\":%d}", &lost),
                     1);
    ck_assert_int_eq(seen + lost, sent + 1);
    ck_assert_int_gt(seen, 20);
    ck_assert_int_gt(lost, 20);
    expect_event(&slow, "changed", "{\"n\":6}"); /* the state after the gap */
    publish(&echo, "tick", "{}");
    expect_event(&slow, "tick", "{}");
    world_fini(&world);
}

/* A payload of about len bytes. */
static void fill(struct buf *to, size_t len)
{
    buf_adds(to, "{\"n\":1,\"x\":\"");
    while (to->len < len)
        buf_addc(to, 'x');
    buf_adds(to, "\"}");
}

TEST(who_misses_a_strict_event_loses_the_subscription_and_not_the_connection)
{
    struct world world;
    struct wire echo, slow;
    AUTO(buf) struct buf big = {0};
    AUTO(got) struct got got = {0};
    int seen = 0, lost = 0;

    world_init(&world);
    wire_echo(&world, &echo);
    wire_user(&world, &slow, "slow", "admin");
    subscribe(&slow, "vital");
    fill(&big, 200000);
    for (int i = 0; i < 60; i++) {
        uint64_t before = echo.peer->frames_in;

        publish(&echo, "vital", buf_str(&big));
        taken(&world, &echo, before, 1);
    }
    for (wire_get(&slow, &got); got.h.type == FRAME_EVENT; wire_get(&slow, &got))
        seen++;
    ck_assert_uint_eq(got.h.type, FRAME_GAP);
    ck_assert_int_eq(
        sscanf(got.payload, "{\"from\":\"echo\",\"topic\":\"vital\",\"count\":%d", &lost), 1);
    ck_assert_ptr_nonnull(strstr(got.payload, ",\"ended\":true}"));
    ck_assert_int_eq(seen + lost, 60);
    ck_assert_int_gt(lost, 0);
    publish(&echo, "vital", "{}");
    wire_quiet(&slow);
    ck_assert_int_eq(slow.closed, 0);
    subscribe(&slow, "vital");
    publish(&echo, "vital", "{}");
    expect_event(&slow, "vital", "{}");
    world_fini(&world);
}

static const char chart_schema[] =
    "{\"interface\":\"chart\",\"version\":\"1.0\",\"events\":{"
    "\"a\":{\"requires\":\"observe\",\"class\":\"state\",\"payload\":{}},"
    "\"b\":{\"requires\":\"observe\",\"class\":\"state\",\"payload\":{}},"
    "\"c\":{\"requires\":\"observe\",\"class\":\"state\",\"payload\":{}},"
    "\"d\":{\"requires\":\"observe\",\"class\":\"state\",\"payload\":{}},"
    "\"e\":{\"requires\":\"observe\",\"class\":\"state\",\"payload\":{}},"
    "\"moved\":{\"requires\":\"observe\",\"class\":\"state\",\"within\":{\"paths\":\"config.read\"}"
    ","
    "\"payload\":{}}}}";

static void chart(struct world *world, struct wire *wire, struct contract **ret_contract)
{
    struct peer_spec spec = {.kind = PEER_SERVICE, .name = "chart"};
    struct orb_err err;

    ck_assert_msg(contract_compile(chart_schema, strlen(chart_schema), ret_contract, &err) == 0,
                  "%s: %s", err.path, err.text);
    spec.contract = *ret_contract;
    wire_connect(world, wire, &spec);
    wire_hello(wire);
    peer_open(wire->peer);
}

TEST(the_last_values_of_an_interface_have_a_limit)
{
    struct world world;
    struct wire source;
    struct contract *contract;
    AUTO(buf) struct buf big = {0};

    world_init(&world);
    chart(&world, &source, &contract);
    fill(&big, 250000);
    for (const char *topic = "abcd"; *topic; topic++)
        publish(&source, (char[]){*topic, '\0'}, buf_str(&big));
    publish(&source, "a", buf_str(&big)); /* replaces its own */
    wire_quiet(&source);
    wire_put(&source, (struct frame){.type = FRAME_PUB, .corr = 4}, "{\"topic\":\"e\"}",
             buf_str(&big));
    wire_expect_err(&source, 4, "limit", "at most 1048576");
    world_fini(&world);
    contract_free(contract);
}

/* A subscriber that reads nothing is sent all interfaces there are again and again, and stays
 * connected. */
TEST(last_values_never_end_the_connection_of_a_subscriber)
{
    struct world world;
    struct wire source, slow;
    struct contract *contract;
    AUTO(buf) struct buf big = {0};
    AUTO(got) struct got got = {0};
    bool gap = false;
    uint64_t before;

    world_init(&world);
    chart(&world, &source, &contract);
    wire_user(&world, &slow, "slow", "admin");
    fill(&big, 250000);
    before = source.peer->frames_in;
    for (const char *topic = "abcd"; *topic; topic++)
        publish(&source, (char[]){*topic, '\0'}, buf_str(&big));
    taken(&world, &source, before, 4);
    for (int i = 0; i < 12; i++) { /* a megabyte each time */
        wire_put(&slow, (struct frame){.type = FRAME_SUB, .corr = 7},
                 "{\"to\":\"chart\",\"topic\":\"*\"}", "");
        if (i < 11)
            wire_put(&slow, (struct frame){.type = FRAME_UNSUB, .corr = 7},
                     "{\"to\":\"chart\",\"topic\":\"*\"}", "");
    }
    while (!slow.closed && slow.peer->frames_in < 24) /* HELLO and these, long turns have rests */
        world_turn(&world);
    ck_assert_int_eq(slow.closed, 0);
    for (int last = 0; !gap || last < 4;) { /* after the gap each last value once */
        wire_get(&slow, &got);
        ck_assert(got.h.type != FRAME_GAP || !gap);
        gap |= got.h.type == FRAME_GAP;
        last = got.h.type == FRAME_GAP ? 0 : last + (got.h.type == FRAME_EVENT);
    }
    wire_quiet(&slow);
    ck_assert_int_eq(slow.closed, 0);
    world_fini(&world);
    contract_free(contract);
}

static void expect_moved(struct wire *wire, const char *payload)
{
    AUTO(got) struct got got = {0};

    wire_expect(wire, &got, FRAME_EVENT);
    ck_assert_str_eq(got.payload, payload);
}

TEST(a_service_is_told_only_paths_it_was_granted)
{
    static const char *const some[] = {"ipc.subscribe:chart/moved", "config.read:/a/b",
                                       "config.read:/c/", NULL};
    static const char *const all[] = {"ipc.subscribe:chart/*", "config.read:/", NULL};
    static const char *const none[] = {"ipc.subscribe:chart/moved", NULL};
    static const char *const moved[] = {
        "{\"n\":1,\"paths\":[\"/a/b\",\"/a/bc\",\"/a/b/x\",\"/c\",\"/d\"]}",
        "{\"n\":2,\"paths\":[\"/a\"]}", "{\"n\":3,\"paths\":[\"\"]}"};
    static const char *const cut[] = {"{\"n\":1,\"paths\":[\"/a/b\",\"/a/b/x\",\"/c\"]}",
                                      "{\"n\":2,\"paths\":[\"/a/b\"]}",
                                      "{\"n\":3,\"paths\":[\"/a/b\",\"/c\"]}"};
    struct world world;
    struct wire source, viewer, of_some, of_all, of_none, late;
    struct contract *contract;

    world_init(&world);
    chart(&world, &source, &contract);
    wire_user(&world, &viewer, "kim", "viewer");
    wire_service(&world, &of_some, "some", some);
    wire_service(&world, &of_all, "all", all);
    wire_service(&world, &of_none, "none", none);
    subscribe_to(&viewer, "chart", "moved");
    subscribe_to(&of_some, "chart", "moved");
    subscribe_to(&of_all, "chart", "*");
    subscribe_to(&of_none, "chart", "moved");
    for (size_t i = 0; i < ARRAY_LEN(moved); i++) {
        publish(&source, "moved", moved[i]);
        expect_moved(&viewer, moved[i]);
        expect_moved(&of_all, moved[i]);
        expect_moved(&of_some, cut[i]);
    }
    expect_moved(&of_none, "{\"n\":1,\"paths\":[]}");
    /* The last value, too. */
    wire_service(&world, &late, "late", some);
    subscribe_to(&late, "chart", "moved");
    expect_moved(&late, cut[2]);
    world_fini(&world);
    contract_free(contract);
}
