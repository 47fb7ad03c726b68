/* core/ipc/peers.c, conn.c, dispatch.c, hello.c: connections, and what hostile ones try. */
#include "core/ipc/peers.h"
#include "core/json/scan.h"
#include "test/unit/ipc/wire.h"

static const struct peer_spec service = {.kind = PEER_SERVICE, .name = "dns"};
static const struct peer_spec user = {.kind = PEER_USER, .name = "kim", .role = "admin"};

static void more_words(struct json_write *w)
{
    json_write_string(w, "service", "another");
    json_write_string(w, "instance", "home");
    json_write_raw(w, "sockets", "{\"http\":10}", 11);
}

TEST(a_worker_is_welcomed_with_its_numbers_and_the_supervisors_words)
{
    struct peer_spec spec = {.kind = PEER_SERVICE, .name = "echo", .has_config = true};
    struct world world;
    struct wire wire;
    AUTO(got) struct got got = {0};

    world_init(&world);
    spec.contract = world.echo;
    wire_connect(&world, &wire, &spec);
    wire.welcome = more_words;
    wire_put(&wire, (struct frame){.type = FRAME_HELLO, .corr = 4}, "{\"abi\":1,\"name\":\"x\"}",
             NULL);
    wire_expect(&wire, &got, FRAME_WELCOME);
    ck_assert_uint_eq(got.h.corr, 4);
    ck_assert_int_eq(wire.hellos, 1);
    ck_assert_ptr_nonnull(strstr(got.payload,
                                 "\"service\":\"echo\",\"interface\":\"echo\","
                                 "\"version\":\"1.2\",\"methods\":[\"echo/act\","
                                 "\"echo/say\",\"echo/secret\",\"echo/set\","
                                 "\"echo/work\",\"service.echo/abort\",\"service.echo/apply\","
                                 "\"service.echo/prepare\"]"));
    ck_assert_ptr_nonnull(strstr(got.payload, ",\"instance\":\"home\",\"sockets\":{\"http\":10}}"));
    ck_assert_ptr_null(
        strstr(got.payload, "another")); /* the broker supplies the caller's identity */
    ck_assert_int_eq(scan_json(got.payload, strlen(got.payload), NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(got.payload, "\"limits\":{\"frame\":262144"));
    world_fini(&world);
}

TEST(the_supervisor_receives_what_a_worker_sends)
{
    struct world world;
    struct wire wire;
    AUTO(got) struct got got = {0};

    world_init(&world);
    wire_connect(&world, &wire, &service);
    wire_hello(&wire);
    wire_put(&wire, (struct frame){.type = FRAME_READY}, NULL, "{\"revision\":41}");
    world_until(&world, &wire.readies);
    ck_assert_uint_eq(wire.revision, 41);
    wire_put(&wire, (struct frame){.type = FRAME_PONG}, NULL, "{\"degraded\":\"unasked\"}");
    world_turns(&world, 3);
    peer_ping(wire.peer);
    wire_expect(&wire, &got, FRAME_PING);
    ck_assert_int_eq(wire.pongs, 0);
    wire_put(&wire, (struct frame){.type = FRAME_PONG}, NULL, "{\"degraded\":\"no upstream\"}");
    world_until(&world, &wire.pongs);
    ck_assert_str_eq(wire.text, "no upstream");
    wire_put(&wire, (struct frame){.type = FRAME_LOG}, NULL, "{\"level\":\"info\"}");
    world_until(&world, &wire.logs);
    ck_assert_str_eq(wire.text, "{\"level\":\"info\"}");
    wire_put(&wire, (struct frame){.type = FRAME_METRIC}, NULL, "{\"name\":\"a\",\"add\":1}");
    world_until(&world, &wire.metrics);
    wire_put(&wire, (struct frame){.type = FRAME_PROBLEMS}, NULL, "{\"problems\":[]}");
    world_until(&world, &wire.problems);
    ck_assert_str_eq(wire.text, "{\"problems\":[]}");
    wire_put(&wire, (struct frame){.type = FRAME_PROGRESS}, NULL, NULL);
    world_until(&world, &wire.progress);
    wire_put(&wire, (struct frame){.type = FRAME_APPLIED}, NULL, "{\"revision\":42}");
    world_until(&world, &wire.applied);
    ck_assert_uint_eq(wire.revision, 42);
    wire_put(&wire, (struct frame){.type = FRAME_LOG}, NULL, "{\"level\":");
    wire_put(&wire, (struct frame){.type = FRAME_LOG}, NULL, "{}");
    world_turns(&world, 3);
    ck_assert_int_eq(wire.logs, 2);
    peer_stop(wire.peer);
    wire_expect(&wire, &got, FRAME_STOP);
    world_fini(&world);
}

TEST(what_a_worker_sent_before_it_died_is_received)
{
    struct world world;
    struct wire wire;

    world_init(&world);
    wire_connect(&world, &wire, &service);
    wire_put(&wire, (struct frame){.type = FRAME_FAIL}, NULL,
             "{\"code\":\"io\",\"text\":\"no room\",\"path\":\"/dns\"}");
    wire_close(&wire);
    world_until(&world, &wire.closed);
    ck_assert_int_eq(wire.fails, 1);
    ck_assert_str_eq(wire.text, "/dns: no room");
    ck_assert_int_eq(wire.end.code, ORB_E_GONE);
    world_fini(&world);
}

TEST(frames_that_break_the_protocol_end_the_connection)
{
    static const struct {
        const struct peer_spec *spec;
        bool greeted;
        struct frame h;
        const char *env, *payload, *words;
    } rows[] = {
        {&service, false, {.type = FRAME_REQ}, NULL, NULL, "REQ before HELLO"},
        {&service, false, {.type = FRAME_READY}, NULL, NULL, "READY before HELLO"},
        {&service, false, {.type = FRAME_LOG}, NULL, "{}", "LOG before HELLO"},
        {&service, true, {.type = FRAME_HELLO}, "{\"abi\":1}", NULL, "a second HELLO"},
        {&service, false, {.type = FRAME_HELLO}, NULL, NULL, "HELLO without \"abi\""},
        {&service, false, {.type = FRAME_HELLO}, "{\"abi\":\"1\"}", NULL, "HELLO without"},
        {&service, false, {.type = FRAME_HELLO}, "{\"abi\":2}", NULL, "host has abi 1, dns has 2"},
        {&service, true, {.type = FRAME_WELCOME}, NULL, NULL, "does not send WELCOME"},
        {&service, true, {.type = FRAME_PEER}, NULL, "{}", "does not send PEER"},
        {&service, true, {.type = FRAME_GONE}, NULL, NULL, "does not send GONE"},
        {&service, true, {.type = FRAME_STOP}, NULL, NULL, "does not send STOP"},
        {&service, true, {.type = FRAME_CANCEL}, NULL, NULL, "does not send CANCEL"},
        {&service, true, {.type = FRAME_EVENT}, NULL, NULL, "does not send EVENT"},
        {&service, true, {.type = FRAME_OPENED}, NULL, NULL, "does not send OPENED"},
        {&user, true, {.type = FRAME_REP}, NULL, "{}", "client does not send REP"},
        {&user, true, {.type = FRAME_PUB}, "{\"topic\":\"a\"}", NULL, "does not send PUB"},
        {&user, true, {.type = FRAME_READY}, NULL, NULL, "does not send READY"},
        {&user, true, {.type = FRAME_LOG}, NULL, NULL, "does not send LOG"},
        {&user, true, {.type = FRAME_FAIL}, NULL, NULL, "does not send FAIL"},
        {&service, true, {.type = FRAME_REQ, .src = 1}, NULL, NULL, "src 1 is no session of dns"},
        {&service, true, {.type = FRAME_REQ, .src = 2}, NULL, NULL, "src 2 is no session"},
        {&user, true, {.type = FRAME_OPEN, .src = 9}, NULL, NULL, "src 9 is no session of kim"},
        {&service, true, {.type = FRAME_LOG, .src = 1}, NULL, "{}", "LOG frame names a sender"},
        {&service, true, {.type = FRAME_REQ, .flags = 4}, NULL, NULL, "flags are 0x04"},
        {&service, true, {.type = 0}, NULL, NULL, "type 0"},
        {&service, true, {.type = 77}, NULL, NULL, "type 77 is not known"},
        {&service, true, {.type = FRAME_READY}, NULL, "{\"revision\":-1}", "revision"},
        {&service, true, {.type = FRAME_APPLIED}, NULL, "{\"revision\":1}", "before READY"},
        {&user, true, {.type = FRAME_APPLIED}, NULL, NULL, "does not send APPLIED"},
    };
    struct world world;

    world_init(&world);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct wire wire;

        wire_connect(&world, &wire, rows[i].spec);
        if (rows[i].greeted)
            wire_hello(&wire);
        wire_put(&wire, rows[i].h, rows[i].env, rows[i].payload);
        wire_expect_err(&wire, 0, strstr(rows[i].words, "has abi") ? "version" : "protocol", "");
        world_until(&world, &wire.closed);
        ck_assert_msg(strstr(wire.end.text, rows[i].words) != NULL, "row %zu: %s", i,
                      wire.end.text);
        wire_expect_end(&wire);
    }
    world_fini(&world);
}

