/* core/ipc/resolve.c: who may call which method and receive which event. */
#include "core/base/xalloc.h"
#include "core/ipc/peers.h"
#include "test/unit/ipc/wire.h"

struct row {
    const char *method;
    bool allowed;
    const char *words;
};

/* Calls the method of every row; allowed calls reach echo. */
static void ask(struct wire *caller, struct wire *echo, const char *to, const struct row *rows,
                size_t count)
{
    AUTO(got) struct got got = {0};

    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *env = buf_format("{\"to\":\"%s\",\"method\":\"%s\"}", to, rows[i].method);
        bool say = !strcmp(rows[i].method, "say");

        wire_put(caller, (struct frame){.type = FRAME_REQ, .corr = 10 + (uint32_t)i}, env,
                 say ? "{\"text\":\"a\"}" : "{}");
        if (!rows[i].allowed) {
            wire_expect_err(caller, 10 + (uint32_t)i, "denied", rows[i].words);
            continue;
        }
        wire_get(echo, &got);
        if (got.h.type == FRAME_PEER)
            wire_expect(echo, &got, FRAME_REQ);
        ck_assert_uint_eq(got.h.type, FRAME_REQ);
        wire_put(echo, (struct frame){.type = FRAME_REP, .corr = got.h.corr}, NULL, "{}");
        wire_expect(caller, &got, FRAME_REP);
    }
}

TEST(a_role_covers_its_rank_and_those_below)
{
    static const struct {
        const char *role;
        struct row rows[4];
    } table[] = {
        {"viewer",
         {{"say", true, ""},
          {"act", false, "it requires the role operator, kim is viewer"},
          {"set", false, "it requires the role admin"},
          {"secret", false, "for services only"}}},
        {"operator",
         {{"say", true, ""},
          {"act", true, ""},
          {"set", false, "requires the role admin, kim is operator"},
          {"secret", false, "for services only"}}},
        {"admin",
         {{"say", true, ""},
          {"act", true, ""},
          {"set", true, ""},
          {"secret", false, "for services only"}}},
        {"guest",
         {{"say", false, "requires the role viewer"},
          {"act", false, ""},
          {"set", false, ""},
          {"secret", false, ""}}},
    };
    struct world world;
    struct wire echo, users[ARRAY_LEN(table)];

    world_init(&world);
    wire_echo(&world, &echo);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        wire_user(&world, &users[i], "kim", table[i].role);
        ask(&users[i], &echo, "echo", table[i].rows, 4);
    }
    ck_assert_ptr_nonnull(strstr(buf_str(&world.log), "ipc.denied peer=kim"));
    world_fini(&world);
}

TEST(a_service_calls_only_what_its_capabilities_name)
{
    static const struct {
        const char *capabilities[3];
        bool say, secret;
    } table[] = {
        {{NULL}, false, false},
        {{"ipc.call:echo/say", NULL}, true, false},
        {{"ipc.call:echo/*", NULL}, true, true},
        {{"ipc.call:echo/say", "ipc.call:echo/secret", NULL}, true, true},
        {{"ipc.call:echo2/*", "ipc.call:ech/*", NULL}, false, false},
        {{"ipc.call:*/*", "ipc.call:service.*/*", NULL}, false, false},
        {{"ipc.subscribe:echo/*", "ipc.call:echo", NULL}, false, false},
        {{"ipc.call:echo/sa", "ipc.call:echo/say2", NULL}, false, false},
    };
    struct world world;
    struct wire echo, services[ARRAY_LEN(table)];

    world_init(&world);
    wire_echo(&world, &echo);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct row rows[] = {
            {"say", table[i].say, "it lacks the capability ipc.call:echo/say"},
            {"secret", table[i].secret, "it lacks the capability ipc.call:echo/secret"}};

        wire_service(&world, &services[i], "dns", table[i].capabilities);
        ask(&services[i], &echo, "echo", rows, 2);
    }
    world_fini(&world);
}

