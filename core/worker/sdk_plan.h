/* What a change will do, in words, as the package reports it in prepare. */
#ifndef CORE_WORKER_SDK_PLAN_H
#define CORE_WORKER_SDK_PLAN_H

#include "orbital/orbital.h"

struct sdk_conf;

/* {"plan": […], "answer"?}, as prepare and apply are answered; there is none any more. */
cJSON *sdk_plan_take(struct sdk_conf *conf);
/* Frees the plan, the question and the answer. */
void sdk_plan_drop(struct sdk_conf *conf);

#endif
