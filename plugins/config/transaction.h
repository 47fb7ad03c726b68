/* Transactions: one at a time, the others wait as jobs (job.h). */
#ifndef CONFIG_TRANSACTION_H
#define CONFIG_TRANSACTION_H

#include "plugins/config/job.h"
#include "plugins/config/participant.h"

/* Queues job (taken) and begins the next transaction if possible; see job_push(). */
int transaction_enqueue(struct engine *engine, struct job *job, bool first, struct orb_err *err);
/* Begins the next one when none is in progress. */
void transaction_next(struct engine *engine);
/* Method commit. */
method_fn transaction_commit;

#endif
