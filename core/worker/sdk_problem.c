/* Problems reported by a service: kept here by key, sent to the host as one list whenever it
 * changed, at the end of the loop's turn. The host replaces its list by it, so a frame lost with
 * the worker has no lasting effect. */
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_problem.h"
#include "core/worker/sdk_wire.h"

#define RETRY_MS 100 /* the host does not read just now */

static void write_problem(struct json_write *w, const struct sdk_problem *p)
{
    json_write_object(w, NULL);
    json_write_string(w, "level", p->level == ORB_PROBLEM_FAILED ? "failed" : "degraded");
    json_write_string(w, "key", p->key);
    json_write_string(w, "what", p->what);
    json_write_string(w, "path", p->path);
    json_write_string(w, "todo", p->todo);
    json_write_end(w);
}

/* The worst first: what has no room is at least not what matters most. */
static void describe(const struct orb_ctx *ctx, struct buf *b)
{
    static const enum orb_problem_level order[] = {ORB_PROBLEM_FAILED, ORB_PROBLEM_DEGRADED};
    struct json_write w = json_write_to(b);
    unsigned sent = 0;

    json_write_object(&w, NULL);
    json_write_array(&w, "problems");
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        for (const struct sdk_problem *p = ctx->problems; p && sent < ORB_PROBLEMS_MAX;
             p = p->next) {
            if (p->level != order[i])
                continue;
            write_problem(&w, p);
            sent++;
        }
    json_write_end(&w);
    json_write_integer(&w, "more", ctx->problem_count - sent);
    json_write_end(&w);
}

static void forget_gone(struct orb_ctx *ctx)
{
    struct sdk_problem **at = &ctx->problems;

    while (*at) {
        struct sdk_problem *p = *at;

        if (!p->gone) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        free(p);
        ctx->problem_count--;
    }
}

void sdk_problem_on_timer(struct sdk_timer *timer)
{
    struct orb_ctx *ctx = container_of(timer, struct orb_ctx, problem_timer);
    AUTO(buf) struct buf b = {0};

    forget_gone(ctx);
    describe(ctx, &b);
    if (b.len == ctx->problems_sent.len && !memcmp(b.data, ctx->problems_sent.data, b.len))
        return; /* all were cleared and set again unchanged */
    if (sdk_wire_full(ctx) || sdk_wire_send(ctx, &(struct frame){.type = FRAME_PROBLEMS}, NULL, 0,
                                            buf_str(&b), b.len, NULL) < 0) {
        sdk_timer_start(timer, RETRY_MS, 0);
        return;
    }
    buf_clear(&ctx->problems_sent);
    buf_add(&ctx->problems_sent, b.data, b.len);
}

static void changed(struct orb_ctx *ctx)
{
    if (ctx->state != SDK_ENDED && !sdk_timer_runs(&ctx->problem_timer))
        sdk_timer_start(&ctx->problem_timer, 0, 0);
}

static struct sdk_problem *find_or_add(struct orb_ctx *ctx, const char *key)
{
    struct sdk_problem **at = &ctx->problems;

    for (; *at; at = &(*at)->next)
        if (!strncmp((*at)->key, key, SDK_PROBLEM_KEY - 1))
            return *at;
    if (ctx->problem_count == SDK_MAX_PROBLEMS)
        return NULL;
    *at = xcalloc(1, sizeof(**at));
    (*at)->gone = true; /* new: not known to the host */
    snprintf((*at)->key, sizeof((*at)->key), "%s", key);
    ctx->problem_count++;
    return *at;
}

/* Copies text; true when that changed to. */
static bool replace(char *to, size_t size, const char *text)
{
    size_t len = strnlen(text ? text : "", size - 1);

    if (strlen(to) == len && (!len || !memcmp(to, text, len)))
        return false;
    if (len)
        memcpy(to, text, len);
    to[len] = '\0';
    return true;
}

void orb_problem_set_sized(struct orb_ctx *ctx, const char *key, const struct orb_problem *problem,
                           size_t size)
{
    struct orb_problem known = {0};
    struct sdk_problem *p = find_or_add(ctx, key);
    bool differs;

    if (!p)
        return; /* the list is full */
    memcpy(&known, problem, size < sizeof(known) ? size : sizeof(known));
    differs = p->gone || p->level != known.level;
    differs |= replace(p->what, sizeof(p->what), known.what);
    differs |= replace(p->path, sizeof(p->path), known.path);
    differs |= replace(p->todo, sizeof(p->todo), known.todo);
    p->level = known.level;
    p->gone = false;
    if (differs)
        changed(ctx);
}

void orb_problem_clear(struct orb_ctx *ctx, const char *key)
{
    size_t len = strlen(key);
    bool all = len && key[len - 1] == '*';

    for (struct sdk_problem *p = ctx->problems; p; p = p->next) {
        if (p->gone ||
            (all ? strncmp(p->key, key, len - 1) : strncmp(p->key, key, SDK_PROBLEM_KEY - 1)))
            continue;
        p->gone = true;
        changed(ctx);
    }
}

void sdk_problem_fini(struct orb_ctx *ctx)
{
    while (ctx->problems) {
        struct sdk_problem *p = ctx->problems;

        ctx->problems = p->next;
        free(p);
    }
    buf_fini(&ctx->problems_sent);
}
