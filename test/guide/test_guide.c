/* The example of docs/plugin-guide.md does what the guide specifies. */
#include "test/guide/package.h"

enum { HELLO = 1, PREPARE, APPLY, ABORT };
#define METHODS                                                                                    \
    "\"greeter/hello\",\"service.greeter/prepare\",\"service.greeter/apply\",\"service.greeter/"   \
    "abort\""
#define SET(tx, word)                                                                              \
    "{\"tx\":" tx ",\"revision\":2,\"patch\":[{\"op\":\"set\",\"path\":\"/greeter/word\","         \
    "\"value\":\"" word "\"}]}"

static void start(struct fakehost *h, const char *tree)
{
    package_start(h, "lib/greeter.so", METHODS, tree);
}

static void expect_greeting(struct fakehost *h, const char *name, const char *text, int count)
{
    AUTO_FREE char *in = buf_format("{\"name\":\"%s\"}", name);
    AUTO_FREE char *out = buf_format("{\"text\":\"%s\"}", text);
    AUTO_FREE char *event = buf_format("{\"name\":\"%s\",\"count\":%d}", name, count);
    struct fakeframe f;

    package_ask(h, HELLO, 9, in, FRAME_PUB, &f);
    ck_assert_str_eq(f.env, "{\"topic\":\"greeted\"}");
    ck_assert_str_eq(f.payload, event);
    fakehost_expect(h, FRAME_REP, &f);
    ck_assert_str_eq(f.payload, out);
}

TEST(the_contract_of_the_example_compiles)
{
    package_check_contract("greeter");
}

TEST(the_example_greets_and_reports)
{
    struct fakehost h;

    start(&h, "{}");
    expect_greeting(&h, "Ada", "Hello, Ada!", 1);
    expect_greeting(&h, "Bob", "Hello, Bob!", 2);
    fakehost_stop(&h);
}

TEST(the_example_follows_its_configuration_and_is_undone)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h, "{\"greeter\":{\"word\":\"Servus\",\"banned\":\"Eve\"}}");
    expect_greeting(&h, "Ada", "Servus, Ada!", 1);
    package_ask(&h, PREPARE, 7, SET("5", "Moin"), FRAME_REP, &f);
    ck_assert_str_eq(f.payload, "{\"plan\":[{\"kind\":\"live\",\"text\":\"use another word\"}]}");
    expect_greeting(&h, "Ada", "Servus, Ada!", 2);
    package_ask(&h, APPLY, 7, "{\"tx\":5}", FRAME_REP, &f);
    expect_greeting(&h, "Ada", "Moin, Ada!", 3);
    package_ask(&h, ABORT, 7, "{\"tx\":5,\"applied\":true}", FRAME_REP, &f);
    expect_greeting(&h, "Ada", "Servus, Ada!", 4);
    package_ask(&h, PREPARE, 7, SET("6", "Eve"), FRAME_ERR, &f);
    ck_assert_str_eq(f.env,
                     "{\"err\":{\"code\":\"config.veto\",\"text\":\"\\\"Eve\\\" is a name that "
                     "is not greeted\",\"path\":\"/greeter/word\"}}");
    fakehost_stop(&h);
}
