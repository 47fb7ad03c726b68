/* How long the loop does not poll: meanwhile no client is answered and no deadline is checked.
 * Measured each turn, exported as metrics, and logged with the peer served when it exceeds a limit.
 * */
#ifndef CORE_HOST_STALL_H
#define CORE_HOST_STALL_H

#include "core/host/host_internal.h"
#include "core/loop/loop_scope.h"

#define STALL_MS 50 /* a turn that takes longer is logged */
#define STALL_BUCKETS 6

struct stall {
    struct orbitald *host;
    uv_prepare_t prepare;
    uint64_t seen_ns, idle_ns, cpu_ns; /* when the last turn ended */
    uint64_t buckets[STALL_BUCKETS], count, sum_ns, most_ns;
    uint64_t logged_ms, unlogged;
    uint64_t logged_used_ns; /* processor time of the turn that was logged last */
};

/* The loop must have been configured with UV_METRICS_IDLE_TIME. The handle belongs to scope. */
void stall_watch(struct stall *stall, struct orbitald *host, struct loop_scope *scope);
/* OpenMetrics text; stall may be NULL. */
void stall_metrics(const struct stall *stall, struct buf *ret_text);

#endif
