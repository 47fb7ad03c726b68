/* Commits in which no service takes part: before services attach, and what a transaction needs of
 * them. */
#ifndef CONFIG_COMMIT_H
#define CONFIG_COMMIT_H

#include "plugins/config/engine_internal.h"

/* Commits patch (borrowed), durable. meta: user, comment and undoes; the rest is filled in.
 * Error: it is not written, and nothing has changed. */
int commit_alone(struct engine *engine, const struct revision *meta, json_t *patch,
                 struct orb_err *err);
/* The number of the next transaction, higher than all before, also after a restart. */
uint64_t commit_number(struct engine *engine);

#endif
