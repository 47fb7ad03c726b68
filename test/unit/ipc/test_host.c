/* core/ipc/host.c, session.c, listen.c, introspect.c: the host as provider and caller, sessions,
 * the control socket. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/ipc/host.h"
#include "core/ipc/introspect.h"
#include "core/ipc/listen.h"
#include "core/ipc/session.h"
#include "core/json/scan.h"
#include "test/unit/ipc/wire.h"

struct desk { /* the host's handler */
    struct host_req *kept;
    char method[32], caller[64], role[16], input[200];
    uint32_t peer;
    enum peer_kind kind;
    int calls, done;
    int done_code;
    char done_text[200];
    int events;
    char event[200];
};

static void on_request(void *arg, struct host_req *req, const struct host_caller *caller,
                       const char *method, const char *input, size_t len)
{
    struct desk *desk = arg;

    desk->calls++;
    snprintf(desk->method, sizeof(desk->method), "%s", method);
    snprintf(desk->caller, sizeof(desk->caller), "%s", caller->name);
    snprintf(desk->role, sizeof(desk->role), "%s", caller->role);
    snprintf(desk->input, sizeof(desk->input), "%.*s", (int)len, input);
    desk->peer = caller->peer;
    desk->kind = caller->kind;
    if (!strcmp(method, "act")) {
        desk->kept = req;
    } else if (!strcmp(method, "set")) {
        struct orb_err err;

        orb_fail_at(&err, ORB_E_STATE, "/x", "not now");
        host_reply_error(req, &err);
    } else if (!strcmp(method, "secret")) {
        host_reply(req, "{\"wrong\":1}", 11);
    } else {
        host_reply(req, "{\"text\":\"ho\"}", 13);
    }
}

static void on_done(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    struct desk *desk = arg;

    desk->done++;
    desk->done_code = err ? err->code : 0;
    snprintf(desk->done_text, sizeof(desk->done_text), "%.*s",
             err ? (int)strlen(err->text) : (int)len, err ? err->text : text);
}

static void on_event(void *arg, const char *interface, const char *topic, const char *text,
                     size_t len)
{
    struct desk *desk = arg;

    desk->events++;
    snprintf(desk->event, sizeof(desk->event), "%s/%s %.*s", interface, topic, (int)len, text);
}

static void say(struct wire *wire, uint32_t src, const char *method, const char *payload)
{
    AUTO_FREE char *env = buf_format("{\"to\":\"echo\",\"method\":\"%s\"}", method);

    wire_put(wire, (struct frame){.type = FRAME_REQ, .corr = 5, .src = src}, env, payload);
}

TEST(the_host_answers_now_later_or_with_an_error)
{
    struct world world;
    struct desk desk = {0};
    struct wire admin, gone;
    AUTO(got) struct got got = {0};
    struct host_req *late;

    world_init(&world);
    ck_assert_int_eq(host_serve(world.broker, world.echo, on_request, &desk, NULL), 0);
    wire_user(&world, &admin, "kim", "admin");
    say(&admin, 0, "say", "{\"text\":\"hi\"}");
    wire_expect(&admin, &got, FRAME_REP);
    ck_assert_str_eq(got.payload, "{\"text\":\"ho\"}");
    ck_assert_str_eq(desk.caller, "kim");
    ck_assert_str_eq(desk.role, "admin");
    ck_assert_str_eq(desk.input, "{\"text\":\"hi\"}");
    ck_assert_uint_eq(desk.peer, peer_id(admin.peer));
    say(&admin, 0, "set", "{}");
    wire_expect_err(&admin, 5, "state", "\"path\":\"/x\"");
    say(&admin, 0, "act", NULL);
    wire_quiet(&admin);
    host_reply(desk.kept, "{}", 2);
    wire_expect(&admin, &got, FRAME_REP);
    /* the caller disconnects first: the answer only ends the request */
    wire_user(&world, &gone, "lee", "admin");
    say(&gone, 0, "act", NULL);
    wire_quiet(&gone);
    late = desk.kept;
    wire_close(&gone);
    world_until(&world, &gone.closed);
    host_reply(late, "{}", 2);
    /* the broker is freed first */
    say(&admin, 0, "act", NULL);
    wire_quiet(&admin);
    world_fini(&world);
    host_reply(desk.kept, "{}", 2);
}

