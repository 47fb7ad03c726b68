/* Every way a service can go wrong, on command. Fault drills of the demo and of the system tests
 * call these; a real package has none of it. */
#include "probe.h"

#undef NDEBUG
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Deep enough for any stack; the address of each frame escapes so that no call is optimised away.
 */
__attribute__((noinline)) static int overflow(volatile char *above, int depth)
{
    volatile char frame[4096];

    frame[0] = above ? above[0] : 1;
    return depth == 0 ? frame[0] : overflow(frame, depth - 1) + frame[1 + (depth & 1)];
}

void probe_crash(const char *how)
{
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "exit"))
        _exit(42);
    if (!strcmp(how, "stack-overflow"))
        _exit(overflow(NULL, 1 << 30));
    if (!strcmp(how, "assert"))
        assert(!"this is a drill");
    *(volatile int *)(uintptr_t)8 = 1;
    abort(); /* not reached: page zero is never mapped */
}

void probe_hang(void)
{
    for (;;)
        poll(NULL, 0, -1);
}

int probe_on_crash(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    probe_crash(orb_text(in, "how", "segv"));
    return 0;
}

int probe_on_hang(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    probe_hang();
    return 0;
}

int probe_on_spin(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    int64_t ms = orb_number(in, "ms", 0);
    uint64_t until = orb_now_ms() + (uint64_t)ms;

    while (ms == 0 || orb_now_ms() < until)
        ;
    orb_reply(req, NULL);
    return 0;
}

/* One item of a flood. Returns below 0 when it was refused. */
static int send_one(struct orb_ctx *ctx, const char *kind, int64_t n)
{
    if (!strcmp(kind, "log")) {
        orb_log(ctx, ORB_INFO, "probe.noise", KV("n", n));
    } else if (!strcmp(kind, "event")) {
        cJSON *event = cJSON_CreateObject();

        orb_add_int64(event, "n", n);
        return orb_publish(ctx, "noise", event, NULL);
    } else if (!strcmp(kind, "stderr")) {
        fprintf(stderr, "acme-probe: noise %lld\n", (long long)n);
    } else if (!strcmp(kind, "metric")) {
        char name[32];

        snprintf(name, sizeof(name), "noise_%c%c", 'a' + (int)(n % 26), 'a' + (int)(n / 26 % 26));
        orb_counter_add(ctx, name, 1);
    } else {
        return orb_call(ctx, "acme-probe@1", "echo", NULL, 1000, NULL, NULL, NULL);
    }
    return 0;
}

int probe_on_flood(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const char *kind = orb_text(in, "kind", "log");
    int64_t count = orb_number(in, "count", 1);
    int64_t refused = 0;
    cJSON *out = cJSON_CreateObject();

    for (int64_t n = 0; n < count; n++)
        refused += send_one(ctx, kind, n) < 0;
    orb_add_int64(out, "sent", count - refused);
    orb_add_int64(out, "refused", refused);
    orb_reply(req, out);
    return 0;
}

int probe_on_leak(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct probe *probe = orb_user(ctx);
    int64_t bytes = orb_number(in, "bytes", 0);
    char *memory = malloc((size_t)bytes);
    cJSON *out;

    if (!memory)
        return orb_fail(err, ORB_E_NOMEM, "%lld bytes were not granted", (long long)bytes);
    memset(memory, 0x5a, (size_t)bytes);
    /* The compiler must not see that the memory is unused. */
    __asm__ volatile("" : : "r"(memory) : "memory");
    probe->leaked += bytes;
    out = cJSON_CreateObject();
    orb_add_int64(out, "leaked", probe->leaked);
    orb_reply(req, out);
    return 0;
}

int probe_on_veto(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct probe *probe = orb_user(ctx);
    const char *text = orb_text(in, "text", "");

    snprintf(probe->veto, sizeof(probe->veto), "%s", text);
    orb_reply(req, NULL);
    return 0;
}

int probe_on_fail_apply(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                        struct orb_err *err)
{
    struct probe *probe = orb_user(ctx);

    probe->fail_apply = true;
    orb_reply(req, NULL);
    return 0;
}
