/* host@1 metrics. */
#ifndef CORE_HOST_METRICS_INTERFACE_H
#define CORE_HOST_METRICS_INTERFACE_H

#include <stddef.h>

struct buf;
struct orb_err;
struct orbitald;

/* A page of the metrics, from the place that input names on: {"text", "next"?}. */
int metrics_interface_host(struct orbitald *host, const char *input, size_t len, struct buf *out,
                           struct orb_err *err);

#endif