TEST(the_host_calls_services_and_itself)
{
    struct world world;
    struct desk desk = {0};
    struct wire echo;
    AUTO(got) struct got got = {0};
    struct orb_err err;

    world_init(&world);
    ck_assert_int_eq(host_call(world.broker, "echo@1", "secret", "{}", 2, 0, on_done, &desk, &err),
                     ORB_E_NOT_FOUND);
    wire_echo(&world, &echo);
    ck_assert_int_eq(
        host_call(world.broker, "echo@1", "say", "{\"text\":1}", 10, 0, on_done, &desk, &err),
        ORB_E_SCHEMA);
    ck_assert_int_eq(desk.done, 0);
    ck_assert_int_eq(
        host_call(world.broker, "echo@1.2", "secret", NULL, 0, 0, on_done, &desk, &err), 0);
    wire_expect(&echo, &got, FRAME_PEER);
    ck_assert_ptr_nonnull(strstr(got.payload, "\"kind\":\"host\",\"name\":\"host\""));
    wire_expect(&echo, &got, FRAME_REQ);
    wire_put(&echo, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL, "{}");
    world_until(&world, &desk.done);
    ck_assert_int_eq(desk.done_code, 0);
    ck_assert_str_eq(desk.done_text, "{}");
    desk.done = 0;
    host_call(world.broker, "echo", "act", NULL, 0, 0, on_done, &desk, &err);
    wire_expect(&echo, &got, FRAME_REQ);
    wire_close(&echo);
    world_until(&world, &desk.done);
    ck_assert_int_eq(desk.done_code, ORB_E_GONE);
    desk.done = 0;
    ck_assert_int_eq(host_serve(world.broker, world.echo, on_request, &desk, &err), 0);
    ck_assert_int_eq(host_call(world.broker, "echo", "secret", NULL, 0, 0, on_done, &desk, &err),
                     0);
    ck_assert_int_eq(desk.done, 1);
    ck_assert_int_eq(desk.done_code, ORB_E_INTERNAL); /* its own answer broke its contract */
    desk.done = 0;
    host_call(world.broker, "echo", "act", NULL, 0, 20, on_done, &desk, &err);
    ck_assert_int_eq(desk.done, 0);
    {
        struct wire kim; /* keeps the loop alive until the deadline */

        wire_user(&world, &kim, "kim", "viewer");
        world_until(&world, &desk.done);
    }
    ck_assert_int_eq(desk.done_code, ORB_E_DEADLINE);
    host_reply(desk.kept, "{}", 2);
    desk.done = 0;
    host_call(world.broker, "echo", "act", NULL, 0, 0, on_done, &desk, &err);
    world_fini(&world);
    ck_assert_int_eq(desk.done, 1);
    ck_assert_int_eq(desk.done_code, ORB_E_GONE);
    host_reply(desk.kept, "{}", 2);
}

TEST(the_host_publishes_and_listens)
{
    struct world world;
    struct desk desk = {0};
    struct wire kim;
    AUTO(got) struct got got = {0};
    struct orb_err err;

    world_init(&world);
    ck_assert_int_eq(host_subscribe(world.broker, "echo", "*", on_event, &desk, &err), 0);
    ck_assert_int_eq(host_publish(world.broker, "echo", "changed", "{\"n\":1}", 7, &err),
                     ORB_E_NOT_FOUND);
    ck_assert_int_eq(host_serve(world.broker, world.echo, on_request, &desk, &err), 0);
    ck_assert_int_eq(host_publish(world.broker, "echo", "changed", "{\"n\":\"\"}", 8, &err),
                     ORB_E_SCHEMA);
    ck_assert_int_eq(host_publish(world.broker, "echo", "changed", "{\"n\":1}", 7, &err), 0);
    ck_assert_int_eq(desk.events, 1);
    ck_assert_str_eq(desk.event, "echo/changed {\"n\":1}");
    wire_user(&world, &kim, "kim", "viewer");
    wire_put(&kim, (struct frame){.type = FRAME_SUB, .corr = 5},
             "{\"to\":\"echo\",\"topic\":\"changed\"}", NULL);
    wire_expect(&kim, &got, FRAME_REP);
    wire_expect(&kim, &got, FRAME_EVENT);
    ck_assert_str_eq(got.payload, "{\"n\":1}");
    world_fini(&world);
}

