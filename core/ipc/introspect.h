/* Introspection of the broker: interfaces, contracts and counters. */
#ifndef CORE_IPC_INTROSPECT_H
#define CORE_IPC_INTROSPECT_H

#include "core/base/buf.h"
#include "orbital/error.h"

struct broker;

/* Appends JSON: known interfaces and their providers. */
void introspect_list(struct broker *broker, struct buf *to);
/* Appends JSON: what an interface ("NAME[@MAJOR.MINOR]") offers. Errors as of an OPEN frame. */
int introspect_describe(struct broker *broker, const char *interface, struct buf *to,
                        struct orb_err *err);
/* Appends OpenMetrics lines of the broker: frames, bytes, requests, refusals. */
void introspect_metrics(struct broker *broker, struct buf *to);
#define INTROSPECT_PEER_METRICS 6
/* Appends one of the families (0 to INTROSPECT_PEER_METRICS - 1) with a line for each service and
 * each user. */
void introspect_peer_metrics(struct broker *broker, int row, struct buf *to);

#endif
