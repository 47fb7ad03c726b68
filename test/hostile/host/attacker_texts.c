/* Texts that end up in front of users and their tools, contracts and files as weapons. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/hostile/host/attacker.h"

/* ---- words that end up in front of users and their tools ---- */

void w_log(void)
{
    static const char forged[] =
        "{\"level\":\"error\",\"event\":\"a\\nb\\u001b[2J\",\"kv\":{\"a\":\n"
        "{\"seq\":1,\"time-us\":1,\"level\":\"error\",\"service\":\"config\",\"event\":\"forged\","
        "\"kv\":{}}\n}}";

    ready();
    wire_say(W_LOG, forged);
    wire_say(W_LOG, "{\"level\":\"error\",\"event\":\"x\\nnotice  config       forged "
                    "{}\",\"kv\":{\"k\":\"\\nforged\"}}");
    wire_say(W_LOG, "[1,2]");
    wire_say(W_LOG, "7");
    wire_say(W_LOG, "{\"event\":7,\"level\":[],\"kv\":\"x\"}");
    shout("a\rb\033[31mc\xff\xfe");
    stay();
}
void w_metric(void)
{
    static const char *const names[] = {"up", "restarts", "breaker_open", "restarts_total",
                                        "x",  "x_total",  "ticks",        "degraded"};
    char text[120];

    ready();
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(text, sizeof(text), "{\"name\":\"%s\",\"set\":1}", names[i]);
        wire_say(W_METRIC, text);
        snprintf(text, sizeof(text), "{\"name\":\"%s\",\"add\":1}", names[i]);
        wire_say(W_METRIC, text);
    }
    wire_say(W_METRIC, "{\"name\":\"a b\",\"add\":1}");
    wire_say(W_METRIC, "{\"name\":\"a\\n# EOF\",\"add\":1}");
    wire_say(W_METRIC, "{\"name\":\"inf\",\"set\":1e999}");
    wire_say(W_METRIC, "{\"name\":\"neg\",\"add\":-5}");
    stay();
}
/* Records so large that an answer with a few of them does not fit a frame. */
void w_log_big(void)
{
    static char text[5000];

    ready();
    for (unsigned i = 0; i < 900; i++) {
        snprintf(text, sizeof(text), "{\"event\":\"big\",\"kv\":{\"a\":\"%03700u\"}}", i);
        wire_say(W_LOG, text);
    }
    wire_linger(&in, 1500);
    abort();
}

extern void *__libc_stack_end;

/* What lists of processes show: the arguments as exec laid them out, and the name. */
void w_title(void)
{
    const long *end = __libc_stack_end;
    char **argv = (char **)(end + 1);
    size_t room = strlen(argv[0]) + strlen(argv[1]) + 2;

    memset(argv[0], 0, room);
    strncpy(argv[0], "/sbin/init splash", room - 1);
    if (prctl(PR_SET_NAME, "systemd", 0, 0, 0) == 0)
        shout("attack succeeded: it is called systemd");
    if (prctl(PR_SET_MM, PR_SET_MM_ARG_START, argv[0], 0, 0) == 0)
        shout("attack succeeded: its arguments are where it likes");
    shout("attack notes: written \"%s\"", argv[0]);
}

/* ---- schemas as weapons: the host checks what this package publishes, by its own contract ---- */

static void s_bomb(const char *topic, const char *payload)
{
    char env[80];

    ready();
    snprintf(env, sizeof(env), "{\"topic\":\"%s\"}", topic);
    for (int i = 0; i < 3; i++) {
        uint64_t begin = wire_now();
        const char *code;

        code = wire_ask(&in, W_PUB, 0, 0, env, payload);
        shout("attack notes: %s %s after %u ms", topic, code, (unsigned)(wire_now() - begin));
    }
    stay();
}
void s_regex(void)
{
    static char text[250000];
    size_t n = 0;

    n += (size_t)sprintf(text, "{\"a\":[");
    while (n < 240000)
        n += (size_t)sprintf(text + n, "%s\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
                             text[n - 1] == '[' ? "" : ",");
    sprintf(text + n, "]}");
    s_bomb("regex", text);
}
void s_any(void)
{
    s_bomb("any", "{\"a\":[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]}");
}
void s_unique(void)
{
    static char text[250000];
    size_t n = 0;

    n += (size_t)sprintf(text, "{\"a\":[");
    for (unsigned i = 0; n < 240000; i++)
        n += (size_t)sprintf(text + n, "%s%u", i ? "," : "", i);
    sprintf(text + n, "]}");
    s_bomb("unique", text);
}

/* ---- the state directory ---- */

void x_state_files(void)
{
    char path[64];
    unsigned n = 0;

    ready();
    for (unsigned d = 0; d < 20; d++) {
        snprintf(path, sizeof(path), "/state/%u", d);
        mkdir(path, 0700);
        for (unsigned i = 0; i < 1500; i++) {
            int fd;

            snprintf(path, sizeof(path), "/state/%u/%u", d, i);
            fd = open(path, O_CREAT | O_WRONLY, 0600);
            if (fd >= 0)
                n++, close(fd);
        }
        while (wire_next(&in, 0, true))
            ;
    }
    shout("attack notes: made %u files", n);
    stay();
}

/* Writes until something ends it. removed: into files that no directory has any more. */
static void fill(bool removed)
{
    static char data[1 << 20];
    char path[64];

    ready();
    for (unsigned n = 0; n < 16384; n++) {
        int fd;

        snprintf(path, sizeof(path), "/state/fill%u", n);
        fd = open(path, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            break;
        if (removed)
            unlink(path);
        if (fallocate(fd, 0, 0, 64 << 20) == 0)
            shout("attack succeeded: 64 MiB without writing them");
        for (unsigned i = 0; i < (removed ? 64 : 8); i++) {
            if (write(fd, data, sizeof(data)) < 0)
                break;
            while (wire_next(&in, 0, true))
                ;
        }
        if (!removed)
            close(fd);
    }
    shout("attack notes: nothing more can be written");
    stay();
}

void x_state_fill(void)
{
    fill(false);
}

void x_state_removed(void)
{
    fill(true);
}

/* Where no count would look. */
void x_state_deep(void)
{
    char path[256] = "/state";

    ready();
    for (unsigned n = 0; n < 60 && mkdir(strcat(path, "/d"), 0700) == 0; n++)
        ;
    stay();
}
