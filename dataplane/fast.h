/* The inside of the data plane: struct dataplane and what its files offer each other.
 *
 * load.c programs, maps, pins, complaint.c why not · port.c which hook a port gets, clsact.c the
 * old one · link.c the interfaces there are · ruleset.c libnftables, tally.c its counters · slots.c
 * the fast path's · flows.c conntrack · settings.c sysctls · apply.c policies · report.c counters
 * and status · dataplane.c the rest. */
#ifndef DATAPLANE_FAST_H
#define DATAPLANE_FAST_H

#include <net/if.h>
#include <stdlib.h>

#include "bpf/abi.h"
#include "dataplane/classify.h"
#include "dataplane/dataplane.h"
#include "dataplane/nft.h"

struct fastpath; /* the skeleton */

struct link_info {
    uint32_t ifindex;
    char name[IFNAMSIZ];
    char kind[16]; /* "veth", "bridge", …; "" for a card */
    uint8_t mac[6];
    uint16_t type; /* ARPHRD_* */
    uint32_t master;
    uint32_t lower; /* a VLAN's interface */
    bool up;
};

struct link_list {
    struct link_info *items;
    unsigned count;
};

static inline void own_link_list(struct link_list *list)
{
    free(list->items);
}

enum port_mode { PORT_OFF, PORT_XDP, PORT_TCX };

struct port {
    char name[IFNAMSIZ];
    uint32_t ifindex; /* 0: not there */
    uint32_t index;   /* in stats and devices */
    enum policy_fast wanted;
    enum port_mode mode;
    bool redirect; /* XDP may send through it */
    char reason[320];
};

struct port_list {
    struct port items[POLICY_MAX_PORTS];
    unsigned count;
};

/* libnftables, loaded when first used: workers are the same binary and need not relocate it. */
struct ruleset;

struct dataplane_plan {
    struct policy policy;
    struct nft_text chains; /* of policy */
    int inner;              /* map with the classifier's data, -1 without fast path */
    void *memory;           /* its value */
    struct classify_stats stats;
    size_t nft_bytes;
    struct dataplane_times times;
};

struct dataplane {
    char *bpffs;
    struct fastpath *programs; /* NULL: no fast path here, for the reason below */
    char reason[320];
    bool adopted;
    bool clsact; /* instead of tcx, which this kernel lacks */
    struct fast_control *control;
    struct fast_counter *counters;
    struct fast_stats *stats;
    uint64_t *rule_ids; /* id + 1 of each counter slot, 0 free; slot 0 is the default */
    struct fast_port *port_names;
    int cpus;
    uint32_t generation;
    bool enabled;
    struct ruleset *ruleset;
    uint32_t ruleset_id; /* after our last transaction; 0: somebody else may have come between */
    int events;          /* rtnetlink */
    struct port_list ports;
    char warning[400];
    struct dataplane_plan *current;  /* NULL: what an earlier daemon left, or nothing */
    struct dataplane_plan *previous; /* what revert goes back to, with previous_text if NULL */
    char *previous_text;
    bool revertible;
};

/* load.c */
int load_programs(struct dataplane *dp, const struct dataplane_options *options,
                  struct orb_err *err);
void load_unload(struct dataplane *dp);
/* What is pinned for maps of this daemon. links: also those, which detaches. */
void load_unpin(const struct dataplane *dp, bool links);
uint32_t load_version(void);
/* A stale cache: entries made before are not used again. */
void load_bump(struct dataplane *dp);

/* complaint.c */
/* What libbpf complains about goes there from now on, on this thread; NULL: nowhere. */
void complaint_listen(struct buf *ret_text);

/* mounts bpffs at path if nothing is */
int bpffs_mount(const char *path, struct orb_err *err);

/* link.c */
int link_read(struct link_list *ret_list, struct orb_err *err);
const struct link_info *link_find(const struct link_list *list, const char *name);
int link_events(struct orb_err *err);
/* Reads what is there. 1: something about interfaces changed, 0: routes or neighbours only. */
int link_events_drain(int fd);
/* Counter `name` of ethtool -S summed over queues ("*_" before it); -1 unknown. */
int64_t link_statistic(const char *interface, const char *suffix);
/* Turns the card's taking off of VLAN tags off; false: it stays on. */
bool link_keep_tags(const char *interface);

/* clsact.c: where the kernel has no tcx. Negative errno. */
bool clsact_needed(const struct dataplane *dp);
int clsact_attach(const struct dataplane *dp, uint32_t ifindex);
/* Nothing where nothing of ours is. */
void clsact_detach(const struct dataplane *dp, uint32_t ifindex);
/* The filter an earlier daemon pinned at path runs this one's program from now on. */
int clsact_update(const struct dataplane *dp, const char *path, uint32_t ifindex);

/* port.c, detach.c */
/* Decides and attaches for every port of policy, describes all interfaces for policy slot `slot`.
 */
int port_apply(struct dataplane *dp, const struct policy *policy, uint32_t slot,
               struct port_list *ret_ports, struct orb_err *err);
/* Detaches what `ports` does not name. */
void port_detach_others(struct dataplane *dp, const struct port_list *ports);
const char *port_mode_name(enum port_mode mode);

/* ruleset.c */
int ruleset_open(struct ruleset **ret_ruleset, struct orb_err *err);
void ruleset_close(struct ruleset *ruleset);
/* One transaction; dry: only asks the kernel. */
int ruleset_run(struct ruleset *ruleset, const char *text, bool dry, struct orb_err *err);
/* Output of a list command; "" if there is no such table. */
int ruleset_list(struct ruleset *ruleset, const char *command, struct buf *ret_text);
/* The number of nftables' last change in this namespace, whoever made it; each adds 1. 0: unknown.
 */
uint32_t ruleset_id(void);

/* slots.c */
/* ABI_NOWHERE: none. */
uint32_t slot_find(const struct dataplane *dp, uint32_t id);
/* Gives the rules of plan their slots. */
void slot_number(struct dataplane *dp, const struct dataplane_plan *plan);
/* Rules that were not in force before begin at 0; carried: what nftables had, where before is not
 * known (NULL). */
void slot_clear_new(struct dataplane *dp, const struct policy *now, const struct policy *before,
                    const struct tally_list *carried);

/* settings.c */
int settings_apply(struct dataplane *dp, struct orb_err *err);

/* flows.c */
/* Deletes from conntrack what the rules in force refuse. */
int flows_purge(struct dataplane *dp, const struct dataplane_plan *plan, struct orb_err *err);

static inline void own_dataplane_plan(struct dataplane_plan **plan)
{
    dataplane_plan_free(*plan);
}

#endif
