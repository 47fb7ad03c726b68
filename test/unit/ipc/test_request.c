/* core/ipc/request.c, pending.c: calls and answers between real connections. */
#include "core/ipc/introspect.h"
#include "test/unit/ipc/clock.h"
#include "test/unit/ipc/wire.h"

static const char *const call_echo[] = {"ipc.call:echo/*", NULL};

/* echo and a service "caller" that may call it. */
static void pair(struct world *world, struct wire *echo, struct wire *caller)
{
    world_init(world);
    wire_echo(world, echo);
    wire_service(world, caller, "caller", call_echo);
}

static void end(struct world *world, struct wire *echo, struct wire *caller)
{
    world_fini(world);
    wire_close(echo);
    wire_close(caller);
}

static uint32_t open_say(struct wire *caller)
{
    AUTO(got) struct got got = {0};

    wire_put(caller, (struct frame){.type = FRAME_OPEN, .corr = 7},
             "{\"to\":\"echo@1.1\",\"method\":\"say\"}", NULL);
    wire_expect(caller, &got, FRAME_OPENED);
    ck_assert_uint_eq(got.h.corr, 7);
    ck_assert_uint_ne(got.h.handle, 0);
    return got.h.handle;
}

TEST(a_request_reaches_its_provider_and_the_reply_its_caller)
{
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};
    uint32_t handle;

    pair(&world, &echo, &caller);
    handle = open_say(&caller);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 99, .handle = handle}, NULL,
             "{\"text\":\"hi\"}");
    wire_expect(&echo, &got, FRAME_PEER);
    ck_assert_ptr_nonnull(strstr(got.payload, "\"kind\":\"service\",\"name\":\"caller\""));
    ck_assert_ptr_nonnull(strstr(got.payload, "\"grants\":[\"ipc.call:echo/"));
    ck_assert_ptr_nonnull(strstr(got.payload, "\"opened-us\":"));
    ck_assert_uint_eq(got.h.src, peer_id(caller.peer));
    wire_expect(&echo, &got, FRAME_REQ);
    ck_assert_str_eq(got.payload, "{\"text\":\"hi\"}");
    ck_assert_uint_eq(got.h.src, peer_id(caller.peer));
    ck_assert_uint_eq(got.h.handle, 2); /* act, say, secret, set */
    ck_assert_uint_eq(got.h.deadline_ms, 5000);
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL,
             "{\"text\":\"ho\"}");
    wire_expect(&caller, &got, FRAME_REP);
    ck_assert_uint_eq(got.h.corr, 99);
    ck_assert_uint_eq(got.h.src, 0);
    ck_assert_str_eq(got.payload, "{\"text\":\"ho\"}");
    ck_assert_int_eq(echo.answered, 1); /* a sign of life */
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL, "{}");
    world_turns(&world, 3);
    ck_assert_int_eq(echo.answered, 1); /* to no request that waits: none */
    end(&world, &echo, &caller);
}

TEST(an_envelope_addresses_without_a_handle_and_its_trace_arrives)
{
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};

    pair(&world, &echo, &caller);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 5, .deadline_ms = 9999999},
             "{\"to\":\"echo\",\"method\":\"set\",\"trace\":\"00-1-2-00\"}", NULL);
    wire_expect(&echo, &got, FRAME_PEER);
    wire_expect(&echo, &got, FRAME_REQ);
    ck_assert_ptr_nonnull(strstr(got.env, "00-1-2-00"));
    ck_assert_uint_eq(got.h.deadline_ms, 600000);
    ck_assert_uint_eq(got.len, 0);
    wire_put(&echo, (struct frame){.type = FRAME_ERR, .corr = got.h.corr},
             "{\"err\":{\"code\":\"state\",\"text\":\"not now\",\"path\":\"/a\"}}", NULL);
    wire_expect_err(&caller, 5, "state", "not now");
    end(&world, &echo, &caller);
}

