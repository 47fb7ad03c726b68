/* Questions on their way: see call.h. */
#include <stdlib.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/call.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/strikes.h"
#include "plugins/config/subscriber.h"

static uint64_t now_of(const struct engine *engine)
{
    return engine->host.now_ms(engine->host.arg);
}

static void drop(struct call *call)
{
    struct call **at = &call->engine->calls;

    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    free(call);
}

static void on_done(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    struct call *call = arg;
    struct participant *p = call->p;
    call_done *done = call->done;

    if (p)
        strikes_waited(call->engine, p->name, now_of(call->engine) - call->at);
    drop(call);
    if (p)
        done(p, text, len, err);
}

int call_send(struct participant *p, const char *method, const struct buf *text,
              uint32_t deadline_ms, call_done *done, struct orb_err *err)
{
    struct engine *e = p->tx->engine;
    AUTO_FREE char *to = buf_format("service.%s@1", p->name);
    struct call *call = xcalloc(1, sizeof(*call));
    int r;

    *call = (struct call){.next = e->calls, .engine = e, .p = p, .done = done, .at = now_of(e)};
    e->calls = call;
    r = e->host.call(e->host.arg, to, method, buf_str(text), text->len, deadline_ms, on_done, call,
                     err);
    if (r < 0)
        drop(call);
    return r;
}

struct call *call_of(const struct participant *p)
{
    for (struct call *call = p->tx->engine->calls; call; call = call->next)
        if (call->p == p)
            return call;
    return NULL;
}

struct participant *call_participant(const struct engine *engine, const void *done_arg)
{
    for (struct call *call = engine->calls; call; call = call->next)
        if (call == done_arg)
            return call->p;
    return NULL;
}

void call_forget(const struct participant *p)
{
    struct call *call = call_of(p);

    if (call)
        call->p = NULL;
}

void call_free_all(struct engine *engine)
{
    while (engine->calls)
        drop(engine->calls);
}

/* UINT64_MAX: there is no such time. */
static uint64_t over_at(const struct call *call)
{
    const struct subscriber *s = subscriber_find(call->engine, call->p->name);
    uint64_t left = s ? strikes_patience(call->engine, s) : UINT64_MAX;

    return left == UINT64_MAX ? left : call->at + left;
}

uint64_t call_over_at(const struct tx *tx)
{
    uint64_t first = UINT64_MAX;

    for (const struct call *call = tx->engine->calls; call; call = call->next)
        if (call->p && call->p->tx == tx && over_at(call) < first)
            first = over_at(call);
    return first == UINT64_MAX ? 0 : first;
}

struct participant *call_over(const struct tx *tx)
{
    uint64_t now = now_of(tx->engine);

    for (const struct call *call = tx->engine->calls; call; call = call->next)
        if (call->p && call->p->tx == tx && over_at(call) <= now)
            return call->p;
    return NULL;
}
