/* Which job of dataplane@1 is next. Jobs that change the data plane are done in their order, before
 * those that only read it, which any viewer may request: of these each identity has one in a round.
 * So nothing that is read delays or refuses a commit but by the job that is being done. */
#ifndef CORE_HOST_DPQUEUE_H
#define CORE_HOST_DPQUEUE_H

#include "core/host/dpservice_internal.h"

/* Is there room for a job of the caller that is dispatched? ORB_E_BUSY. */
int dpqueue_check(const struct dpservice *s, const struct dp_job *job, struct orb_err *err);
/* Puts it into its place. */
void dpqueue_add(struct dpservice *s, struct dp_job *job);
/* The first job begins. */
void dpqueue_begin(struct dpservice *s);

#endif