TEST(refused_calls_say_why)
{
    static const struct {
        const char *env, *payload, *code, *words;
    } rows[] = {
        {"{\"to\":\"ecko\",\"method\":\"say\"}", "{}", "denied", "ipc.call:ecko/say"},
        {"{\"to\":\"weather\",\"method\":\"say\"}", "{}", "denied", "ipc.call:weather/say"},
        {"{\"to\":\"echo\",\"method\":\"sya\"}", "{}", "not-found", "did you mean say"},
        {"{\"to\":\"echo\",\"method\":\"xxxxxxxx\"}", "{}", "not-found", "act, say, secret, set"},
        {"{\"to\":\"echo@2\",\"method\":\"say\"}", "{}", "version", "echo is version 1.2"},
        {"{\"to\":\"echo@1.3\",\"method\":\"say\"}", "{}", "version", "at least 3"},
        {"{\"to\":\"echo@one\",\"method\":\"say\"}", "{}", "invalid", "interface@MAJOR"},
        {"{\"to\":7,\"method\":\"say\"}", "{}", "invalid", "\\\"to\\\""},
        {"{\"method\":\"say\"}", "{}", "invalid", "missing"},
        {"{\"to\":\"echo\",\"method\":\"say\"}", "{}", "schema", "text"},
        {"{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":1}", "schema", "/text"},
        {"{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\",\"times\":10}", "schema",
         "/times"},
        {"{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\",\"tmies\":1}", "schema", "times"},
        {"{\"to\":\"echo\",\"method\":\"act\"}", "{\"x\":1}", "schema", "x"},
        {"{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\",\"text\":\"b\"}", "syntax",
         "text"},
        {"{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"\xff\"}", "syntax", "byte"},
        {"{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"\\u0000\"}", "syntax", "u0000"},
        {"{\"to\":\"echo\",\"method\":\"say\"}", "{} {}", "syntax", ""},
        {"{\"to\":\"echo\"", "{}", "syntax", ""},
        {"[1]", "{}", "invalid", ""},
    };
    struct world world;
    struct wire echo, caller;

    pair(&world, &echo, &caller);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 100 + (uint32_t)i}, rows[i].env,
                 rows[i].payload);
        wire_expect_err(&caller, 100 + (uint32_t)i, rows[i].code, rows[i].words);
    }
    end(&world, &echo, &caller);
}

TEST(a_wrong_output_is_an_internal_error_that_names_the_provider)
{
    static const char *const outputs[] = {"{\"text\":1}", "{\"other\":1}", "[]", "{\"text\":"};
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};

    pair(&world, &echo, &caller);
    for (size_t i = 0; i < ARRAY_LEN(outputs); i++) {
        wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 3},
                 "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\"}");
        wire_get(&echo, &got);
        if (got.h.type == FRAME_PEER)
            wire_expect(&echo, &got, FRAME_REQ);
        wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL, outputs[i]);
        wire_expect_err(&caller, 3, "internal", "service echo answered echo/say");
    }
    ck_assert_ptr_nonnull(strstr(buf_str(&world.log), "ipc.bad-output peer=echo"));
    end(&world, &echo, &caller);
}

TEST(the_caller_gets_deadline_and_the_provider_cancel)
{
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};
    uint32_t corr;

    clock_simulate();
    pair(&world, &echo, &caller);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 1, .deadline_ms = 500},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"slow\"}");
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 2, .deadline_ms = 20},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"fast\"}");
    wire_expect(&echo, &got, FRAME_PEER);
    wire_expect(&echo, &got, FRAME_REQ);
    wire_expect(&echo, &got, FRAME_REQ);
    corr = got.h.corr;
    wire_expect_err(&caller, 2, "deadline", "echo did not answer say within 0.02 s");
    wire_expect(&echo, &got, FRAME_CANCEL);
    ck_assert_uint_eq(got.h.corr, corr);
    /* the late answer is dropped */
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = corr}, NULL, "{}");
    wire_expect_err(&caller, 1, "deadline", "");
    wire_quiet(&caller);
    end(&world, &echo, &caller);
}

TEST(progress_puts_off_the_deadline_of_methods_that_have_it)
{
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};

    clock_simulate();
    pair(&world, &echo, &caller);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 1, .deadline_ms = 500},
             "{\"to\":\"echo\",\"method\":\"work\"}", NULL);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 2, .deadline_ms = 250},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"clock\"}");
    wire_expect_err(&caller, 2, "deadline", "did not answer say within 0.25 s");
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 3, .deadline_ms = 300},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"has no progress\"}");
    wire_put(&echo, (struct frame){.type = FRAME_PROGRESS}, NULL, NULL);
    wire_expect(&caller, &got, FRAME_PROGRESS);
    ck_assert_uint_eq(got.h.corr, 1);
    ck_assert_uint_ge(got.h.deadline_ms, 1);
    ck_assert_uint_le(got.h.deadline_ms, 500);
    wire_expect_err(&caller, 3, "deadline", "did not answer say within 0.3 s");
    wire_expect_err(&caller, 1, "deadline",
                    "did not answer work within 0.5 s of reported progress");
    end(&world, &echo, &caller);
}

