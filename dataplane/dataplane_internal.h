/* Internals of the data plane: struct dataplane and types shared by several files. Each file has a
 * header of its own for the others; dataplane.h is the interface for the host. */
#ifndef DATAPLANE_DATAPLANE_INTERNAL_H
#define DATAPLANE_DATAPLANE_INTERNAL_H

#include <linux/netlink.h>
#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>

#include "bpf/abi.h"
#include "dataplane/classify.h"
#include "dataplane/foreign.h"
#include "dataplane/dataplane.h"
#include "dataplane/dump.h"
#include "dataplane/gone.h"
#include "dataplane/nft.h"
#include "dataplane/shadow.h"

struct fastpath; /* the skeleton */
struct bpf_map;

enum program { PROGRAM_XDP, PROGRAM_TCX, PROGRAM_PROBE, PROGRAM_BEAT, PROGRAMS };
#define HOOK_XDP 1u
#define HOOK_TCX 2u

struct link_info {
    uint32_t ifindex;
    char name[IFNAMSIZ];
    char kind[16]; /* "veth", "bridge", …; "" for a card */
    uint8_t mac[6];
    uint16_t type; /* ARPHRD_* */
    uint32_t master;
    uint32_t lower; /* of this namespace: the lower device of a VLAN or the like */
    bool takes;     /* it may take frames that are addressed to `lower` itself */
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

/* Interfaces of next hops that share a route of one family. */
#define ROUTE_SHARES 32
struct route_shares {
    uint32_t items[ROUTE_SHARES];
    unsigned count;
    bool any; /* and others */
};

/* The smallest MTU of routes that is not locked: out of an interface, or out of any. */
#define ROUTE_MTUS 32
struct route_mtus {
    struct route_mtu {
        uint32_t ifindex, mtu;
    } items[ROUTE_MTUS];
    unsigned count;
    uint32_t
        all; /* of routes that say no interface, and of those for which there is no room; 0: none */
    bool shared6;                  /* next hops share a route of IPv6 */
    bool label_rules;              /* rules name the flow label */
    bool suppressed6;              /* an IPv6 rule passes over routes it finds */
    bool expires6;                 /* a route of IPv6 ends by itself, before an event for it */
    struct route_shares shares[2]; /* of IPv4, IPv6; the reader writes them under dp->lock */
};

enum port_mode { PORT_OFF, PORT_XDP, PORT_TCX };

struct port {
    char name[IFNAMSIZ];
    uint32_t ifindex; /* 0: not there */
    uint32_t index;   /* in stats and devices */
    enum policy_fast wanted;
    enum port_mode mode;
    bool redirect; /* XDP may send through it */
    bool behind;   /* tcx after XDP */
    bool undone;   /* an earlier program of Orbital's was in the way: the next look tries again */
    bool busy;     /* another program has its XDP: tried again when that is gone */
    uint32_t foreign; /* bits of enum foreign_kind, also in `reason` */
    char reason[640];
};

struct port_list {
    struct port items[POLICY_MAX_PORTS];
    unsigned count;
    unsigned undescribed;            /* interfaces the fast path has no room for */
    char undescribed_name[IFNAMSIZ]; /* one of them */
};

/* Numbers of nftables' transactions. */
#define WATCH_IDS 64
struct watch_ids {
    uint32_t items[WATCH_IDS]; /* a ring; 0: none */
    unsigned next;
};

/* A kernel setting written by this daemon, and its previous value. */
struct setting_change {
    char path[160];
    char before[24];
};
#define SETTING_CHANGES 8

/* libnftables, loaded when first used: workers are the same binary and need not relocate it. */
struct ruleset;

struct dataplane_compiled {
    struct policy policy;
    struct nft_text chains; /* of policy */
    int inner;              /* map with the classifier's data, -1 without fast path */
    void *memory;           /* its value */
    struct classify_stats stats;
    bool derived;   /* from the policy before: only what rules do differs */
    uint32_t hints; /* as given to the programs last; 0: none */
    size_t nft_bytes;
    struct dataplane_times times;
    struct shadow_list shadows; /* rules that can never match, and were not so before */
};

struct dataplane {
    char *bpffs;
    struct fastpath *programs; /* NULL: no fast path here, for the reason below */
    char reason[320];          /* also why the programs of hooks_failed could not be loaded */
    int program[PROGRAMS];     /* descriptors; 0: none, which of XDP and tcx no port needed yet */
    unsigned hooks_failed;     /* HOOK_*: not tried again before the next policy */
    bool adopted;
    bool verified; /* by the kernel for this daemon; else they are those of the one before */
    bool clsact;   /* used instead of tcx, which this kernel lacks; detected once tcx' program is
                      loaded */
    bool no_tcx;   /* behave like that anyway */
    struct fast_control *control;
    struct fast_counter *counters;
    struct fast_stats *stats;
    uint64_t *rule_ids; /* ABI_OWNER of each counter slot, 0 free; slot 0 is the default */
    struct fast_port *port_names;
    int cpus;
    uint32_t generation;
    bool enabled;
    struct ruleset *ruleset;
    uint32_t ruleset_id; /* after this daemon's last transaction; 0: another program's may have come
                            between */
    struct watch_ids own; /* this daemon's transactions */
    bool unattributed;    /* a transaction is either this daemon's or another program's */
    uint32_t unattributed_from,
        unattributed_to; /* its number is above the first, up to the second */
    uint64_t digest;     /* of the table as left by this daemon; 0: not read yet */
    uint64_t left; /* of the policy whose table the daemon before left, untouched; 0: unknown */
    uint32_t left_generation; /* that table's */
    bool kept;                /* the policy in force is that one; so is what revert restores */
    bool based;               /* the table is the closed one */
    unsigned failures;        /* to put the table back, in a row */
    struct dataplane_ended ended;
    bool forget;   /* connections that no rule marked began without the rules */
    bool detached; /* everything was removed on request */
    char *found;   /* file of the settings as they were found; NULL: not kept */
    struct setting_change changes[SETTING_CHANGES]; /* by the apply that is going on */
    unsigned change_count;
    uint64_t settings_ms;  /* when they were looked at */
    bool illiberal;        /* conntrack's windows cannot be made to fit: no fast path */
    int events;            /* rtnetlink */
    int tables;            /* nftables' events */
    int ipsec;             /* IPsec's events; -1: not there */
    int forgets;           /* what conntrack is told to forget; -1: not there */
    bool forgotten;        /* something was, and the flow cache was not made stale since */
    uint64_t forgotten_ms; /* when it was; both are the thread's of events.c, under lock */
    int unseen;            /* eventfd: something without events changed; -1: not there */
    int poll_stop;         /* eventfd: the thread of foreign_poll.c is to end; -1: not there */
    bool polling;          /* that thread runs */
    pthread_t poller;
    int watch;       /* epoll over events, tables, ipsec, forgets and unseen */
    int noticed;     /* eventfd: something is pending, or only the flow cache was made stale */
    int events_stop; /* eventfd: the thread of events.c is to end; -1: not there */
    bool reading;    /* that thread runs */
    pthread_t reader;
    struct suspect *suspects;
    struct foreign foreign; /* as last read */
    struct route_mtus mtus; /* as last read */
    bool mtus_unread;       /* written by both threads: they must be read again */
    bool mtus_any;          /* there are some */
    bool hooks_unlisted;    /* the kernel does not list functions at netfilter's hooks; atomic */
    bool labels_any;        /* shared6 or label_rules */
    bool expires_any;       /* expires6 */
    bool shares_any;        /* next hops that share routes take something from the fast path */
    bool mtus_gone;         /* some may be gone: to be read again later */
    uint64_t mtus_ms, mtus_took_ms; /* when they were read last, and for how long */
    pthread_mutex_t lock; /* of the next eight: events.c writes them, dataplane_tend takes them */
    unsigned pending;     /* DATAPLANE_*: to be looked at */
    uint32_t foreign_changes;
    uint64_t foreign_unseen;  /* of what sends no events, before it was read last */
    bool redirects_set;       /* accept_redirects, when it was read last; atomic */
    uint64_t redirects_until; /* a gateway learned by a redirect may hold; now_ms(), atomic */
    struct watch_ids touched; /* transactions that touched the table */
    bool touching;            /* the one whose end was not read yet does */
    bool lost_events;
    char toucher[64];
    struct gone_addresses gone; /* that the appliance had */
    struct port_list ports;     /* written under lock: foreign_poll.c reads them */
    char problems[DATAPLANE_PROBLEMS][400];
    struct buf unnoted;               /* lines for the file of found.c that it does not take yet */
    bool digest_unnoted;              /* nor the digest of the table */
    struct dataplane_compiled *spare; /* whose map and memory the next policy takes; NULL: none */
    struct dataplane_compiled *current;  /* NULL: what an earlier daemon left, or nothing */
    struct dataplane_compiled *previous; /* what revert restores, with previous_text if NULL */
    char *previous_text;
    bool revertible;
    struct packet_programs *tester; /* programs loaded for tests of packets; NULL: none */
    const char *doing;              /* doing.h; atomic, as is the next */
    unsigned doing_percent;
};

#define DETACHED                                                                                   \
    "the data plane was detached (orbctl dataplane detach); orbctl dataplane enable takes the "    \
    "machine back"

static inline void own_dataplane_compiled(struct dataplane_compiled **compiled)
{
    dataplane_compile_free(*compiled);
}

#endif