TEST(a_session_acts_with_its_users_role_and_ends)
{
    static const char *const may[] = {"session.delegate", "ipc.call:echo/secret", NULL};
    struct world world;
    struct desk desk = {0};
    struct wire api, other;
    AUTO(got) struct got got = {0};
    struct orb_err err;
    uint32_t session = 0, viewer = 0, id;

    world_init(&world);
    host_serve(world.broker, world.echo, on_request, &desk, &err);
    wire_service(&world, &api, "api", may);
    wire_service(&world, &other, "other", NULL);
    id = peer_id(api.peer);
    ck_assert_int_eq(
        session_open(world.broker, peer_id(other.peer), "kim", "admin", 0, &session, &err),
        ORB_E_DENIED);
    ck_assert_ptr_nonnull(strstr(err.text, "session.delegate"));
    ck_assert_int_eq(session_open(world.broker, 12345, "kim", "admin", 0, &session, &err),
                     ORB_E_NOT_FOUND);
    ck_assert_int_eq(session_open(world.broker, id, "kim", "root", 0, &session, &err),
                     ORB_E_INVALID);
    ck_assert_int_eq(session_open(world.broker, id, "kim", "admin", 0, &session, &err), 0);
    ck_assert_int_eq(session_open(world.broker, id, "lee", "viewer", 0, &viewer, &err), 0);
    say(&api, session, "say", "{\"text\":\"a\"}");
    wire_expect(&api, &got, FRAME_REP);
    ck_assert_str_eq(desk.caller, "kim");
    ck_assert_int_eq(desk.kind, PEER_TOKEN);
    ck_assert_uint_eq(desk.peer, session);
    say(&api, viewer, "set", "{}");
    wire_expect_err(&api, 5, "denied", "lee may not call echo/set: it requires the role admin");
    say(&api, 0, "say", "{\"text\":\"a\"}");
    wire_expect_err(&api, 5, "denied", "service api may not call echo/say");
    /* access to a method opened for one is decided anew for another */
    wire_put(&api, (struct frame){.type = FRAME_OPEN, .corr = 6, .src = session},
             "{\"to\":\"echo\",\"method\":\"set\"}", NULL);
    wire_expect(&api, &got, FRAME_OPENED);
    wire_put(&api,
             (struct frame){.type = FRAME_REQ, .corr = 7, .handle = got.h.handle, .src = viewer},
             NULL, "{}");
    wire_expect_err(&api, 7, "denied", "lee");
    wire_put(&api, (struct frame){.type = FRAME_REQ, .corr = 8, .handle = 1}, NULL, "{}");
    wire_expect_err(&api, 8, "denied", "ipc.call:echo/set");
    wire_put(&api, (struct frame){.type = FRAME_REQ, .corr = 9, .handle = 1, .src = session}, NULL,
             "{}");
    wire_expect_err(&api, 9, "state", "not now");
    /* the end of a session answers what it waits for; a late use is refused, not punished */
    say(&api, session, "act", NULL);
    wire_quiet(&api);
    ck_assert_int_eq(session_close(world.broker, id, session, &err), 0);
    wire_expect_err(&api, 5, "unauthenticated", "has ended");
    host_reply(desk.kept, "{}", 2);
    ck_assert_int_eq(session_close(world.broker, id, session, &err), ORB_E_NOT_FOUND);
    say(&api, session, "say", "{\"text\":\"a\"}");
    wire_expect_err(&api, 5, "unauthenticated", "log in again");
    /* who is put out is out at once */
    session_end_user(world.broker, "lee");
    say(&api, viewer, "say", "{\"text\":\"a\"}");
    wire_expect_err(&api, 5, "unauthenticated", "lee has ended");
    /* another's session is forged */
    say(&other, viewer, "say", "{\"text\":\"a\"}");
    wire_expect_err(&other, 0, "protocol", "is no session of other");
    world_until(&world, &other.closed);
    for (int i = 0; i < 3000; i++) {
        ck_assert_int_eq(session_open(world.broker, id, "kim", "admin", 0, &session, &err), 0);
        ck_assert_int_eq(session_close(world.broker, id, session, &err), 0);
    }
    world_fini(&world);
}

