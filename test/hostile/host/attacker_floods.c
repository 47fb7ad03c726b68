/* Floods: the host must bound what each costs the others. */
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

/* ---- floods ---- */

#define FLOOD_MS 1000

static void flood(bool (*once)(unsigned n))
{
    uint64_t until = wire_now() + FLOOD_MS;
    unsigned n = 0;

    ready();
    while (wire_now() < until) {
        for (unsigned i = 0; i < 64; i++)
            if (!once(n++)) {
                shout("attack notes: disconnected after %u", n);
                still();
            }
        while (wire_next(&in, 0, true))
            ;
    }
    shout("attack notes: sent %u", n);
    stay();
}
static bool one_log(unsigned n)
{
    char text[120];

    snprintf(text, sizeof(text), "{\"level\":\"error\",\"event\":\"flood\",\"kv\":{\"n\":%u}}", n);
    return wire_say(W_LOG, text);
}
static bool one_metric(unsigned n)
{
    char text[120];

    snprintf(text, sizeof(text), "{\"name\":\"m%u\",\"add\":1}", n % 100000);
    return wire_say(W_METRIC, text);
}
static bool one_line(unsigned n)
{
    static char line[1001];

    memset(line, 'a', 1000);
    line[1000] = '\n';
    return n % 4 == 3 ? wire_say(W_LOG, "{\"event\":\"x\"}")
                      : write(STDERR_FILENO, line, 1001) != 0;
}
static bool one_event(unsigned n)
{
    char text[120];

    snprintf(text, sizeof(text), "{\"n\":%u}", n);
    return wire_frame((struct wire_frame){.type = W_PUB}, "{\"topic\":\"noise\"}", text);
}
static bool one_big_event(unsigned n)
{
    static char text[200000];

    memset(text, ' ', sizeof(text) - 1);
    memcpy(text, "{\"n\":1", 6);
    text[sizeof(text) - 2] = '}';
    return wire_frame((struct wire_frame){.type = W_PUB}, "{\"topic\":\"noise\"}", text);
}
static bool one_call(unsigned n)
{
    return wire_frame((struct wire_frame){.type = W_REQ, .corr = n},
                      "{\"to\":\"acme-probe@1\",\"method\":\"echo\"}", "{\"text\":\"x\"}");
}
static bool one_metrics_call(unsigned n)
{
    return wire_frame((struct wire_frame){.type = W_REQ, .corr = n},
                      "{\"to\":\"host@1\",\"method\":\"metrics\"}", "{}");
}
static bool one_logs_call(unsigned n)
{
    return wire_frame((struct wire_frame){.type = W_REQ, .corr = n},
                      "{\"to\":\"host@1\",\"method\":\"logs\"}", "{\"limit\":1000}");
}
static bool one_bad_call(unsigned n)
{
    return wire_frame((struct wire_frame){.type = W_REQ, .corr = n},
                      "{\"to\":\"no-such-thing@1\",\"method\":\"x\"}", "{\"text\":\"x\"}");
}
static bool one_denied(unsigned n)
{
    return wire_frame((struct wire_frame){.type = W_REQ, .corr = n},
                      "{\"to\":\"config@1\",\"method\":\"commit\"}", "{}");
}
static bool one_bad_json(unsigned n)
{
    return wire_say(W_LOG, "{\"event\":\"\\u0000\"}");
}
void d_log(void)
{
    flood(one_log);
}
void d_metric(void)
{
    flood(one_metric);
}
void d_stderr(void)
{
    flood(one_line);
}
void d_events(void)
{
    flood(one_event);
}
void d_events_big(void)
{
    flood(one_big_event);
}
void d_call(void)
{
    flood(one_call);
}
void d_metrics_call(void)
{
    flood(one_metrics_call);
}
void d_logs_call(void)
{
    flood(one_logs_call);
}
void d_bad_call(void)
{
    flood(one_bad_call);
}
void d_denied(void)
{
    flood(one_denied);
}
void d_bad_json(void)
{
    flood(one_bad_json);
}

/* 1000 requests that take a second each: 64 may be under way. */
void d_pending(void)
{
    unsigned busy = 0, answered = 0;

    ready();
    for (uint32_t i = 0; i < 1000; i++)
        wire_frame((struct wire_frame){.type = W_REQ, .corr = 1000 + i},
                   "{\"to\":\"acme-probe@1\",\"method\":\"slow\"}", "{\"ms\":1000}");
    while (busy + answered < 1000 && wire_next(&in, 5000, true)) {
        busy += in.head.type == W_ERR;
        answered += in.head.type == W_REP;
    }
    if (answered > 64 || answered + busy < 1000)
        shout("attack succeeded: %u of 1000 answered, %u refused", answered, busy);
    else
        shout("attack refused: pending: %u answered, %u busy", answered, busy);
    stay();
}
/* Requests much and never reads the answers. */
void d_slow_reader(void)
{
    static char text[100100];
    unsigned n = 0;

    ready();
    memset(text, 'x', 100000);
    memcpy(text, "{\"text\":\"", 9);
    memcpy(text + 100000, "\"}", 3);
    while (wire_frame((struct wire_frame){.type = W_REQ, .corr = ++n},
                      "{\"to\":\"acme-probe@1\",\"method\":\"echo\"}", text))
        ;
    shout("attack notes: disconnected after %u requests", n);
    still();
}
void d_tables(void)
{
    char env[200];

    ready();
    for (unsigned i = 0; i < 6000; i++) {
        snprintf(env, sizeof(env), "{\"to\":\"i%u\",\"topic\":\"t%u\"}", i, i);
        wire_frame((struct wire_frame){.type = W_SUB, .corr = i}, env, NULL);
        snprintf(env, sizeof(env), "{\"to\":\"acme-probe@1%s%u\",\"method\":\"echo\"}",
                 i ? "." : "", 0);
        wire_frame((struct wire_frame){.type = W_OPEN, .corr = i}, env, NULL);
        while (wire_next(&in, 0, true))
            ;
    }
    stay();
}
