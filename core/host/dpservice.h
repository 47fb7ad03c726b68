/* dataplane@1; without a usable kernel its methods answer with the reason. */
#ifndef CORE_HOST_DPSERVICE_H
#define CORE_HOST_DPSERVICE_H

struct buf;
struct dpservice;
struct orb_err;
struct orbitald;

/* Provides the interface and queues the first job, which opens the data plane. Errors: those of
 * host_provide. */
int dpservice_new(struct orbitald *host, struct dpservice **ret_service, struct orb_err *err);
/* Waits for a running job, then frees itself through the loop. Pins stay. */
void dpservice_close(struct dpservice *service);
/* OpenMetrics text; service may be NULL. */
void dpservice_metrics(const struct dpservice *service, struct buf *ret_text);

#endif
