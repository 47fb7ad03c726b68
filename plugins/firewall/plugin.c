/* The firewall service: translates /firewall into the data plane's policy of addresses. It has no
 * packet state: when it ends, the policy stays in force.
 *
 * Without /firewall nothing is forwarded: a machine without rules is no open router. */
#include <stdlib.h>

#include "plugins/firewall/counters.h"
#include "plugins/firewall/health.h"
#include "plugins/firewall/packet.h"
#include "plugins/firewall/plugin.h"
#include "plugins/firewall/retry.h"
#include "plugins/firewall/rows.h"
#include "plugins/firewall/dptx.h"
#include "plugins/firewall/changeset.h"

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    struct firewall *self = calloc(1, sizeof(*self));
    int r;

    if (!self)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the service");
    orb_set_user(ctx, self);
    orb_on_progress(ctx, dptx_on_progress);
    r = health_init(ctx, &self->health, err);
    return r < 0 ? r : retry_init(ctx, self, err);
}

static void on_stop(struct orb_ctx *ctx)
{
    struct firewall *self = orb_user(ctx);

    retry_fini(self);
    health_fini(&self->health);
    changeset_fini(&self->dptx.changes);
    rows_fini(&self->rows);
    fold_fini(&self->folds);
    free(self);
}

static int on_health(struct orb_ctx *ctx, struct orb_err *err)
{
    struct firewall *self = orb_user(ctx);

    return self->health.last_error[0]
               ? orb_fail(err, ORB_E_STATE, "data plane: %s", self->health.last_error)
               : 0;
}

static const struct orb_method methods[] = {{"counters", counters_answer, 0},
                                            {"status", counters_answer_status, 0},
                                            {"test", packet_test, 0},
                                            {0}};
static const char *const paths[] = {"/firewall", "/interfaces", NULL};
static const struct orb_config config = {.paths = paths,
                                         .prepare = dptx_prepare,
                                         .apply = dptx_apply,
                                         .abort = dptx_abort,
                                         .discard = dptx_discard};

ORB_PLUGIN(.name = "firewall", .methods = methods, .config = &config, .init = on_init,
           .stop = on_stop, .health = on_health);
