/* A package for test_progress.py: prepare takes /work/steps steps, and reports progress at each of
 * them, with /work/shows how far it is, too, and with /work/silent never. */
#include <stdlib.h>

#include "orbital/orbital.h"

#define STEP_MS 200

struct work {
    struct orb_timer *timer;
    int steps, left;
    bool silent, shows;
};

static void on_step(struct orb_ctx *ctx, void *arg)
{
    struct work *work = arg;

    if (work->shows)
        orb_progress_at(ctx, "working", 100 * (work->steps - work->left) / work->steps);
    else if (!work->silent)
        orb_progress(ctx);
    if (--work->left > 0)
        return;
    orb_timer_stop(work->timer);
    orb_config_done(ctx, NULL);
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    struct work *work = calloc(1, sizeof(*work));

    if (!work)
        return orb_fail(err, ORB_E_INTERNAL, "no memory");
    work->timer = orb_timer_new(ctx, on_step, work);
    orb_set_user(ctx, work);
    return 0;
}

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    const cJSON *mine = cJSON_GetObjectItemCaseSensitive(change->tree, "work");
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(mine, "steps");
    struct work *work = orb_user(ctx);

    if (!cJSON_IsNumber(steps) || change->initial)
        return 0;
    work->left = work->steps = steps->valueint;
    work->shows = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(mine, "shows"));
    work->silent = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(mine, "silent"));
    orb_timer_start(work->timer, STEP_MS, STEP_MS);
    return ORB_LATER;
}

static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    orb_timer_stop(((struct work *)orb_user(ctx))->timer);
    return 0;
}

static const char *const paths[] = {"/work", NULL};
static const struct orb_config config = {.paths = paths, .prepare = on_prepare, .abort = on_abort};

ORB_PLUGIN(.name = "work", .init = on_init, .config = &config);
