/* One-entry commit at 100 and at 10 000 rules: the engine with a service that accepts everything,
 * once on a disk (two fdatasync each) and once in memory, where nothing hides what the engine
 * itself does. The sizes take turns, so that a noisy machine hits both; medians are compared.
 * `--json` prints the figures for tools. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "plugins/config/engine.h"

#define ROUNDS 200
#define TARGET 2.0

static const char schema[] =
    "{\"interface\":\"firewall\",\"version\":\"1.0\",\"config\":{\"type\":\"object\","
    "\"properties\":{"
    "\"zones\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\",\"properties\":{}"
    "}},"
    "\"rules\":{\"type\":\"object\",\"maxProperties\":100000,\"propertyNames\":{\"pattern\":"
    "\"^[0-9]+$\"},\"additionalProperties\":{\"type\":\"object\",\"properties\":{"
    "\"from\":{\"type\":\"string\",\"x-orb-ref\":\"/firewall/zones\"},"
    "\"source\":{\"type\":\"string\"},\"protocol\":{\"enum\":[\"tcp\",\"udp\",\"any\"]},"
    "\"port\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535},"
    "\"action\":{\"enum\":[\"accept\",\"drop\"]}},\"required\":[\"action\"]}}}}}";

struct bed {
    struct engine *engine;
    char dir[64];
    unsigned rules;
    double times[ROUNDS];
    engine_done *done; /* the call under way */
    void *done_arg;
    const char *reply;
    bool failed;
};

static int on_call(void *arg, const char *to, const char *method, const char *text, size_t len,
                   uint32_t deadline_ms, engine_done *done, void *done_arg, struct orb_err *err)
{
    struct bed *b = arg;

    b->done = done;
    b->done_arg = done_arg;
    b->reply = !strcmp(method, "prepare") ? "{\"plan\":[]}" : "{}";
    return 0;
}

static void on_reply(void *arg, void *req, const char *text, size_t len)
{
}

static void on_refuse(void *arg, void *req, const struct orb_err *err)
{
    fprintf(stderr, "refused: %s: %s\n", err->path, err->text);
    ((struct bed *)arg)->failed = true;
}

static void on_publish(void *arg, uint64_t revision, const char *const *paths, size_t count)
{
}

static void on_wake(void *arg, uint64_t after_ms)
{
}

static uint64_t on_now(void *arg)
{
    return now_ms();
}

static uint64_t on_now_us(void *arg)
{
    return now_us();
}

static uint64_t on_wall(void *arg)
{
    return now_wall_us();
}

static void ask(struct bed *b, bool service, const char *method, const char *text)
{
    static const char *const grants[] = {"config.read:/", NULL};
    struct engine_caller caller = {.peer = 1,
                                   .kind = service ? CALLER_SERVICE : CALLER_USER,
                                   .name = service ? "firewall" : "ada",
                                   .grants = grants};

    engine_request(b->engine, &caller, method, text, strlen(text), b);
    while (b->done) {
        engine_done *done = b->done;

        b->done = NULL;
        done(b->done_arg, b->reply, strlen(b->reply), NULL);
    }
}

static int start(struct bed *b, const char *place, unsigned rules)
{
    const struct engine_host host = {.arg = b,
                                     .call = on_call,
                                     .reply = on_reply,
                                     .refuse = on_refuse,
                                     .publish = on_publish,
                                     .wake = on_wake,
                                     .now_ms = on_now,
                                     .now_us = on_now_us,
                                     .wall_us = on_wall};
    AUTO(buf) struct buf schemas = {0}, first = {0};
    struct orb_err err;
    bool fresh;

    *b = (struct bed){.rules = rules};
    snprintf(b->dir, sizeof(b->dir), "%s/orbt-bench-XXXXXX", place);
    if (!mkdtemp(b->dir))
        return -1;
    buf_adds(&schemas, "{\"schemas\":[{\"package\":\"firewall\",\"text\":");
    buf_add_json(&schemas, schema, strlen(schema));
    buf_adds(&schemas, "}]}");
    buf_adds(&first, "{\"firewall\":{\"zones\":{\"lan\":{},\"wan\":{}},\"rules\":{");
    for (unsigned i = 1; i <= rules; i++)
        buf_addf(&first,
                 "%s\"%u\":{\"from\":\"%s\",\"source\":\"10.%u.%u.0/24\",\"protocol\":\"tcp\","
                 "\"port\":%u,\"action\":\"accept\"}",
                 i > 1 ? "," : "", i, i % 2 ? "lan" : "wan", i / 250 % 250, i % 250, i % 65000 + 1);
    buf_adds(&first, "}}}");
    if (engine_open(&host, b->dir, schemas.data, schemas.len, &b->engine, &fresh, &err) < 0 ||
        engine_first(b->engine, first.data, first.len, &err) < 0) {
        fprintf(stderr, "cannot start with %u rules: %s\n", rules, err.text);
        return -1;
    }
    ask(b, true, "attach", "{\"paths\":[\"/firewall\"]}");
    return b->failed ? -1 : 0;
}

static void commit(struct bed *b, unsigned round)
{
    AUTO_FREE char *edit =
        buf_format("{\"ops\":[{\"op\":\"set\",\"path\":\"/firewall/rules/%u/port\",\"value\":%u}]}",
                   b->rules / 2 + 1, round % 60000 + 2000);
    uint64_t from = now_ns();

    ask(b, false, "edit", edit);
    ask(b, false, "commit", "{}");
    b->times[round] = (double)(now_ns() - from) / 1000.0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(struct bed *b)
{
    qsort(b->times, ROUNDS, sizeof(b->times[0]), compare);
    return b->times[ROUNDS / 2];
}

static void stop(struct bed *b)
{
    static const char *const files[] = {"journal-0", "subscribers.json", "candidate-ada.ops"};

    engine_free(b->engine);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO_FREE char *path = buf_format("%s/%s", b->dir, files[i]);

        unlink(path);
    }
    rmdir(b->dir);
}

/* Returns false when it could not be measured. */
static bool measure(const char *place, const char *what, bool json, bool first)
{
    static struct bed small, large; /* too big for a stack */
    bool ok = start(&small, place, 100) == 0 && start(&large, place, 10000) == 0;
    double a, b, ratio;

    for (unsigned i = 0; ok && i < ROUNDS; i++) {
        commit(i % 2 ? &small : &large, i);
        commit(i % 2 ? &large : &small, i);
        ok = !small.failed && !large.failed;
    }
    a = median(&small);
    b = median(&large);
    stop(&small);
    stop(&large);
    if (!ok)
        return false;
    ratio = b / a;
    if (json)
        printf("%s{\"name\":\"one-entry commit at 10000 rules, %s\",\"value\":%.1f,\"unit\":"
               "\"us\",\"versus\":\"at 100 rules (%.1f us)\",\"ratio\":%.2f,\"target\":%.1f,"
               "\"holds\":%s}",
               first ? "" : ",", what, b, a, ratio, TARGET, ratio <= TARGET ? "true" : "false");
    else
        printf("one-entry commit, %-10s 100 rules %8.1f us   10000 rules %8.1f us   ratio %.2f   "
               "target <= %.1f  %s\n",
               what, a, b, ratio, TARGET, ratio <= TARGET ? "holds" : "MISSED");
    return true;
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && !strcmp(argv[1], "--json");
    bool ok;

    if (json)
        printf("{\"figures\":[");
    ok =
        measure("/var/tmp", "on disk", json, true) && measure("/dev/shm", "in memory", json, false);
    if (json)
        printf("]}\n");
    return ok ? 0 : 1;
}
