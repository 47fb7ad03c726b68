/* The methods of firewall@1: the data plane's counters with names of the configuration. */
#ifndef PLUGINS_FIREWALL_COUNTERS_H
#define PLUGINS_FIREWALL_COUNTERS_H

#include "orbital/orbital.h"

/* Each answers its request now or later. */
int counters_answer(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);
/* Answers the method status. */
int counters_answer_status(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                           struct orb_err *err);

#endif