enum { OFFICE_CLOSED = 1, OFFICE_OF_ADMINS, OFFICE_ASKS, OFFICE_OF_OTHERS };
enum { OFFICE_OF_NUMBERS = -1000, OFFICE_OF_CROWD = 1000 }; /* and on: one user each */

static int identify(void *arg, uid_t uid, gid_t gid, char name[64], char role[16],
                    struct orb_err *err)
{
    if (*(int *)arg == OFFICE_ASKS)
        return 1;
    if (uid != getuid())
        return orb_fail(err, ORB_E_DENIED, "uid %u is not known", uid);
    if (*(int *)arg == OFFICE_CLOSED)
        return orb_fail(err, ORB_E_DENIED, "the office is closed");
    if (*(int *)arg >= OFFICE_OF_CROWD)
        snprintf(name, 64, "crowd-%d", *(int *)arg);
    else if (*(int *)arg <= OFFICE_OF_NUMBERS)
        snprintf(name, 64, "uid-%d", -*(int *)arg);
    else
        snprintf(name, 64, *(int *)arg == OFFICE_OF_OTHERS ? "other" : "me");
    snprintf(role, 16, *(int *)arg == OFFICE_OF_ADMINS ? "admin" : "operator");
    return 0;
}

static void connect_to(struct world *world, struct wire *wire, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *wire = (struct wire){.world = world};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    wire->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(wire->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

TEST(a_client_not_known_yet_waits_and_holds_up_no_other)
{
    char dir[] = "/tmp/orbt-ipc-XXXXXX";
    struct world world;
    struct wire waits, gone, known, many[40];
    AUTO(got) struct got got = {0};
    AUTO_FREE char *path = NULL;
    struct orb_err err;
    int office = OFFICE_ASKS;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/control.sock", dir);
    world_init(&world);
    ck_assert_int_eq(listen_start(world.broker, path, -1, identify, &office, &err), 0);
    connect_to(&world, &waits, path);
    wire_put(&waits, (struct frame){.type = FRAME_HELLO, .corr = 1}, "{\"abi\":1}", NULL);
    connect_to(&world, &gone, path);
    world_turns(&world, 5);
    close(gone.fd);
    office = 0;
    connect_to(&world, &known, path);
    wire_put(&known, (struct frame){.type = FRAME_HELLO, .corr = 1}, "{\"abi\":1}", NULL);
    wire_expect(&known, &got, FRAME_WELCOME);
    office = OFFICE_ASKS;
    listen_identified(world.broker); /* of another user: they go on waiting */
    world_turns(&world, 5);
    office = 0;
    listen_identified(world.broker);
    wire_expect(&waits, &got, FRAME_WELCOME);
    ck_assert_ptr_nonnull(strstr(got.payload, "\"user\":\"me\""));
    office = OFFICE_ASKS;
    for (int i = 0; i < 33; i++)
        connect_to(&world, &many[i], path);
    wire_expect_err(&many[32], 0, "busy", "32 connections wait for it already");
    office = OFFICE_CLOSED;
    listen_identified(world.broker);
    wire_expect_err(&many[0], 0, "denied", "the office is closed");
    office = OFFICE_ASKS;
    connect_to(&world, &many[33], path); /* waits until the end */
    world_turns(&world, 5);
    world_fini(&world);
    rmdir(dir);
}

TEST(the_control_socket_identifies_its_clients)
{
    char dir[] = "/tmp/orbt-ipc-XXXXXX";
    struct world world;
    struct wire wire, many[130];
    AUTO(got) struct got got = {0};
    AUTO_FREE char *path = NULL;
    struct orb_err err;
    struct stat st;
    int closed = 0;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/control.sock", dir);
    world_init(&world);
    ck_assert_int_eq(listen_start(world.broker, path, -1, identify, &closed, &err), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0660);
    connect_to(&world, &wire, path);
    wire_put(&wire, (struct frame){.type = FRAME_HELLO, .corr = 1}, "{\"abi\":1}", NULL);
    wire_expect(&wire, &got, FRAME_WELCOME);
    ck_assert_ptr_nonnull(strstr(got.payload, "\"user\":\"me\",\"role\":\"operator\""));
    closed = 1;
    connect_to(&world, &many[0], path);
    wire_expect_err(&many[0], 0, "denied", "the office is closed");
    wire_expect_end(&many[0]);
    closed = 0;
    for (int i = 0; i < 111; i++) {
        closed = i < 79 ? 0 : OFFICE_OF_CROWD + i;
        connect_to(&world, &many[i], path);
        wire_put(&many[i], (struct frame){.type = FRAME_HELLO, .corr = 1}, "{\"abi\":1}", NULL);
        wire_expect(&many[i], &got, FRAME_WELCOME);
    }
    closed = 0;
    connect_to(&world, &many[127], path);
    wire_expect_err(&many[127], 0, "busy", "112 clients are connected; at most 80 for users");
    wire_expect_end(&many[127]);
    closed = OFFICE_OF_ADMINS;
    for (int i = 111; i < 127; i++) {
        connect_to(&world, &many[i], path);
        wire_put(&many[i], (struct frame){.type = FRAME_HELLO, .corr = 1}, "{\"abi\":1}", NULL);
        wire_expect(&many[i], &got, FRAME_WELCOME);
    }
    connect_to(&world, &many[127], path);
    wire_expect_err(&many[127], 0, "busy", "128 clients are connected; at most 128");
    wire_expect_end(&many[127]);
    wire_close(&wire);
    world_turns(&world, 5);
    connect_to(&world, &wire, path);
    wire_put(&wire, (struct frame){.type = FRAME_HELLO, .corr = 1}, "{\"abi\":1}", NULL);
    wire_expect(&wire, &got, FRAME_WELCOME);
    world_fini(&world);
    ck_assert_int_eq(stat(path, &st), -1);
    rmdir(dir);
}

TEST(a_silent_connection_makes_room_for_a_client_that_sends)
{
    char dir[] = "/tmp/orbt-ipc-XXXXXX";
    struct world world;
    struct wire wire, many[112];
    AUTO(got) struct got got = {0};
    AUTO_FREE char *path = NULL;
    struct orb_err err;
    int closed = 0;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/control.sock", dir);
    world_init(&world);
    ck_assert_int_eq(listen_start(world.broker, path, -1, identify, &closed, &err), 0);
    for (int i = 0; i < 112; i++) {
        connect_to(&world, &many[i], path);
        world_turns(&world, 1);
    }
    connect_to(&world, &wire, path);
    wire_put(&wire, (struct frame){.type = FRAME_HELLO, .corr = 1}, "{\"abi\":1}", NULL);
    wire_expect(&wire, &got, FRAME_WELCOME);
    wire_expect_err(&many[0], 0, "busy", "no HELLO was received");
    wire_expect_end(&many[0]);
    world_fini(&world);
    rmdir(dir);
}

static void greet(struct world *world, struct wire *wire, const char *path)
{
    AUTO(got) struct got got = {0};

    connect_to(world, wire, path);
    wire_put(wire, (struct frame){.type = FRAME_HELLO, .corr = 1}, "{\"abi\":1}", NULL);
    wire_expect(wire, &got, FRAME_WELCOME);
}

TEST(a_user_with_many_connections_keeps_no_other_user_out)
{
    char dir[] = "/tmp/orbt-ipc-XXXXXX";
    struct world world;
    struct wire others[3], admin, late, many[80], crowd[32];
    AUTO_FREE char *path = NULL;
    struct orb_err err;
    int office = 0;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/control.sock", dir);
    world_init(&world);
    ck_assert_int_eq(listen_start(world.broker, path, -1, identify, &office, &err), 0);
    for (int i = 0; i < 80; i++)
        greet(&world, &many[i], path);
    connect_to(&world, &late, path);
    wire_expect_err(&late, 0, "busy", "80 clients are connected; at most 80 for users who have");
    for (int i = 0; i < 32; i++) {
        office = OFFICE_OF_CROWD + i;
        greet(&world, &crowd[i], path);
    }
    office = OFFICE_OF_OTHERS;
    for (int i = 0; i < 3; i++) {
        greet(&world, &others[i], path);
        wire_expect_err(&many[i], 0, "busy", "connections, and other clients are waiting");
        wire_expect_end(&many[i]);
    }
    office = OFFICE_OF_ADMINS; /* has a place of the last ones, and keeps it */
    greet(&world, &admin, path);
    office = 0;
    connect_to(&world, &late, path);
    wire_expect_err(&late, 0, "busy", "at most 80 for users who have one");
    world_fini(&world);
    rmdir(dir);
}

TEST(users_with_as_many_connections_as_each_keeps_leave_room_for_those_without)
{
    char dir[] = "/tmp/orbt-ipc-XXXXXX";
    struct world world;
    struct wire many[80], first[32], second;
    AUTO_FREE char *path = NULL;
    struct orb_err err;
    int office = 0;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/control.sock", dir);
    world_init(&world);
    ck_assert_int_eq(listen_start(world.broker, path, -1, identify, &office, &err), 0);
    for (int i = 0; i < 80; i++) {
        office = OFFICE_OF_CROWD + i / 4;
        greet(&world, &many[i], path);
    }
    for (int i = 0; i < 32; i++) {
        office = OFFICE_OF_CROWD + 20 + i;
        greet(&world, &first[i], path);
        if (i)
            continue;
        connect_to(&world, &second, path);
        wire_expect_err(&second, 0, "busy", "at most 80 for users who have one");
    }
    world_fini(&world);
    rmdir(dir);
}

TEST(many_users_together_take_no_connection_of_one)
{
    char dir[] = "/tmp/orbt-ipc-XXXXXX";
    struct world world;
    struct wire mine[4], crowd[120];
    AUTO(got) struct got got = {0};
    AUTO_FREE char *path = NULL;
    struct orb_err err;
    int office = 0;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/control.sock", dir);
    world_init(&world);
    ck_assert_int_eq(listen_start(world.broker, path, -1, identify, &office, &err), 0);
    for (int i = 0; i < 4; i++)
        greet(&world, &mine[i], path);
    for (int i = 0; i < 120; i++) {
        office = OFFICE_OF_CROWD + i;
        if (i < 108)
            greet(&world, &crowd[i], path);
        else
            connect_to(&world, &crowd[i], path);
    }
    wire_expect_err(&crowd[108], 0, "busy", "112 clients are connected");
    for (int i = 0; i < 4; i++) {
        wire_put(&mine[i], (struct frame){.type = FRAME_REQ, .corr = 7},
                 "{\"to\":\"none@1\",\"method\":\"x\"}", NULL);
        wire_expect_err(&mine[i], 7, "not-found", "");
    }
    world_fini(&world);
    rmdir(dir);
}

/* A user with numbers of subuid(5) has one account for all of them. */
TEST(users_without_a_name_are_one)
{
    char dir[] = "/tmp/orbt-ipc-XXXXXX";
    struct world world;
    struct wire mine[4], crowd[32], numbers[80];
    AUTO(got) struct got got = {0};
    AUTO_FREE char *path = NULL;
    struct orb_err err;
    int office = 0;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/control.sock", dir);
    world_init(&world);
    ck_assert_int_eq(listen_start(world.broker, path, -1, identify, &office, &err), 0);
    for (int i = 0; i < 80; i++) {
        office = OFFICE_OF_NUMBERS - i;
        greet(&world, &numbers[i], path);
    }
    for (int i = 0; i < 32; i++) {
        office = OFFICE_OF_CROWD + i;
        greet(&world, &crowd[i], path);
    }
    office = 0;
    for (int i = 0; i < 4; i++) {
        greet(&world, &mine[i], path);
        wire_expect_err(&numbers[i], 0, "busy", "connections, and other clients are waiting");
    }
    world_fini(&world);
    rmdir(dir);
}

TEST(who_waits_for_a_name_often_leaves_room_for_others)
{
    char dir[] = "/tmp/orbt-ipc-XXXXXX";
    struct world world;
    struct wire many[32], other;
    AUTO(got) struct got got = {0};
    AUTO_FREE char *path = NULL;
    struct orb_err err;
    int office = OFFICE_ASKS;
    char byte;

    if (getuid() != 0)
        return; /* it cannot be another user */
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chmod(dir, 0755), 0);
    path = buf_format("%s/control.sock", dir);
    world_init(&world);
    ck_assert_int_eq(listen_start(world.broker, path, -1, identify, &office, &err), 0);
    ck_assert_int_eq(chmod(path, 0666), 0);
    for (int i = 0; i < 32; i++)
        connect_to(&world, &many[i], path);
    world_turns(&world, 5);
    ck_assert_int_eq(seteuid(12345), 0); /* SO_PEERCRED has the effective one */
    connect_to(&world, &other, path);
    ck_assert_int_eq(seteuid(0), 0);
    wire_expect_err(&many[31], 0, "busy", "connections wait for it already");
    world_turns(&world, 5);
    ck_assert_int_eq(recv(other.fd, &byte, 1, MSG_DONTWAIT), -1); /* it waits */
    world_fini(&world);
    rmdir(dir);
}

TEST(an_old_socket_file_is_replaced_and_a_live_one_is_not)
{
    char dir[] = "/tmp/orbt-ipc-XXXXXX";
    struct world world, second;
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *plain = NULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct orb_err err;
    int closed = 0, fd;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/s", dir);
    plain = buf_format("%s/f", dir);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    world_init(&world);
    world_init(&second);
    ck_assert_int_eq(listen_start(world.broker, path, -1, identify, &closed, &err), 0);
    ck_assert_int_eq(listen_start(second.broker, path, -1, identify, &closed, &err),
                     ORB_E_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "another process listens"));
    close(open(plain, O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(listen_start(second.broker, plain, -1, identify, &closed, &err), ORB_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.text, "is no socket"));
    world_fini(&second);
    world_fini(&world);
    unlink(plain);
    ck_assert_int_eq(rmdir(dir), 0);
}

TEST(without_descriptors_clients_are_turned_away_and_the_host_continues)
{
    char dir[] = "/tmp/orbt-ipc-XXXXXX";
    struct world world;
    struct wire wire, next;
    AUTO(got) struct got got = {0};
    AUTO_FREE char *path = NULL;
    struct rlimit limit, small;
    struct orb_err err;
    int closed = 0, top;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/s", dir);
    world_init(&world);
    ck_assert_int_eq(listen_start(world.broker, path, -1, identify, &closed, &err), 0);
    connect_to(&world, &wire, path);
    top = dup(0);
    close(top);
    getrlimit(RLIMIT_NOFILE, &limit);
    small = limit;
    small.rlim_cur = (rlim_t)top;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
    wire_expect_err(&wire, 0, "io", "no descriptor left");
    wire_expect_end(&wire);
    setrlimit(RLIMIT_NOFILE, &limit);
    connect_to(&world, &next, path);
    wire_put(&next, (struct frame){.type = FRAME_HELLO, .corr = 1}, "{\"abi\":1}", NULL);
    wire_expect(&next, &got, FRAME_WELCOME);
    world_fini(&world);
    rmdir(dir);
}

TEST(the_broker_reports_what_there_is)
{
    struct world world;
    struct wire echo, kim;
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf metrics = {0};
    struct orb_err err;

    world_init(&world);
    introspect_list(world.broker, &text);
    ck_assert_str_eq(buf_str(&text), "{\"interfaces\":[]}");
    buf_clear(&text);
    broker_expect(world.broker, world.echo, NULL);
    introspect_list(world.broker, &text);
    ck_assert_str_eq(buf_str(&text),
                     "{\"interfaces\":[{\"interface\":\"echo\",\"version\":\"1.2\",\"provider\":"
                     "\"\",\"state\":\"down\",\"methods\":5,\"topics\":3}]}");
    buf_clear(&text);
    wire_echo(&world, &echo);
    introspect_list(world.broker, &text);
    ck_assert_ptr_nonnull(strstr(buf_str(&text), "\"provider\":\"echo\",\"state\":\"up\""));
    buf_clear(&text);
    ck_assert_int_eq(introspect_describe(world.broker, "echo@1", &text, &err), 0);
    ck_assert_int_eq(scan_json(text.data, text.len, NULL, &err), 0);
    ck_assert_int_eq(introspect_describe(world.broker, "ehco", &text, &err), ORB_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "did you mean echo"));
    wire_user(&world, &kim, "k\"im", "viewer");
    say(&kim, 0, "act", NULL);
    wire_expect_err(&kim, 5, "denied", "");
    introspect_metrics(world.broker, &metrics);
    for (int row = 0; row < INTROSPECT_PEER_METRICS; row++)
        introspect_peer_metrics(world.broker, row, &metrics);
    ck_assert_ptr_nonnull(
        strstr(buf_str(&metrics), "orbital_ipc_refused_total{code=\"denied\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(
        buf_str(&metrics), "orbital_ipc_peer_refused_total{peer=\"k\\\"im\",kind=\"user\"} 1"));
    world_fini(&world);
}