TEST(progress_of_one_request_is_passed_to_its_caller_and_puts_off_its_deadline_alone)
{
    static const char step[] = "{\"phase\":\"counting\",\"percent\":40}";
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};
    uint32_t corr[2];

    clock_simulate();
    pair(&world, &echo, &caller);
    for (uint32_t i = 0; i < 2; i++)
        wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 1 + i, .deadline_ms = 300},
                 "{\"to\":\"echo\",\"method\":\"work\"}", NULL);
    wire_expect(&echo, &got, FRAME_PEER);
    for (unsigned i = 0; i < 2; i++) {
        wire_expect(&echo, &got, FRAME_REQ);
        corr[i] = got.h.corr;
    }
    clock_pass(200);
    /* Of these four the caller gets one: the others say nothing, say it wrongly, or come too soon.
     */
    wire_put(&echo, (struct frame){.type = FRAME_PROGRESS, .corr = 4711}, NULL, step);
    wire_put(&echo, (struct frame){.type = FRAME_PROGRESS, .corr = corr[0]}, NULL,
             "{\"percent\":101}");
    wire_put(&echo, (struct frame){.type = FRAME_PROGRESS, .corr = corr[0]}, NULL, step);
    wire_put(&echo, (struct frame){.type = FRAME_PROGRESS, .corr = corr[0]}, NULL,
             "{\"phase\":\"too soon\"}");
    wire_expect(&caller, &got, FRAME_PROGRESS);
    ck_assert_uint_eq(got.h.corr, 1);
    ck_assert_str_eq(got.payload, step);
    wire_expect(&caller, &got, FRAME_PROGRESS); /* the deadline of the first was put off */
    ck_assert_uint_eq(got.h.corr, 1);
    wire_expect_err(&caller, 2, "deadline", "did not answer work within 0.3 s");
    wire_expect_err(&caller, 1, "deadline", "of reported progress");
    end(&world, &echo, &caller);
}

TEST(progress_that_is_older_than_the_deadline_puts_nothing_off)
{
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};

    clock_simulate();
    pair(&world, &echo, &caller);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 1, .deadline_ms = 100},
             "{\"to\":\"echo\",\"method\":\"work\"}", NULL);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 2},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"clock\"}");
    wire_expect(&echo, &got, FRAME_PEER);
    wire_expect(&echo, &got, FRAME_REQ);
    wire_expect(&echo, &got, FRAME_REQ);
    wire_put(&echo, (struct frame){.type = FRAME_PROGRESS}, NULL, NULL);
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL, "{}");
    wire_expect(&caller, &got, FRAME_REP); /* the loop has read both */
    clock_pass(250);                       /* the loop does not run */
    wire_expect_err(&caller, 1, "deadline", "did not answer work within 0.1 s");
    end(&world, &echo, &caller);
}

TEST(progress_does_not_put_off_a_deadline_for_ever)
{
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};
    unsigned put_off = 0;

    clock_simulate();
    pair(&world, &echo, &caller);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 1, .deadline_ms = 250},
             "{\"to\":\"echo\",\"method\":\"work\"}", NULL);
    do { /* requests that run into their deadline are the clock */
        if (got.h.corr != 1)
            wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 2, .deadline_ms = 50},
                     "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"clock\"}");
        wire_get(&caller, &got);
        put_off += got.h.type == FRAME_PROGRESS;
        wire_put(&echo, (struct frame){.type = FRAME_PROGRESS}, NULL, NULL);
    } while (got.h.type != FRAME_ERR || got.h.corr != 1);
    ck_assert_uint_ge(put_off, 2);
    ck_assert_msg(strstr(got.env, "was still at work after 2") != NULL, "%s", got.env);
    end(&world, &echo, &caller);
}