TEST(headers_out_of_bounds_end_the_connection_before_their_body)
{
    static const struct frame rows[] = {
        {.type = FRAME_REQ, .len = FRAME_MAX + 1},
        {.type = FRAME_REQ, .len = 0xffffffff, .envlen = 1},
        {.type = FRAME_REQ, .len = 10, .envlen = 11},
        {.type = FRAME_REQ, .len = 9000, .envlen = 5000},
    };
    struct world world;

    world_init(&world);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned char head[FRAME_HEADER];
        struct wire wire;

        wire_connect(&world, &wire, &service);
        wire_hello(&wire);
        frame_put(head, &rows[i]);
        wire_bytes(&wire, head, sizeof(head));
        world_until(&world, &wire.closed);
        ck_assert_int_eq(wire.end.code, ORB_E_PROTOCOL);
        wire_expect_end(&wire);
    }
    world_fini(&world);
}

TEST(frames_may_come_in_any_pieces)
{
    static const size_t pieces[] = {1, 7, 23, 24, 25, 4096, 5000, 65536, 70000};
    struct world world;
    struct wire wire;
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf all = {0};
    unsigned char head[FRAME_HEADER];
    int expected = 0;

    world_init(&world);
    wire_connect(&world, &wire, &service);
    wire_hello(&wire);
    buf_adds(&text, "{\"x\":\"");
    for (int i = 0; i < 150000; i++)
        buf_addc(&text, 'x');
    buf_adds(&text, "\"}");
    for (int i = 0; i < 3; i++) {
        frame_put(head, &(struct frame){.type = FRAME_LOG, .len = (uint32_t)text.len});
        buf_add(&all, head, sizeof(head));
        buf_add(&all, text.data, text.len);
        frame_put(head, &(struct frame){.type = FRAME_LOG});
        buf_add(&all, head, sizeof(head));
    }
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t piece = pieces[i];
        size_t len = piece < 24 ? 3 * FRAME_HEADER + 400 : all.len;

        if (piece < 24) { /* small ones in small pieces */
            for (int k = 0; k < 20; k++) {
                frame_put(head, &(struct frame){.type = FRAME_LOG, .len = 2});
                for (size_t at = 0; at < FRAME_HEADER; at += piece) {
                    size_t n = FRAME_HEADER - at < piece ? FRAME_HEADER - at : piece;

                    wire_bytes(&wire, head + at, n);
                    world_turns(&world, 1);
                }
                wire_bytes(&wire, "{", 1);
                world_turns(&world, 1);
                wire_bytes(&wire, "}", 1);
                world_turns(&world, 1);
            }
            expected += 20;
        } else {
            for (size_t at = 0; at < len; at += piece) {
                wire_bytes(&wire, all.data + at, len - at < piece ? len - at : piece);
                world_turns(&world, 1);
            }
            expected += 6;
        }
        world_turns(&world, 20);
        for (int k = 0; k < 1000 && wire.logs < expected; k++)
            world_turn(&world); /* on a busy machine the peer rests in between (rest.c) */
        ck_assert_int_eq(wire.logs, expected);
    }
    ck_assert_int_eq(wire.closed, 0);
    world_fini(&world);
}