/* The refusals of a name that exists and of one that does not, without the names. */
static void refusals(struct wire *peer, enum frame_type type, const char *key, const char *code)
{
    static const char *const names[] = {"echo", "ghost"};
    char *texts[2];

    for (unsigned i = 0; i < 2; i++) {
        AUTO_FREE char *env = buf_format("{\"to\":\"%s\",\"%s\":\"say\"}", names[i], key);
        AUTO(got) struct got got = {0};
        char *at;

        wire_put(peer, (struct frame){.type = type, .corr = 70 + i}, env,
                 type == FRAME_REQ ? "{}" : NULL);
        wire_expect(peer, &got, FRAME_ERR);
        ck_assert_ptr_nonnull(strstr(got.env, code));
        ck_assert_ptr_null(strstr(got.env, "there are"));
        texts[i] = xstrdup(got.env);
        while ((at = strstr(texts[i], names[i])))
            memmove(at, at + strlen(names[i]), strlen(at + strlen(names[i])) + 1);
    }
    ck_assert_str_eq(texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
}

TEST(a_refusal_does_not_disclose_to_a_service_what_there_is)
{
    static const char *const none[] = {"ipc.call:service.*/*", NULL};
    struct world world;
    struct wire echo, dns;

    world_init(&world);
    wire_echo(&world, &echo);
    wire_service(&world, &dns, "dns", none);
    refusals(&dns, FRAME_REQ, "method", "\"denied\"");
    refusals(&dns, FRAME_OPEN, "method", "\"denied\"");
    refusals(&dns, FRAME_SUB, "topic", "\"denied\"");
    /* Also what is granted, but is not there, lists nothing. */
    wire_put(&dns, (struct frame){.type = FRAME_REQ, .corr = 9},
             "{\"to\":\"service.gone\",\"method\":\"x\"}", "{}");
    wire_expect_err(&dns, 9, "not-found", "no interface \\\"service.gone\\\"\"");
    world_fini(&world);
}

TEST(only_who_may_reaches_the_methods_of_a_service)
{
    static const char *const all[] = {"ipc.call:service.*/*", NULL};
    static const char *const none[] = {"ipc.call:dns/*", NULL};
    struct peer_spec spec = {.kind = PEER_SERVICE, .name = "dns", .has_config = true};
    static const struct row may_not[] = {{"apply", false, "ipc.call:service.dns/apply"}};
    struct world world;
    struct wire dns, config, other, admin;
    AUTO(got) struct got got = {0};

    world_init(&world);
    wire_connect(&world, &dns, &spec);
    wire_put(&dns, (struct frame){.type = FRAME_HELLO, .corr = 9}, "{\"abi\":1}", NULL);
    wire_expect(&dns, &got, FRAME_WELCOME);
    ck_assert_uint_eq(got.h.corr, 9);
    ck_assert_ptr_nonnull(strstr(got.payload, "\"methods\":[\"service.dns/abort\",\"service.dns/"
                                              "apply\",\"service.dns/prepare\"]"));
    wire_service(&world, &config, "config", all);
    wire_service(&world, &other, "other", none);
    wire_user(&world, &admin, "root", "admin");
    /* not open yet: these are served from HELLO on */
    wire_put(&config, (struct frame){.type = FRAME_REQ, .corr = 1},
             "{\"to\":\"service.dns@1\",\"method\":\"apply\"}", "{\"tx\":1}");
    wire_expect(&dns, &got, FRAME_PEER);
    wire_expect(&dns, &got, FRAME_REQ);
    ck_assert_uint_eq(got.h.handle, 2);
    ask(&other, &dns, "service.dns", may_not, 1);
    wire_put(&admin, (struct frame){.type = FRAME_REQ, .corr = 1},
             "{\"to\":\"service.dns@1\",\"method\":\"apply\"}", "{\"tx\":1}");
    wire_expect_err(&admin, 1, "denied", "for services only");
    world_fini(&world);
}

TEST(a_second_provider_of_an_interface_is_refused)
{
    struct peer_spec spec = {.kind = PEER_SERVICE, .name = "thief"};
    struct world world;
    struct wire echo;
    struct orb_err err;
    int fds[2];

    world_init(&world);
    wire_echo(&world, &echo);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    spec.contract = world.echo;
    ck_assert_ptr_null(peers_add(world.broker, fds[0], &spec, &err));
    ck_assert_int_eq(err.code, ORB_E_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "echo already provides"));
    close(fds[0]);
    close(fds[1]);
    world_fini(&world);
}
