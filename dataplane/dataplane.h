/* The data plane as the host sees it: load or adopt, prepare, apply, go back, count. Not
 * thread-safe; one thread at a time (the host runs long steps with uv_queue_work). Uses the network
 * namespace of the calling process. */
#ifndef DATAPLANE_DATAPLANE_H
#define DATAPLANE_DATAPLANE_H

#include "dataplane/policy.h"

struct dataplane;
struct dataplane_plan; /* a prepared policy: compiled offline, self-checked */

struct dataplane_options {
    const char *bpffs; /* directory for pins, mounted bpffs (mounted here if it is not) */
    bool no_kfunc;     /* test: behave as on a kernel without conntrack kfuncs */
    bool no_tcx;       /* test: behave as on a kernel without tcx */
};

/* Loads the programs; adopts pinned maps, programs and links of an earlier daemon (nothing is
 * detached, no packet lost) or makes them. */
int dataplane_open(const struct dataplane_options *options, struct dataplane **ret_dataplane,
                   struct orb_err *err);
/* Frees memory and descriptors; pins stay, packets flow on. */
void dataplane_close(struct dataplane *dataplane);
bool dataplane_adopted(const struct dataplane *dataplane);

int dataplane_prepare(struct dataplane *dataplane, const struct policy *policy,
                      struct dataplane_plan **ret_plan, struct orb_err *err);
void dataplane_plan_free(struct dataplane_plan *plan);
/* The answer to `check` of docs/dataplane.md: rules, nft_bytes, classes. */
void dataplane_plan_describe(const struct dataplane_plan *plan, struct buf *ret_json);
/* What the steps of a commit took. */
struct dataplane_times {
    uint32_t build_ms, trial_ms;          /* prepare: classifier with self-check, nftables */
    uint32_t nft_ms, switch_ms, purge_ms; /* apply: transaction, slot and ports, conntrack */
};
/* That of the policy in force. */
struct dataplane_times dataplane_applied_times(const struct dataplane *dataplane);
/* nft transaction, outer-map update, attach/detach of ports, generation + 1, conntrack entries the
 * new policy denies deleted. Takes plan in any case. On failure everything is as before. */
int dataplane_apply(struct dataplane *dataplane, struct dataplane_plan *plan, struct orb_err *err);
/* Back to the policy before the last apply. Once. */
int dataplane_revert(struct dataplane *dataplane, struct orb_err *err);
uint32_t dataplane_generation(const struct dataplane *dataplane);

/* fast path off (nft alone enforces) and on again. */
int dataplane_set_enabled(struct dataplane *dataplane, bool enabled, struct orb_err *err);
/* Removes links, pins and the nft table: factory reset and tests. */
int dataplane_destroy(struct dataplane *dataplane, struct orb_err *err);

/* JSON texts of docs/dataplane.md. Counters: of rules above after, at most limit of them (0: all).
 */
int dataplane_counters(struct dataplane *dataplane, uint32_t after, unsigned limit,
                       struct buf *ret_json, struct orb_err *err);
int dataplane_status(struct dataplane *dataplane, struct buf *ret_json, struct orb_err *err);

/* Route, neighbour, link and address events bump the freshness words. The host polls the descriptor
 * and calls dispatch when it is readable. */
int dataplane_event_fd(const struct dataplane *dataplane);
void dataplane_dispatch(struct dataplane *dataplane);

#endif