TEST(a_connection_that_ends_inside_a_frame_reports_so)
{
    struct world world;
    struct wire wire;
    unsigned char head[FRAME_HEADER];

    world_init(&world);
    wire_connect(&world, &wire, &service);
    wire_hello(&wire);
    frame_put(head, &(struct frame){.type = FRAME_LOG, .len = 100});
    wire_bytes(&wire, head, sizeof(head));
    world_turns(&world, 3);
    wire_close(&wire);
    world_until(&world, &wire.closed);
    ck_assert_ptr_nonnull(strstr(wire.end.text, "in the middle of a frame"));
    world_fini(&world);
}

TEST(passed_descriptors_are_not_taken)
{
    struct world world;
    struct wire wire;
    unsigned char head[FRAME_HEADER];
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {head, sizeof(head)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);

    world_init(&world);
    wire_connect(&world, &wire, &service);
    wire_hello(&wire);
    frame_put(head, &(struct frame){.type = FRAME_LOG});
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &wire.fd, sizeof(int));
    ck_assert_int_eq(sendmsg(wire.fd, &message, 0), FRAME_HEADER);
    world_until(&world, &wire.closed);
    ck_assert_ptr_nonnull(strstr(wire.end.text, "descriptors are not accepted"));
    wire_expect_end(&wire);
    world_fini(&world);
}