TEST(a_provider_that_dies_answers_all_its_callers_with_peer_gone)
{
    struct world world;
    struct wire echo, caller, again;
    AUTO(got) struct got got = {0};
    uint32_t handle;

    pair(&world, &echo, &caller);
    handle = open_say(&caller);
    for (uint32_t i = 0; i < 10; i++)
        wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = i, .handle = handle}, NULL,
                 "{\"text\":\"a\"}");
    wire_expect(&echo, &got, FRAME_PEER);
    for (int i = 0; i < 10; i++) /* it dies once it has all of them, however many a turn takes */
        wire_expect(&echo, &got, FRAME_REQ);
    wire_close(&echo);
    for (int i = 0; i < 10; i++)
        wire_expect_err(&caller, 9 - (uint32_t)i, "peer-gone",
                        "service echo went away before it answered say");
    wire_expect(&caller, &got, FRAME_GONE); /* the handle */
    ck_assert_uint_eq(got.h.handle, handle);
    ck_assert_int_eq(echo.closed, 1);
    ck_assert_int_eq(echo.end.code, ORB_E_GONE);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 50, .handle = handle}, NULL,
             "{\"text\":\"a\"}");
    wire_expect_err(&caller, 50, "peer-gone", "open it again");
    wire_put(&caller, (struct frame){.type = FRAME_OPEN, .corr = 51},
             "{\"to\":\"echo\",\"method\":\"say\"}", NULL);
    wire_expect_err(&caller, 51, "not-found", "no interface");
    wire_echo(&world, &again);
    ck_assert_uint_eq(open_say(&caller), handle); /* the same target, so the same handle */
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 52, .handle = handle}, NULL,
             "{\"text\":\"a\"}");
    wire_expect(&again, &got, FRAME_PEER);
    wire_expect(&again, &got, FRAME_REQ);
    end(&world, &again, &caller);
}

TEST(a_caller_that_dies_cancels_its_requests_and_is_gone)
{
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};
    uint32_t id, corr;

    pair(&world, &echo, &caller);
    id = peer_id(caller.peer);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 1},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\"}");
    wire_expect(&echo, &got, FRAME_PEER);
    wire_expect(&echo, &got, FRAME_REQ);
    corr = got.h.corr;
    wire_close(&caller);
    wire_expect(&echo, &got, FRAME_CANCEL);
    ck_assert_uint_eq(got.h.corr, corr);
    wire_expect(&echo, &got, FRAME_GONE);
    ck_assert_uint_eq(got.h.src, id);
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = corr}, NULL, "{}");
    wire_quiet(&echo);
    end(&world, &echo, &caller);
}

TEST(second_foreign_and_invented_replies_are_dropped)
{
    struct world world;
    struct wire echo, caller, other;
    AUTO(got) struct got got = {0};
    AUTO(buf) struct buf metrics = {0};
    uint32_t corr;

    pair(&world, &echo, &caller);
    wire_service(&world, &other, "other", call_echo);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 1},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\"}");
    wire_expect(&echo, &got, FRAME_PEER);
    wire_expect(&echo, &got, FRAME_REQ);
    corr = got.h.corr;
    wire_put(&other, (struct frame){.type = FRAME_REP, .corr = corr}, NULL, "{\"text\":\"x\"}");
    wire_put(&other, (struct frame){.type = FRAME_ERR, .corr = corr},
             "{\"err\":{\"code\":\"denied\",\"text\":\"x\"}}", NULL);
    wire_quiet(&caller);
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = corr + 1}, NULL, "{}");
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = 0xfffffffe}, NULL, "{}");
    wire_quiet(&caller);
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = corr}, NULL, "{\"text\":\"1\"}");
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = corr}, NULL, "{\"text\":\"2\"}");
    wire_expect(&caller, &got, FRAME_REP);
    ck_assert_str_eq(got.payload, "{\"text\":\"1\"}");
    wire_quiet(&caller);
    introspect_metrics(world.broker, &metrics);
    ck_assert_ptr_nonnull(strstr(buf_str(&metrics), "orbital_ipc_replies_dropped_total 5\n"));
    wire_close(&other);
    end(&world, &echo, &caller);
}

