/* Interface of the data plane for the host: load or adopt, prepare, apply, revert, count. Not
 * thread-safe; one thread at a time (the host runs long steps with uv_queue_work). Uses the network
 * namespace of the calling process. */
#ifndef DATAPLANE_DATAPLANE_H
#define DATAPLANE_DATAPLANE_H

#include "dataplane/policy.h"

struct dataplane;
struct dataplane_compiled; /* a prepared policy: compiled offline, self-checked */

struct dataplane_options {
    const char *bpffs; /* directory for pins, mounted bpffs (mounted here if it is not) */
    const char *found; /* file for the kernel's settings as they were found; NULL: not kept */
    bool no_kfunc;     /* test: behave as on a kernel without conntrack kfuncs */
    bool no_tcx;       /* test: behave as on a kernel without tcx */
};

/* Before any interface has an address: loads the closed base table, which forwards and accepts
 * nothing, unless the table of the last policy exists. Takes some milliseconds, needs no BPF.
 * ret_loaded: it was loaded. When nftables is not available, forwarding is switched off instead,
 * and the error has the reason. */
int dataplane_guard(const struct dataplane_options *options, bool *ret_loaded, struct orb_err *err);

/* Loads the programs; adopts pinned maps, programs and links of an earlier daemon (nothing is
 * detached, no packet lost) or makes them. */
int dataplane_open(const struct dataplane_options *options, struct dataplane **ret_dataplane,
                   struct orb_err *err);
/* Frees memory and descriptors; pins stay, packets flow on. */
void dataplane_close(struct dataplane *dataplane);
/* Were programs and maps of an earlier daemon taken over by dataplane_open()? */
bool dataplane_adopted(const struct dataplane *dataplane);

/* Compiles policy (copied) and checks it: classifier, text for nftables, a dry run in the kernel.
 * Nothing is in force yet. Blocks, so it is for a thread. */
int dataplane_compile(struct dataplane *dataplane, const struct policy *policy,
                      struct dataplane_compiled **ret_compiled, struct orb_err *err);
/* NULL is fine. */
void dataplane_compile_free(struct dataplane_compiled *compiled);
/* The answer to `check` of docs/dataplane.md: rules, nft-bytes, classes. */
void dataplane_compile_describe(const struct dataplane_compiled *compiled, struct buf *ret_json);
/* What the steps of a commit took. */
struct dataplane_times {
    uint32_t build_ms, trial_ms;          /* prepare: classifier with self-check, nftables */
    uint32_t nft_ms, switch_ms, purge_ms; /* apply: transaction, slot and ports, conntrack */
};
/* That of the policy in force. */
struct dataplane_times dataplane_apply_times(const struct dataplane *dataplane);
/* nft transaction, outer-map update, attach/detach of ports, generation + 1, conntrack entries the
 * new policy denies deleted. Takes compiled in any case. On failure everything is as before. */
int dataplane_apply(struct dataplane *dataplane, struct dataplane_compiled *compiled,
                    struct orb_err *err);
/* Back to the policy before the last apply. Once. */
int dataplane_apply_revert(struct dataplane *dataplane, struct orb_err *err);
/* Number of the policy in force: 1 more with each that is applied or taken back. */
uint32_t dataplane_generation(const struct dataplane *dataplane);

/* What the thread that works on the data plane is doing: a few words, static, "" before anything
 * was; and how much of the present compile or apply is done, 0 to 100. From any thread. */
const char *doing_now(const struct dataplane *dataplane, unsigned *ret_percent);

/* fast path off (nft alone enforces) and on again. */
int dataplane_set_enabled(struct dataplane *dataplane, bool enabled, struct orb_err *err);
/* Removes links, pins, the nft table and conntrack's marks, and writes the kernel's settings back
 * as they were found. Nothing is put back from now on; dataplane_set_enabled(true) brings the
 * policy in force back. */
int dataplane_destroy(struct dataplane *dataplane, struct orb_err *err);
/* The same without a daemon. */
int dataplane_detach(const struct dataplane_options *options, struct orb_err *err);

/* JSON texts of docs/dataplane.md. Counters: of rules above after, at most limit of them (0: all).
 */
int dataplane_report_counters(struct dataplane *dataplane, uint32_t after, unsigned limit,
                              struct buf *ret_json, struct orb_err *err);
/* Appends an object: generation, reasons, warnings, and each port with its mode. 0. */
int dataplane_report_status(struct dataplane *dataplane, struct buf *ret_json, struct orb_err *err);

/* Connections that changes of policy ended, since the daemon started. */
struct dataplane_ended {
    uint64_t refused;    /* by a rule or a default */
    uint64_t translated; /* NAT would give them other addresses or ports */
};
struct dataplane_ended dataplane_report_ended(const struct dataplane *dataplane);

/* OpenMetrics text: connections ended, ports whose packets are left to the kernel because of
 * something else. */
void dataplane_report_metrics(const struct dataplane *dataplane, struct buf *ret_text);

/* What there is to look after; a set of bits. */
enum {
    DATAPLANE_PORTS = 1,      /* interfaces were added, removed or lost their program */
    DATAPLANE_RULES = 2,      /* another program changed the table */
    DATAPLANE_SETTINGS = 4,   /* another program changed what the kernel is set to */
    DATAPLANE_FOREIGN = 16,   /* foreign state changed */
    DATAPLANE_ADDRESSES = 32, /* the appliance lost addresses */
    DATAPLANE_POLL = 8        /* what the kernel sends no events for; twice a second */
};

/* The descriptor the host polls: readable when there were events of interfaces, routes, nftables
 * and the like. A thread has made the flow cache stale by then where it must be. */
int events_fd(const struct dataplane *dataplane);
/* To be called when it is readable, also while another thread works on the data plane: returns what
 * dataplane_tend has to check. Takes at most some milliseconds. */
unsigned events_dispatch(struct dataplane *dataplane);
/* Another program changed the table, and dataplane_tend has not put it back yet: true, and a
 * sentence. Only while no other thread works on the data plane. */
bool dataplane_tend_disturbed(struct dataplane *dataplane, char *ret_what, size_t size);
/* What was put back; sentences for the log, "" where nothing was. */
struct dataplane_tended {
    char rules[400], ports[400], settings[400];
};
/* Checks `what` (may take as long as dataplane_apply) and restores what another program changed.
 * Negative: the table could not be restored; call it again later. */
int dataplane_tend(struct dataplane *dataplane, unsigned what, struct dataplane_tended *ret_tended,
                   struct orb_err *err);

/* Present problems. */
enum dataplane_problem {
    DATAPLANE_PROBLEM_RULES,    /* the table differs from the policy */
    DATAPLANE_PROBLEM_SETTINGS, /* of the kernel */
    DATAPLANE_PROBLEM_PORTS,    /* a program was detached and cannot be attached again */
    DATAPLANE_PROBLEM_FLOWS,    /* connections that the new policy refuses may continue */
    DATAPLANE_PROBLEM_FAST,     /* ports are configured for a fast path this kernel lacks */
    DATAPLANE_PROBLEM_DETACHED,
    DATAPLANE_PROBLEM_NOTES, /* original settings cannot be saved, so not be restored */
    DATAPLANE_PROBLEMS
};
/* Calls each for every feature that is not available here, with the reason; these are no errors.
 * Only while no other thread works on the data plane. */
void dataplane_given_up(const struct dataplane *dataplane,
                        void (*each)(void *arg, const char *feature, const char *reason),
                        void *arg);
/* A sentence, "" for none. */
const char *dataplane_problem(const struct dataplane *dataplane, enum dataplane_problem which);

#endif
