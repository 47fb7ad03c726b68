/* subprojects/acme-probe: every drill fails the way its README describes. */
#include <signal.h>
#include <sys/resource.h>

#include "test/guide/package.h"

enum {
    M_STATUS = 1,
    M_ECHO,
    M_SLOW,
    M_CRASH,
    M_HANG,
    M_SPIN,
    M_FLOOD,
    M_LEAK,
    M_VETO,
    M_FAIL_APPLY,
    M_PREPARE,
    M_APPLY,
    M_ABORT
};
#define METHODS                                                                                    \
    "\"acme-probe/status\",\"acme-probe/echo\",\"acme-probe/slow\",\"acme-probe/crash\","          \
    "\"acme-probe/hang\",\"acme-probe/spin\",\"acme-probe/flood\",\"acme-probe/leak\","            \
    "\"acme-probe/veto\",\"acme-probe/fail-apply\",\"service.acme-probe/prepare\","                \
    "\"service.acme-probe/apply\",\"service.acme-probe/abort\""
#define SET(leaf, value)                                                                           \
    "{\"tx\":5,\"revision\":2,\"patch\":[{\"op\":\"set\",\"path\":\"/acme-probe/" leaf             \
    "\",\"value\":" value "}]}"

/* Read by the address sanitizer, where there is one: a fault here is what is tested, and must end
 * the process as it does in a plain build. */
const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *__asan_default_options(void)
{
    return "handle_segv=0:handle_abort=0";
}

static void start(struct fakehost *h, const char *tree)
{
    package_start(h, "lib/acme-probe.so", METHODS, tree);
}

TEST(the_contract_of_the_probe_compiles)
{
    package_check_contract("acme-probe");
}

TEST(the_probe_ticks_echoes_and_reports)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h, "{\"acme-probe\":{\"greeting\":\"hi\",\"targets\":{\"gw\":{\"address\":\"192.0.2.1\","
              "\"interval\":10}}}}");
    fakehost_expect(&h, FRAME_PUB, &f);
    ck_assert_str_eq(f.env, "{\"topic\":\"tick\"}");
    ck_assert_str_eq(f.payload, "{\"target\":\"gw\",\"count\":1}");
    fakehost_send(&h, FRAME_REQ, M_SLOW, 21, 9, 5000, NULL, "{\"ms\":30}");
    fakehost_send(&h, FRAME_REQ, M_ECHO, 22, 9, 5000, NULL, "{\"text\":\"x\"}");
    fakehost_until(&h, FRAME_REP, &f);
    ck_assert_uint_eq(f.head.corr, 22);
    ck_assert_str_eq(f.payload, "{\"text\":\"x\"}");
    fakehost_until(&h, FRAME_REP, &f);
    ck_assert_uint_eq(f.head.corr, 21);
    fakehost_send(&h, FRAME_REQ, M_STATUS, 23, 9, 5000, NULL, "{}");
    fakehost_until(&h, FRAME_REP, &f);
    ck_assert_ptr_nonnull(strstr(f.payload, "\"greeting\":\"hi\""));
    ck_assert_ptr_nonnull(strstr(f.payload, "\"gw\":{\"address\":\"192.0.2.1\",\"interval\":10,"));
    fakehost_stop(&h);
}

static void expect_end(const char *how, int code)
{
    AUTO_FREE char *in = buf_format("{\"how\":\"%s\"}", how);
    struct fakehost h;

    start(&h, "{}");
    fakehost_send(&h, FRAME_REQ, M_CRASH, 21, 9, 5000, NULL, in);
    ck_assert_int_eq(fakehost_wait(&h), code);
}

TEST(the_probe_crashes_as_told)
{
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    expect_end("segv", -SIGSEGV);
    expect_end("abort", -SIGABRT);
    expect_end("exit", 42);
    expect_end("stack-overflow", -SIGSEGV);
    expect_end("assert", -SIGABRT);
}