TEST(a_peer_that_does_not_read_its_replies_is_failed_and_no_other_waits)
{
    struct world world;
    struct wire wire, other;
    AUTO(buf) struct buf many = {0};
    AUTO(got) struct got got = {0};
    static const char env[] = "{\"to\":\"nothing\",\"method\":\"nothing\"}";
    unsigned char head[FRAME_HEADER];

    world_init(&world);
    wire_connect(&world, &wire, &service);
    wire_hello(&wire);
    wire_connect(&world, &other, &user);
    wire_hello(&other);
    frame_put(head, &(struct frame){
                        .type = FRAME_REQ, .len = sizeof(env) - 1, .envlen = sizeof(env) - 1});
    for (int i = 0; i < 500; i++) {
        buf_add(&many, head, sizeof(head));
        buf_add(&many, env, sizeof(env) - 1);
    }
    for (int i = 0; i < 400 && !wire.closed; i++) {
        wire_bytes(&wire, many.data, many.len);
        wire_put(&other, (struct frame){.type = FRAME_REQ, .corr = 8}, env, NULL);
        wire_expect_err(&other, 8, "not-found", "no interface");
    }
    world_until(&world, &wire.closed);
    ck_assert_int_eq(wire.end.code, ORB_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(wire.end.text, "dns does not read"));
    wire_put(&other, (struct frame){.type = FRAME_REQ, .corr = 9}, env, NULL);
    wire_expect(&other, &got, FRAME_ERR);
    world_fini(&world);
}

TEST(a_peer_with_much_to_do_is_served_in_turns_and_wholly)
{
    struct world world;
    struct wire busy, other;
    AUTO(buf) struct buf all = {0};
    const char *env = "{\"to\":\"no-such-interface\",\"method\":\"x\"}";
    const unsigned count = 700;
    unsigned char head[FRAME_HEADER];
    AUTO(got) struct got got = {0};

    world_init(&world);
    wire_service(&world, &busy, "busy", NULL);
    wire_service(&world, &other, "other", NULL);
    for (uint32_t i = 1; i <= count; i++) {
        frame_put(head, &(struct frame){.len = (uint32_t)strlen(env),
                                        .envlen = (uint16_t)strlen(env),
                                        .type = FRAME_REQ,
                                        .corr = i});
        buf_add(&all, head, sizeof(head));
        buf_adds(&all, env);
    }
    buf_add(&all, head, 10); /* and the beginning of one more */
    wire_bytes(&busy, all.data, all.len);
    wire_put(&other, (struct frame){.type = FRAME_REQ, .corr = 5}, env, NULL);
    wire_expect_err(&other, 5, "denied", "no-such-interface");
    for (uint32_t i = 1; i <= count; i++) {
        wire_expect(&busy, &got, FRAME_ERR);
        ck_assert_uint_eq(got.h.corr, i);
    }
    wire_bytes(&busy, head + 10, sizeof(head) - 10);
    wire_bytes(&busy, env, strlen(env));
    wire_expect(&busy, &got, FRAME_ERR);
    ck_assert_uint_eq(got.h.corr, count);
    wire_close(&busy);
    wire_close(&other);
    world_fini(&world);
}

TEST(method_handles_are_limited_and_shared_by_equal_targets)
{
    static const char *const may[] = {"ipc.call:echo/*", NULL};
    struct world world;
    struct wire echo, dns;
    AUTO(got) struct got got = {0};

    world_init(&world);
    wire_echo(&world, &echo);
    wire_service(&world, &dns, "dns", may);
    for (int i = 0; i < 2000; i++) {
        wire_put(&dns, (struct frame){.type = FRAME_OPEN, .corr = 3},
                 "{\"to\":\"echo\",\"method\":\"say\"}", NULL);
        wire_expect(&dns, &got, FRAME_OPENED);
        ck_assert_uint_eq(got.h.handle, 1);
    }
    wire_put(&dns, (struct frame){.type = FRAME_REQ, .corr = 4, .handle = 2}, NULL,
             "{\"text\":\"a\"}");
    wire_expect_err(&dns, 4, "invalid", "handle 2 was never opened");
    world_fini(&world);
}

static void on_closed_close(void *arg, const struct orb_err *err)
{
    struct ipc_peer **other = arg;

    if (*other)
        peer_close(*other);
    *other = NULL;
}

TEST(a_peer_may_be_closed_from_inside_the_end_of_another)
{
    static const struct peer_events events = {.closed = on_closed_close};
    struct peer_spec spec = {.kind = PEER_SERVICE, .name = "a", .events = &events};
    struct world world;
    struct wire victim;
    int fds[2];

    world_init(&world);
    wire_connect(&world, &victim, &service);
    spec.arg = &victim.peer;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_ptr_nonnull(peers_add(world.broker, fds[0], &spec, NULL));
    close(fds[1]);
    wire_expect_end(&victim);
    ck_assert_int_eq(victim.closed, 0);
    ck_assert_ptr_null(victim.peer);
    world_fini(&world);
}
