/* Timers of the engine: see schedule.h. */
#include "core/base/log.h"
#include "plugins/config/attach.h"
#include "plugins/config/call.h"
#include "plugins/config/job.h"
#include "plugins/config/participant.h"
#include "plugins/config/renew.h"
#include "plugins/config/report.h"
#include "plugins/config/schedule.h"

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return !a || (b && b < a) ? b : a;
}

/* When the first attach that waits has waited long enough, 0: none waits. */
static uint64_t attach_due(const struct engine *engine)
{
    for (const struct waiting_attach *w = engine->waiting; w; w = w->next)
        if (!w->served)
            return w->until;
    return 0;
}

void schedule_arm(struct engine *engine)
{
    uint64_t now = engine->host.now_ms(engine->host.arg);
    uint64_t at = engine->confirm_at;

    if (engine->undone || (engine->jobs && !engine->tx))
        at = earlier(at, engine->grace_until);
    if (engine->jobs && !engine->tx)
        at = earlier(at, engine->jobs->wait_until);
    if (engine->tx) {
        at = earlier(at, engine->tx->turn_at);
        at = earlier(at, call_over_at(engine->tx));
        at = earlier(at, attach_due(engine));
        if (at)
            engine->host.wake(engine->host.arg, at > now ? at - now : 0);
        return; /* the rest has time until it ends */
    }
    if (engine->store.unwritable && !engine->heal_at)
        engine->heal_at = now + ENGINE_HEAL_MS;
    at = earlier(at, engine->heal_at);
    if (renew_snapshot_due(&engine->store) && !engine->snapshot_at)
        engine->snapshot_at = now + ENGINE_SNAPSHOT_MS;
    at = earlier(at, engine->snapshot_at);
    if (at)
        engine->host.wake(engine->host.arg, at > now ? at - now : 0);
}

static void snapshot_tick(struct engine *engine, uint64_t now)
{
    struct orb_err err;

    if (!engine->snapshot_at || now < engine->snapshot_at || engine->tx)
        return; /* a transaction in progress calls this when it ends */
    engine->snapshot_at = 0;
    if (!renew_snapshot_due(&engine->store) || renew_snapshot(&engine->store, &err) == 0)
        return;
    log_error(engine->host.log, "config.snapshot.failed", KV("why", err.text));
    report_store(engine);
}

/* A disk may be writable again: clears the problem without a commit. */
static void heal_tick(struct engine *engine, uint64_t now)
{
    if (!engine->heal_at || now < engine->heal_at || engine->tx)
        return;
    engine->heal_at = 0;
    if (!engine->store.unwritable)
        return;
    if (renew_writable(&engine->store, NULL) == 0)
        report_enforced(engine);
    report_store(engine);
}

void schedule_between(struct engine *engine)
{
    uint64_t now = engine->host.now_ms(engine->host.arg);

    /* Noted here as well: commits that queue up leave no time in which schedule_arm() would. */
    if (!engine->snapshot_at && renew_snapshot_due(&engine->store))
        engine->snapshot_at = now + ENGINE_SNAPSHOT_MS;
    snapshot_tick(engine, now);
    heal_tick(engine, now);
}