TEST(the_probe_crashes_after_a_while_and_inside_a_change)
{
    struct rlimit none = {0, 0};
    struct fakehost h;

    setrlimit(RLIMIT_CORE, &none);
    start(&h, "{\"acme-probe\":{\"crash-after-ms\":20}}");
    ck_assert_int_eq(fakehost_wait(&h), -SIGSEGV);
    start(&h, "{}");
    fakehost_send(&h, FRAME_REQ, M_PREPARE, 21, 7, 5000, NULL, SET("crash-in", "\"prepare\""));
    ck_assert_int_eq(fakehost_wait(&h), -SIGSEGV);
}

TEST(the_probe_refuses_changes_as_told)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h, "{}");
    package_ask(&h, M_PREPARE, 7, SET("refuse", "\"not today\""), FRAME_ERR, &f);
    ck_assert_str_eq(f.env, "{\"err\":{\"code\":\"config.veto\",\"text\":\"not today\",\"path\":"
                            "\"/acme-probe/refuse\"}}");
    package_ask(&h, M_VETO, 9, "{\"text\":\"no\"}", FRAME_REP, &f);
    package_ask(&h, M_PREPARE, 7, SET("greeting", "\"a\""), FRAME_ERR, &f);
    ck_assert_ptr_nonnull(strstr(f.env, "\"text\":\"no\""));
    package_ask(&h, M_PREPARE, 7, SET("targets/x", "{\"address\":\"1.2.3\"}"), FRAME_ERR, &f);
    ck_assert_ptr_nonnull(strstr(f.env, "\"path\":\"/acme-probe/targets/x/address\""));
    package_ask(&h, M_FAIL_APPLY, 9, "{}", FRAME_REP, &f);
    package_ask(&h, M_PREPARE, 7, SET("greeting", "\"a\""), FRAME_REP, &f);
    package_ask(&h, M_APPLY, 7, "{\"tx\":5}", FRAME_ERR, &f);
    package_ask(&h, M_ABORT, 7, "{\"tx\":5,\"applied\":false}", FRAME_REP, &f);
    package_ask(&h, M_PREPARE, 7, SET("greeting", "\"a\""), FRAME_REP, &f);
    package_ask(&h, M_APPLY, 7, "{\"tx\":5}", FRAME_REP, &f);
    fakehost_stop(&h);
}

TEST(a_flood_reaches_a_host_that_reads)
{
    struct fakehost h;
    struct fakeframe f;
    int events = 0;

    start(&h, "{}");
    fakehost_send(&h, FRAME_REQ, M_FLOOD, 21, 9, 5000, NULL, "{\"kind\":\"event\",\"count\":2000}");
    for (;;) {
        fakehost_read(&h, &f);
        if (f.head.type != FRAME_PUB)
            break;
        events++;
    }
    ck_assert_uint_eq(f.head.type, FRAME_REP);
    ck_assert_str_eq(f.payload, "{\"sent\":2000,\"refused\":0}");
    ck_assert_int_eq(events, 2000);
    fakehost_stop(&h);
}

TEST(a_flood_of_logs_is_sent_or_counted_as_dropped)
{
    struct fakehost h;
    struct fakeframe f;
    long seen = 0;

    start(&h, "{}");
    fakehost_send(&h, FRAME_REQ, M_FLOOD, 21, 9, 5000, NULL, "{\"kind\":\"log\",\"count\":50000}");
    /* How many are dropped depends on how fast we read; none may be lost without a word. */
    while (seen < 50000) {
        const char *dropped;

        fakehost_until(&h, FRAME_LOG, &f);
        dropped = strstr(f.payload, "\"sdk.dropped\",\"kv\":{\"frames\":");
        if (dropped)
            seen += strtol(strrchr(dropped, ':') + 1, NULL, 10);
        else
            seen += strstr(f.payload, "probe.noise") != NULL;
    }
    ck_assert_int_eq(seen, 50000);
    fakehost_stop(&h);
}
