/* Commits in which no service takes part: see commit.h. */
#include "plugins/config/commit.h"
#include "plugins/config/refs.h"
#include "plugins/config/renew.h"
#include "plugins/config/store.h"

uint64_t commit_number(struct engine *engine)
{
    /* From the clock, so that a number is not used twice even if its transaction never reached the
     * journal; services compare it. The clock may have been set back. */
    uint64_t ms = engine->host.wall_us(engine->host.arg) / 1000;
    uint64_t last = engine->store.last_tx;

    if (last < engine->given_tx)
        last = engine->given_tx;
    engine->given_tx = ms > last ? ms : last + 1;
    return engine->given_tx;
}

int commit_alone(struct engine *engine, const struct revision *meta, json_t *patch,
                 struct orb_err *err)
{
    struct revision m = *meta;
    int r;

    m.tx = commit_number(engine);
    m.time_us = engine->host.wall_us(engine->host.arg);
    r = renew_writable(&engine->store, err);
    if (r == 0)
        r = store_prepare(&engine->store, &m, patch, err);
    if (r < 0)
        return r;
    r = store_commit(&engine->store, err);
    if (r < 0) {
        store_abort(&engine->store, err ? err->text : "");
        return r;
    }
    refs_update(&engine->refs, &engine->parts, patch);
    return 0;
}
