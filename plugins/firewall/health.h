/* Does the data plane do its part? What it refuses for a reason of the configuration is not meant;
 * after anything else it is asked until it answers again. */
#ifndef PLUGINS_FIREWALL_HEALTH_H
#define PLUGINS_FIREWALL_HEALTH_H

#include "orbital/orbital.h"

struct health {
    struct orb_timer *timer;
    char last_error[ORB_ERR_TEXT]; /* why the data plane did not do its part, "" when it did */
};

/* Makes the timer. Error: no memory; health_fini() may be called all the same. */
int health_init(struct orb_ctx *ctx, struct health *health, struct orb_err *err);
void health_fini(struct health *health);
/* Remembers how a request ended (err NULL: well), and reports it as a problem. */
void health_note(struct orb_ctx *ctx, struct health *health, const struct orb_err *err);

#endif