TEST(more_than_64_requests_in_flight_are_busy_and_others_are_served)
{
    struct world world;
    struct wire echo, caller, other;
    AUTO(got) struct got got = {0};
    uint32_t handle;

    pair(&world, &echo, &caller);
    wire_service(&world, &other, "other", call_echo);
    handle = open_say(&caller);
    for (uint32_t i = 0; i < 1000; i++)
        wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = i, .handle = handle}, NULL,
                 "{\"text\":\"a\"}");
    for (uint32_t i = 64; i < 1000; i++)
        wire_expect_err(&caller, i, "busy", "64 requests to echo in flight");
    wire_put(&other, (struct frame){.type = FRAME_REQ, .corr = 1},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"b\"}");
    wire_expect(&echo, &got, FRAME_PEER);
    for (int i = 0; i < 64; i++)
        wire_expect(&echo, &got, FRAME_REQ);
    wire_expect(&echo, &got, FRAME_PEER);
    wire_expect(&echo, &got, FRAME_REQ);
    ck_assert_str_eq(got.payload, "{\"text\":\"b\"}");
    end(&world, &echo, &caller);
    wire_close(&other);
}

TEST(more_than_256_kib_in_flight_is_busy)
{
    struct world world;
    struct wire echo, caller;
    AUTO(buf) struct buf text = {0};

    pair(&world, &echo, &caller);
    buf_adds(&text, "{\"text\":\"");
    for (int i = 0; i < 100000; i++)
        buf_addc(&text, 'x');
    buf_adds(&text, "\"}");
    for (uint32_t i = 0; i < 3; i++)
        wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = i},
                 "{\"to\":\"echo\",\"method\":\"say\"}", buf_str(&text));
    wire_expect_err(&caller, 2, "busy", "at most 262144");
    end(&world, &echo, &caller);
}

TEST(ids_are_used_again_without_mixing_up_answers)
{
    struct world world;
    struct wire echo, caller;
    AUTO(got) struct got got = {0};
    uint32_t handle, first = 0;

    pair(&world, &echo, &caller);
    handle = open_say(&caller);
    for (uint32_t i = 0; i < 700; i++) {
        AUTO_FREE char *text = buf_format("{\"text\":\"%u\"}", i);

        wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 42, .handle = handle}, NULL,
                 text);
        wire_get(&echo, &got);
        if (got.h.type == FRAME_PEER)
            wire_expect(&echo, &got, FRAME_REQ);
        ck_assert_str_eq(got.payload, text);
        if (i == 0)
            first = got.h.corr;
        else /* an answer to the slot's first use never fits again */
            wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = first}, NULL,
                     "{\"text\":\"stale\"}");
        ck_assert(i == 0 || got.h.corr != first);
        wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL, text);
        wire_expect(&caller, &got, FRAME_REP);
        ck_assert_str_eq(got.payload, text);
    }
    end(&world, &echo, &caller);
}

TEST(a_service_is_called_only_once_it_is_open)
{
    struct world world;
    struct wire echo, caller, kim;
    AUTO(got) struct got got = {0};
    struct peer_spec spec = {.kind = PEER_SERVICE, .name = "echo"};

    world_init(&world);
    wire_service(&world, &caller, "caller", call_echo);
    ck_assert_int_eq(broker_expect(world.broker, world.echo, NULL), 0);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 1},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\"}");
    wire_expect_err(&caller, 1, "unavailable", "service echo is not running");
    wire_user(&world, &kim, "kim", "viewer");
    wire_put(&kim, (struct frame){.type = FRAME_REQ, .corr = 7},
             "{\"to\":\"service.echo@1\",\"method\":\"apply\"}", "{}");
    wire_expect_err(&kim, 7, "unavailable", "service echo is not running");
    spec.contract = world.echo;
    wire_connect(&world, &echo, &spec);
    wire_hello(&echo);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 2},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\"}");
    wire_expect_err(&caller, 2, "unavailable", "service echo is starting");
    peer_open(echo.peer);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 3},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\"}");
    wire_expect(&echo, &got, FRAME_PEER);
    peer_close(echo.peer);
    wire_expect_err(&caller, 3, "peer-gone", "echo");
    ck_assert_int_eq(echo.closed, 0);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 4},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\"}");
    wire_expect_err(&caller, 4, "unavailable", "not running");
    broker_unexpect(world.broker, world.echo);
    wire_put(&caller, (struct frame){.type = FRAME_REQ, .corr = 5},
             "{\"to\":\"echo\",\"method\":\"say\"}", "{\"text\":\"a\"}");
    wire_expect_err(&caller, 5, "not-found", "no interface");
    end(&world, &echo, &caller);
}
