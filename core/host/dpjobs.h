/* The thread that does the data plane's jobs, one after the other. */
#ifndef CORE_HOST_DPJOBS_H
#define CORE_HOST_DPJOBS_H

#include "core/host/dpservice_internal.h"

/* Frees a draft and its place. */
void dpjobs_drop(struct dp_draft *draft);
/* A job for a request, not queued yet. NULL: refused. */
struct dp_job *dpjobs_new(struct dpservice *service, enum dp_job_kind kind, struct host_req *req,
                          struct orb_err *err);
/* Appends job to the queue, takes it; 1: answered when it is done. */
int dpjobs_queue(struct dpservice *service, struct dp_job *job);
/* Both, for a draft (NULL: none). Negative: refused. */
int dpjobs_request(struct dpservice *service, enum dp_job_kind kind, struct dp_draft *draft,
                   uint64_t tx, struct host_req *req, struct orb_err *err);
/* A job the host itself queued, not a service's request. */
void dpjobs_own(struct dpservice *service, enum dp_job_kind kind, unsigned what);

#endif
