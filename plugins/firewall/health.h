/* Health of the data plane. Errors of the configuration do not count; after any other error it is
 * polled until it answers again. */
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
/* Records the result of a request (err NULL: success), and sets or clears the problem. */
void health_note(struct orb_ctx *ctx, struct health *health, const struct orb_err *err);

#endif
