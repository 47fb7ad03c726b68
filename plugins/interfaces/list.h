/* The method list of interfaces@1. */
#ifndef PLUGINS_INTERFACES_LIST_H
#define PLUGINS_INTERFACES_LIST_H

#include "orbital/orbital.h"

/* Answers with the links of the machine and what is configured for each. */
int list_answer(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);

#endif
