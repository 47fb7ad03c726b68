/* Requests without a grant, replies to requests of others, text that is not JSON. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/hostile/host/attacker.h"

/* ---- asking for what was not granted ---- */

void a_calls(void)
{
    static const char *const calls[][3] = {
        {"config@1", "get", "{}"},
        {"config@1", "edit",
         "{\"ops\":[{\"op\":\"set\",\"path\":\"/services/attacker/enabled\",\"value\":true}]}"},
        {"config@1", "commit", "{}"},
        {"config@1", "attach", "{\"paths\":[\"/\"]}"},
        {"host@1", "services", "{}"},
        {"host@1", "logs", "{}"},
        {"host@1", "schemas", "{}"},
        {"host@1", "service-stop", "{\"name\":\"config\"}"},
        {"host@1", "service-restart", "{\"name\":\"acme-probe\"}"},
        {"auth@1", "whoami", "{}"},
        {"auth@1", "token-create", "{\"name\":\"v\",\"role\":\"admin\"}"},
        {"auth@1", "login", "{\"token\":\"orb_x\"}"},
        {"auth@1", "token-list", "{}"},
        {"dataplane@1", "begin", "{}"},
        {"dataplane@1", "status", "{}"},
        {"acme-probe@1", "echo", "{\"text\":\"x\"}"},
        {"acme-probe@1", "crash", "{\"how\":\"segv\"}"},
        {"service.acme-probe@1", "prepare", "{\"tx\":1,\"revision\":9,\"patch\":[]}"},
        {"service.acme-probe@1", "abort", "{\"tx\":1,\"applied\":true}"},
        {"service.config@1", "apply", "{\"tx\":1}"},
    };
    char env[200], what[100];

    ready();
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        snprintf(env, sizeof(env), "{\"to\":\"%s\",\"method\":\"%s\"}", calls[i][0], calls[i][1]);
        snprintf(what, sizeof(what), "call %s/%s", calls[i][0], calls[i][1]);
        refused(what, wire_ask(&in, W_REQ, 0, 0, env, calls[i][2]), "denied not-found unavailable");
        refused(what, wire_ask(&in, W_OPEN, 0, 0, env, NULL), "denied not-found unavailable");
    }
    stay();
}
void a_subscribe(void)
{
    static const char *const topics[][2] = {
        {"config", "committed"}, {"config", "*"},     {"host", "service-state"}, {"host", "*"},
        {"acme-probe", "noise"}, {"acme-probe", "*"}, {"not-yet-there", "*"},    {"*", "*"}};
    char env[200];

    ready();
    for (unsigned i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        snprintf(env, sizeof(env), "{\"to\":\"%s\",\"topic\":\"%s\"}", topics[i][0], topics[i][1]);
        refused(env, wire_ask(&in, W_SUB, 0, 0, env, NULL), "denied not-found");
    }
    stay();
}
void a_publish(void)
{
    static const char *const envs[] = {"{\"topic\":\"committed\"}",
                                       "{\"from\":\"config\",\"topic\":\"committed\"}",
                                       "{\"to\":\"config\",\"topic\":\"committed\"}",
                                       "{\"topic\":\"config/committed\"}",
                                       "{\"topic\":\"service-state\"}",
                                       "{\"from\":\"host\",\"topic\":\"service-state\"}",
                                       "{}",
                                       "{\"topic\":\"*\"}"};

    ready();
    for (unsigned i = 0; i < sizeof(envs) / sizeof(envs[0]); i++)
        refused(envs[i],
                wire_ask(&in, W_PUB, 0, 0, envs[i], "{\"revision\":999,\"paths\":[\"/services\"]}"),
                "not-found invalid schema");
    stay();
}
void a_routes(void)
{
    static const uint32_t handles[] = {
        1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 1023, 1024, 1025, 0x7fffffff, 0x80000000, 0xffffffff};
    char what[40];

    ready();
    for (unsigned i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        snprintf(what, sizeof(what), "route %u", handles[i]);
        refused(what, wire_ask(&in, W_REQ, handles[i], 0, NULL, "{\"text\":\"x\"}"), "invalid");
    }
    stay();
}
/* The other's answers: the driver calls acme-probe all the time and checks what it receives. */
void a_replies(void)
{
    uint64_t until = wire_now() + 2500;

    ready();
    while (wire_now() < until)
        for (uint32_t slot = 0; slot < 64; slot++) {
            while (wire_next(&in, 0, true))
                ;
            for (uint32_t generation = 0; generation < 40; generation++) {
                struct wire_frame h = {.type = W_REP, .corr = slot << 16 | generation};

                wire_frame(h, NULL, "{\"text\":\"forged\"}");
                h.type = W_ERR;
                wire_frame(h, "{\"err\":{\"code\":\"denied\",\"text\":\"forged\"}}", NULL);
            }
        }
    shout("attack notes: forged replies were sent");
    stay();
}
/* Answers each request twice, the second time with an error, then with the number of the last. */
void a_twice(void)
{
    uint32_t old = 0;

    ready();
    for (;;)
        while (wire_next(&in, 1000, true)) {
            struct wire_frame h = {.type = W_REP, .corr = in.head.corr};

            if (in.head.type == W_STOP)
                _exit(0);
            if (in.head.type != W_REQ)
                continue;
            if (old) {
                h.corr = old;
                wire_frame(h, NULL, "{\"text\":\"forged\"}");
                h.corr = in.head.corr;
            }
            wire_frame(h, NULL, "{\"text\":\"once\"}");
            wire_frame(h, NULL, "{\"text\":\"forged\"}");
            h.type = W_ERR;
            wire_frame(h, "{\"err\":{\"code\":\"denied\",\"text\":\"forged\"}}", NULL);
            old = in.head.corr;
        }
}
/* Wrong output, output with an envelope, output that is no JSON, an empty error. */
void a_outputs(void)
{
    unsigned n = 0;

    ready();
    for (;;)
        while (wire_next(&in, 1000, true)) {
            struct wire_frame h = {.type = W_REP, .corr = in.head.corr};

            if (in.head.type == W_STOP)
                _exit(0);
            if (in.head.type != W_REQ)
                continue;
            switch (n++ % 8) {
            case 0:
                wire_frame(h, NULL, "{\"text\":42}");
                break;
            case 1:
                wire_frame(h, NULL, "{\"text\":\"forged\",\"more\":1}");
                break;
            case 2:
                wire_frame(h, "{\"a\":1}", "{\"text\":\"forged\"}");
                break;
            case 3:
                wire_frame(h, NULL, "{\"text\":\"forged\"} x");
                break;
            case 4:
                wire_frame(h, NULL, "{\"text\":\"a\",\"text\":\"forged\"}");
                break;
            case 5:
                wire_frame(h, NULL, "{\"text\":\"\\u0000\"}");
                break;
            case 6:
                h.type = W_ERR;
                wire_frame(h, "{\"err\":7}", NULL);
                break;
            case 7:
                h.type = W_ERR;
                wire_frame(h, "{\"err\":{\"code\":\"no-such\",\"text\":\"\\u001b[2J\"}", NULL);
            }
        }
}
void a_json(void)
{
    static char deep[20000];
    static const char *const texts[] = {"{\"limit\":1,\"limit\":2}",
                                        "{\"limit\":1}x",
                                        "{\"limit\":1",
                                        "{\"service\":\"\\u0000\"}",
                                        "{\"service\":\"\\ud800\"}",
                                        "{\"service\":\"\xff\xfe\"}",
                                        "{\"service\":\"\xc0\x80\"}",
                                        "{\"service\":\"\xed\xa0\x80\"}",
                                        "{\"limit\":18446744073709551617}",
                                        "{\"limit\":01}",
                                        "{\"limit\":NaN}",
                                        "{limit:1}",
                                        "{'limit':1}",
                                        "\xef\xbb\xbf{}",
                                        "[]",
                                        "null",
                                        "{\"Limit\":1}",
                                        "{\"limit\":1.5}",
                                        "{\"limit\":1e400}",
                                        "{\"after\":9223372036854775808}",
                                        "{\"a\\u006c\":1}",
                                        "/**/{}",
                                        "{\"limit\":1,}",
                                        "{\"service\":\"a\tb\"}"};

    ready();
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        refused(texts[i],
                wire_ask(&in, W_REQ, 0, 0, "{\"to\":\"host@1\",\"method\":\"logs\"}", texts[i]),
                "syntax schema limit");
    memset(deep, '[', sizeof(deep) - 1);
    refused("20000 brackets",
            wire_ask(&in, W_REQ, 0, 0, "{\"to\":\"host@1\",\"method\":\"logs\"}", deep),
            "syntax limit");
    memset(deep, 'x', sizeof(deep) - 1);
    refused("envelope with a second to",
            wire_ask(&in, W_REQ, 0, 0, "{\"to\":\"host@1\",\"method\":\"boot\",\"to\":\"auth@1\"}",
                     "{}"),
            "syntax");
    refused("envelope that is a list", wire_ask(&in, W_REQ, 0, 0, "[1]", "{}"), "invalid syntax");
    refused("to with a zero",
            wire_ask(&in, W_REQ, 0, 0, "{\"to\":\"host@1\\u0000\",\"method\":\"boot\"}", "{}"),
            "syntax");
    /* An allowed one with a whole number beyond 2^53: exact or refused, never another number. */
    wire_ask(&in, W_REQ, 0, 0, "{\"to\":\"acme-probe@1\",\"method\":\"slow\"}",
             "{\"ms\":9007199254740993}");
    if (!strstr(in.text, "9007199254740993") && strstr(in.text, "900719925474099"))
        shout("attack succeeded: 2^53+1 became %.100s", in.text);
    stay();
}
