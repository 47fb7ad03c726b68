/* Collects the inputs of the health report, and announces its changes: STATUS= and READY=1 to
 * systemd, a log record, the event health-changed. */
#ifndef CORE_HOST_HEALTH_H
#define CORE_HOST_HEALTH_H

#include "core/host/health_report.h"

struct orbitald;
struct health;

/* notify_socket: of systemd, NULL without. on_ready is called once: boot is complete and
 * health is not failed. */
int health_new(struct orbitald *host, const char *notify_socket, void (*on_ready)(void *arg),
               void *arg, struct health **ret_health, struct orb_err *err);
/* Frees through the loop, after a check of the disk that is still running has ended. */
void health_close(struct health *health);
/* Schedules a new report at the end of this turn of the loop; to be called after any change. */
void health_changed(struct health *health);
/* The current report and the boot phase: the output of host@1 health. */
void health_json(const struct orbitald *host, struct buf *ret_json);
/* OpenMetrics lines. */
void health_metrics(const struct orbitald *host, struct buf *ret_text);

#endif
