/* Does the data plane do its part: see health.h. */
#include <stdio.h>

#include "plugins/firewall/health.h"

#define PROBE_MS 3000

static void probe_later(struct health *health)
{
    orb_timer_start(health->timer, PROBE_MS, 0);
}

void health_note(struct orb_ctx *ctx, struct health *health, const struct orb_err *err)
{
    struct orb_problem problem = {.level = ORB_PROBLEM_FAILED,
                                  .what = health->last_error,
                                  .path = "/firewall",
                                  .todo = "orbctl show dataplane, then orbctl service restart "
                                          "firewall"};

    switch (err ? err->code : 0) {
    case 0:
        health->last_error[0] = 0;
        orb_timer_stop(health->timer);
        orb_problem_clear(ctx, "data-plane");
        break;
    case ORB_E_INVALID:
    case ORB_E_SCHEMA:
    case ORB_E_VETO:
    case ORB_E_LIMIT:
    case ORB_E_BUSY:
        break; /* invalid configuration, or temporary: the data plane works */
    default:
        snprintf(health->last_error, sizeof(health->last_error), "%s", err->text);
        orb_problem_set(ctx, "data-plane", &problem);
        probe_later(health);
        break;
    }
}

static void on_probed(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct health *health = arg;

    if (err)
        probe_later(health);
    else
        health_note(ctx, health, NULL);
}

static void on_timer(struct orb_ctx *ctx, void *arg)
{
    struct health *health = arg;

    if (orb_call(ctx, "dataplane@1", "status", NULL, 0, on_probed, health, NULL) < 0)
        probe_later(health);
}

int health_init(struct orb_ctx *ctx, struct health *health, struct orb_err *err)
{
    health->timer = orb_timer_new(ctx, on_timer, health);
    return health->timer ? 0 : orb_fail(err, ORB_E_NOMEM, "no memory for a timer");
}

void health_fini(struct health *health)
{
    orb_timer_free(health->timer);
}
