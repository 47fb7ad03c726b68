/* The inside of the data plane: struct dataplane and what its files offer each other.
 *
 * load.c programs, maps, pins, hooks.c those of ports, complaint.c why not · port.c which hook a
 * port gets, clsact.c the old one, describe.c all interfaces · link.c the interfaces there are ·
 * ruleset.c libnftables, tally.c its counters · slots.c the fast path's · flows.c conntrack,
 * revalidate.c which connections stay · settings.c sysctls, found.c as they were · company*.c what
 * else decides, dump.c netlink's lists · base.c the closed table · plan.c policies compiled,
 * rules.c in nftables, apply.c in force · events.c reading events, watch.c who else changed
 * something, tend.c putting it back · report.c counters and status · route_mtu.c, route_label.c,
 * route_shared.c of routes · dataplane.c the rest. */
#ifndef DATAPLANE_FAST_H
#define DATAPLANE_FAST_H

#include <linux/netlink.h>
#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>

#include "bpf/abi.h"
#include "dataplane/classify.h"
#include "dataplane/company.h"
#include "dataplane/dataplane.h"
#include "dataplane/dump.h"
#include "dataplane/gone.h"
#include "dataplane/nft.h"

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
    uint32_t lower; /* of this namespace: what a VLAN or the like stands on */
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

/* The smallest MTU of routes that is not locked: out of an interface, or out of any. */
#define ROUTE_MTUS 32
/* Interfaces of next hops that share a route of one family. */
#define ROUTE_SHARES 32
struct route_shares {
    uint32_t items[ROUTE_SHARES];
    unsigned count;
    bool any; /* and others */
};

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
    bool behind;   /* tcx behind XDP */
    bool undone;   /* an earlier program of Orbital's was in the way: the next look tries again */
    bool busy;     /* another program has its XDP: tried again when that is gone */
    uint32_t company; /* bits of enum company_kind: what else decides; `reason` */
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

/* A kernel's setting this daemon wrote, and what stood there. */
struct setting_change {
    char path[160];
    char before[24];
};
#define SETTING_CHANGES 8

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
    char reason[320];          /* also why the programs of hooks_failed could not be loaded */
    int program[PROGRAMS];     /* descriptors; 0: none, which of XDP and tcx no port needed yet */
    unsigned hooks_failed;     /* HOOK_*: not tried again before the next policy */
    bool adopted;
    bool verified; /* by the kernel for this daemon; else they are those of the one before */
    bool clsact;   /* instead of tcx, which this kernel lacks; told once tcx' program is there */
    bool no_tcx;   /* behave like that anyway */
    struct fast_control *control;
    struct fast_counter *counters;
    struct fast_stats *stats;
    uint64_t *rule_ids; /* id + 1 of each counter slot, 0 free; slot 0 is the default */
    struct fast_port *port_names;
    int cpus;
    uint32_t generation;
    bool enabled;
    struct ruleset *ruleset;
    uint32_t ruleset_id;  /* after our last transaction; 0: another program may have come between */
    struct watch_ids own; /* our transactions */
    bool doubt;           /* another program's came between ours */
    uint32_t doubt_from, doubt_to; /* numbers: after the first, up to the second */
    uint64_t digest;               /* of the table as we left it; 0: not read yet */
    uint64_t left;     /* of the policy whose table the daemon before left, untouched; 0: unknown */
    bool kept;         /* the policy in force is that one; so is what revert goes back to */
    bool based;        /* the table is the closed one */
    unsigned failures; /* to put the table back, in a row */
    struct dataplane_ended ended;
    bool forget;   /* connections that no rule marked began without the rules */
    bool detached; /* everything of ours was taken away, as asked */
    char *found;   /* file of the settings as they were found; NULL: not kept */
    struct setting_change changes[SETTING_CHANGES]; /* by the apply that is going on */
    unsigned change_count;
    uint64_t settings_ms; /* when they were looked at */
    bool illiberal;       /* conntrack's windows cannot be made to fit: no fast path */
    int events;           /* rtnetlink */
    int tables;           /* nftables' events */
    int ipsec;            /* IPsec's events; -1: not there */
    int unseen;           /* eventfd: something without events changed; -1: not there */
    int poll_stop;        /* eventfd: the thread of company_poll.c is to end; -1: not there */
    bool polling;         /* that thread runs */
    pthread_t poller;
    int watch;       /* epoll over events, tables, ipsec and unseen */
    int noticed;     /* eventfd: something is pending, or only the flow cache was made stale */
    int events_stop; /* eventfd: the thread of events.c is to end; -1: not there */
    bool reading;    /* that thread runs */
    pthread_t reader;
    struct suspect *suspects;
    struct company company; /* as last read */
    struct route_mtus mtus; /* as last read */
    bool mtus_unread;       /* written by both threads: they must be read again */
    bool mtus_any;          /* there are some */
    bool labels_any;        /* shared6 or label_rules */
    pthread_mutex_t lock;   /* of the next eight: events.c writes them, dataplane_tend takes them */
    unsigned pending;       /* DATAPLANE_*: to be looked at */
    uint32_t company_changes;
    uint64_t company_unseen;  /* of what sends no events, before it was read last */
    bool redirects_set;       /* accept_redirects, when it was read last; atomic */
    uint64_t redirects_until; /* a gateway learned by a redirect may hold; now_ms(), atomic */
    struct watch_ids touched; /* transactions that touched our table */
    bool touching;            /* the one whose end was not read yet does */
    bool lost_events;
    char toucher[64];
    struct gone_addresses gone; /* that the appliance had */
    struct port_list ports;     /* written under lock: company_poll.c reads them */
    char trouble[DATAPLANE_TROUBLES][400];
    struct buf unnoted;              /* lines for the file of found.c that it does not take yet */
    bool digest_unnoted;             /* nor the digest of the table */
    struct dataplane_plan *current;  /* NULL: what an earlier daemon left, or nothing */
    struct dataplane_plan *previous; /* what revert goes back to, with previous_text if NULL */
    char *previous_text;
    bool revertible;
};

#define DETACHED                                                                                   \
    "the data plane was detached (orbctl dataplane detach); orbctl dataplane enable takes the "    \
    "machine back"

/* load.c */
int load_programs(struct dataplane *dp, const struct dataplane_options *options,
                  struct orb_err *err);
void load_unload(struct dataplane *dp);
/* A stale cache: entries made before are not used again. */
void load_bump(struct dataplane *dp);
/* The fast path may go on for ABI_ALIVE_MS from now. 0 or negative errno. */
int load_beat(const struct dataplane *dp);

/* hooks.c */
/* Loads what is missing of the programs of these hooks (HOOK_*), pins them and gives them to the
 * links that stand there. Takes some hundred milliseconds when there is something to load. Negative
 * errno: it cannot be loaded, and dp->reason says why, too; what failed is not asked for again by
 * port_apply. */
int hooks_load(struct dataplane *dp, unsigned wanted, struct orb_err *err);
/* Hooks at which an earlier daemon left links. */
unsigned hooks_linked(const struct dataplane *dp);
/* After tcx' program was loaded or taken over: whether this kernel has tcx. */
void hooks_look(struct dataplane *dp);
/* The kernel's CONFIG_HZ. */
uint32_t hooks_ticks(void);
/* Mixes the programs as the kernel gets them into a digest. */
void hooks_mix(const struct dataplane *dp, uint64_t *digest);

/* events.c, a thread of its own */
/* After company_watch_open. Negative errno. */
int events_start(struct dataplane *dp);
void events_stop(struct dataplane *dp);

/* pins.c */
/* Of the maps' contents: a daemon with another one does not take them over. */
uint32_t pins_version(void);
/* To be freed. */
char *pins_path(const struct dataplane *dp, const char *name);
/* libbpf's own maps (.rodata, .kconfig) belong to the programs. */
bool pins_wanted(const struct bpf_map *map);
/* Pins what should be pinned and is not. */
int pins_put(struct dataplane *dp, struct orb_err *err);
/* Everything that should be pinned is (links are looked at by port_alive). */
bool pins_whole(const struct dataplane *dp);
/* What is pinned for maps and programs. links: also those, which detaches. */
void pins_remove(const struct dataplane *dp, bool links);
/* The words of the daemon before; false: there are none, or of another version. */
bool pins_control(const char *bpffs, struct fast_control *ret_control);
/* Whether nftables' table of that digest is as the daemon before left it. It says so in its pins
 * and, for machines without BPF and daemons of another version, in the state directory; a table
 * with no such record is not trusted. A digest of 0: it died before it could read its own table. */
bool pins_left(const struct dataplane_options *options, uint64_t digest);
/* Its name in the file system. */
const char *pins_program_name(enum program program);
/* Takes the pinned programs over if they are those of that digest; of the hooks' those there are.
 */
bool pins_programs(struct dataplane *dp, uint64_t digest);
/* Calls fn for each pinned link. path: its pin; hook: "xdp", "tcx", or "cls" and "clq" (clsact.c).
 * fn may remove the pin. */
typedef void pins_link_fn(struct dataplane *dp, const char *path, const char *hook,
                          uint32_t ifindex, void *arg);
void pins_each_link(struct dataplane *dp, pins_link_fn *fn, void *arg);
/* Pinned links at these hooks (HOOK_*) run this daemon's programs from now on; no packet is lost
 * between. One of an interface that is gone cannot be updated and goes. */
void pins_update_links(struct dataplane *dp, unsigned which);

/* complaint.c */
/* What libbpf complains about goes there from now on, on this thread; NULL: nowhere. */
void complaint_listen(struct buf *ret_text);

/* mounts bpffs at path if nothing is */
int bpffs_mount(const char *path, struct orb_err *err);

/* link.c */
int link_read(struct link_list *ret_list, struct orb_err *err);
const struct link_info *link_find(const struct link_list *list, const char *name);
int link_events(struct orb_err *err);
/* Reads what is there. DATAPLANE_PORTS: something about interfaces changed; DATAPLANE_SETTINGS:
 * about forwarding; DATAPLANE_COMPANY: about queueing disciplines and filters; DATAPLANE_ADDRESSES:
 * addresses went (dp->gone). All when events were lost. LINK_EVENTS: there were any. */
#define LINK_EVENTS (1u << 31)
unsigned link_events_drain(struct dataplane *dp);
/* Counter `name` of ethtool -S summed over queues ("*_" before it); -1 unknown. */
int64_t link_statistic(const char *interface, const char *suffix);
/* Turns the card's taking off of VLAN tags off; false: it stays on. */
bool link_keep_tags(const char *interface);

/* route_mtu.c */
/* Whether a message about a route names one; it is added. */
bool route_mtu_add(struct route_mtus *mtus, const struct nlmsghdr *h);
/* On the thread of events.c: after this event they must be read again. */
bool route_mtu_changes(const struct dataplane *dp, const struct nlmsghdr *h);
/* Reads them where that is asked for. Negative errno. */
int route_mtu_read(struct dataplane *dp);
/* 0: none. */
uint32_t route_mtu_of(const struct route_mtus *mtus, uint32_t ifindex);

/* route_label.c: whether a message about a route or a rule makes the flow label of IPv6 matter. */
bool route_label_shared(const struct nlmsghdr *h);
bool route_label_ruled(const struct nlmsghdr *h);
/* A rule of IPv6 that came or went with suppress_prefixlength or suppress_ifgroup, which
 * bpf_fib_lookup does not honour (for IPv4 it does). */
bool route_label_suppressed(const struct nlmsghdr *h);

/* route_shared.c */
/* Adds the interfaces of a route that next hops share; true: some were not known. */
bool route_shared_add(struct route_shares shares[2], const struct nlmsghdr *h);
/* What the kernel chooses among by what programs are not told. */
void route_shared_note(const struct dataplane *dp, struct company *company);

/* clsact.c: where the kernel has no tcx. Negative errno. */
/* Of Orbital's filter only: tc chooses priorities from 49152 downwards, people from 1 upwards. */
#define CLSACT_PRIORITY 20306
#define CLSACT_HANDLE 1
bool clsact_needed(const struct dataplane *dp);
int clsact_attach(const struct dataplane *dp, uint32_t ifindex);
bool clsact_alive(const struct dataplane *dp, uint32_t ifindex);
/* Nothing where nothing of ours is. */
/* for_good: the discipline goes, too, if it is ours and unused. */
void clsact_detach(const struct dataplane *dp, uint32_t ifindex, bool for_good);
/* The filter an earlier daemon pinned at path runs this one's program from now on. */
int clsact_update(const struct dataplane *dp, const char *path, uint32_t ifindex);

/* ---- attach.c: links of our programs at an interface; xdp: at XDP, else at tcx ---- */

/* Puts the program there and pins its link. 0: it stands there, by a link made now or found; a link
 * that is pinned runs the program since load.c. Else a negative errno, -EEXIST and -EBUSY as in
 * struct port's undone and busy. */
int attach_link(const struct dataplane *dp, bool xdp, uint32_t ifindex);
void attach_undo(const struct dataplane *dp, bool xdp, uint32_t ifindex);
/* Its link is pinned, and still where it was put. */
bool attach_holds(const struct dataplane *dp, bool xdp, uint32_t ifindex);

/* port.c, detach.c */
/* Decides and attaches for every port of policy, describes all interfaces for policy slot `slot`.
 */
int port_apply(struct dataplane *dp, const struct policy *policy, uint32_t slot,
               struct port_list *ret_ports, struct orb_err *err);
/* Loads the programs the ports of policy may need; a failure stands in dp->reason. */
void port_prepare(struct dataplane *dp, const struct policy *policy);
/* Decides about the ports again, for the policy in force. */
int port_refresh(struct dataplane *dp, struct orb_err *err);
/* Those there are from now on; NULL: none. */
void port_set(struct dataplane *dp, const struct port_list *ports);
/* Whether its programs are where dp->ports says. */
bool port_alive(const struct dataplane *dp, const struct port *port);

/* A port that goes without XDP because another program had it, and that is gone. */
bool port_xdp_free(const struct port *port);
/* Detaches what `ports` does not name. */
void detach_others(struct dataplane *dp, const struct port_list *ports);
const char *port_mode_name(enum port_mode mode);

/* describe.c */
/* Describes all interfaces for policy slot `slot`. */
void describe_links(struct dataplane *dp, const struct policy *policy, uint32_t slot,
                    const struct link_list *links, struct port_list *ports);

/* ruleset.c */
int ruleset_open(struct ruleset **ret_ruleset, struct orb_err *err);
void ruleset_close(struct ruleset *ruleset);
/* One transaction; dry: only asks the kernel. */
int ruleset_run(struct ruleset *ruleset, const char *text, bool dry, struct orb_err *err);
/* Output of a list command; "" if there is no such table. */
int ruleset_list(struct ruleset *ruleset, const char *command, struct buf *ret_text);
/* The number of nftables' last change in this namespace, by any program; each adds 1. 0:
 * unknown. */
uint32_t ruleset_id(void);

/* slots.c */
/* ABI_NOWHERE: none. */
uint32_t slot_find(const struct dataplane *dp, uint32_t id);
/* Gives the rules of plan their slots. */
void slot_number(struct dataplane *dp, const struct dataplane_plan *plan);
/* Rules that were not in force before begin at 0; carried: what nftables had, where before is not
 * known (NULL). back: but those of this policy, which is in force again; may be NULL. */
void slot_clear_new(struct dataplane *dp, const struct policy *now, const struct policy *before,
                    const struct policy *back, const struct tally_list *carried);

/* base.c */
#define DIGEST_START 14695981039346656037ull
/* FNV-1a over 8 bytes at a time. */
void base_digest_mix(uint64_t *digest, const void *data, size_t size);
#define BASE_CHAIN "closed"
enum table_state {
    TABLE_UNKNOWN, /* the kernel did not say */
    TABLE_NONE,
    TABLE_BROKEN, /* parts are missing: it may let in what it should not */
    TABLE_CLOSED, /* the base table */
    TABLE_POLICY
};
/* digest: of everything in the table that decides; 0 unless the table is whole. policy: of the
 * policy that it says it is of, 0: it does not say; may be NULL. */
enum table_state base_table_look(uint64_t *ret_digest, uint64_t *ret_policy);
/* There is no table of ours at all. */
bool base_table_missing(void);
/* Remembers the digest of the table as we left it, also for the next daemon. */
void base_table_digest(struct dataplane *dp, uint64_t digest);
/* The closed base table instead of whatever is there, in one transaction. */
int base_load(struct ruleset *ruleset, struct orb_err *err);
/* The table cannot be made, or another process owns it: the same under another name. */
#define BASE_FALLBACK "orbital_closed"
int base_fallback(struct ruleset *ruleset);
/* Our table is in force (again), or everything is taken away. */
void base_fallback_end(struct ruleset *ruleset);

/* settings.c: what does not succeed stands in dp->trouble and refuses no policy. */
/* Those the rules rely on; before them. */
void settings_prepare(struct dataplane *dp);
/* One of those the rules rely on was changed by another program; the kernel sends no events for
 * them. */
bool settings_wrong(const struct dataplane *dp);
/* What settings_prepare changed is put back: the policy did not come into force. */
void settings_undo(struct dataplane *dp);
/* Forwarding; last of all. */
void settings_forward(struct dataplane *dp);
/* Puts back what another program changed; appends the names of those to ret_names. */
void settings_check(struct dataplane *dp, struct buf *ret_names);
/* Without any rules: nothing is forwarded. */
int settings_close(const char *found, struct orb_err *err);

/* found.c: the settings as they were before this program wrote them for the first time since the
 * machine was started; path NULL: not kept. */
int found_note(const char *path, const char *setting, const char *value, struct orb_err *err);
/* The same; what cannot be noted now is trouble, and noted by found_retry when it can be. */
void found_keep(struct dataplane *dp, const char *setting, const char *value);
void found_retry(struct dataplane *dp);
/* Did this program write it? */
bool found_has(const struct dataplane *dp, const char *setting);
/* Which digest nftables' table has; path as above, the file lies beside it. */
int found_table_note(const char *path, uint64_t digest, struct orb_err *err);
/* false: nothing is noted. */
bool found_table(const char *path, uint64_t *ret_digest);
/* Writes them back, and forgets them. */
int found_restore(struct dataplane *dp, struct orb_err *err);

/* watch.c */
int watch_open(struct orb_err *err);
/* Reads nftables' events; true: our table was touched, or events were lost. others: a table,
 * chain or rule of another program changed. */
bool watch_drain(struct dataplane *dp, bool *ret_others);
void watch_add(struct watch_ids *ids, uint32_t id);
bool watch_has(const struct watch_ids *ids, uint32_t id);
/* SO_RCVBUFFORCE, or what an ordinary process gets. */
void watch_buffer(int fd);

/* plan.c */
/* Milliseconds since start, which becomes now. */
uint32_t dataplane_plan_lap(uint64_t *start);

/* rules.c */
/* Reckons the digest by which the table names its policy. */
void rules_number(struct nft_text *chains);
/* Whether the table is the one of that policy that the daemon before left. */
bool rules_left(const struct dataplane *dp, const struct nft_text *chains);
/* Whether a policy is the one before the policy in force: a commit that is taken back by another.
 */
bool rules_are_back(const struct dataplane *dp, const struct nft_text *to);
/* nftables from the policy in force to another. What differs is enough where the table is known to
 * be as we, or the daemon before, left it, because nothing changed in nftables since. Else it is
 * made anew, and the counters go on; what is counted between reading them and the transaction is
 * lost. dry: only asks the kernel. ret_bytes: of the text; may be NULL. */
int rules_change(struct dataplane *dp, const struct nft_text *to, uint32_t generation,
                 struct tally_list *ret_carried, size_t *ret_bytes, bool dry, struct orb_err *err);
/* nftables as it was: by its policy (NULL: not known), by the text that was there, else closed. */
int rules_restore(struct dataplane *dp, const struct dataplane_plan *to, const char *text,
                  uint32_t generation, struct orb_err *err);
/* The table anew as the policy in force says (the base table when there is none), in one
 * transaction with the counters that are left. */
int rules_again(struct dataplane *dp, struct orb_err *err);

/* flows.c */
/* Ends the connections that the rules in force refuse or would translate otherwise, and counts them
 * in dp->ended; with dp->forget also deletes what no rule has marked. before: the policy they ran
 * by, NULL: unknown. */
int flows_purge(struct dataplane *dp, const struct dataplane_plan *plan,
                const struct dataplane_plan *before, struct orb_err *err);
/* Connections may run by rules that are not in force any more: told to the next daemon, too. */
bool flows_unsettled(const struct dataplane *dp);
void flows_settle(struct dataplane *dp, bool settled);
/* Deletes connections that no rule has marked and that were not answered: they would be new to
 * the first policy's rules, and go on untranslated until flows_purge finds it. */
int flows_forget_unanswered(struct orb_err *err);
/* Feeds each of conntrack's connections (IPCTNL_MSG_CT_NEW) to each. */
int flows_dump(dump_fn *each, void *arg, struct orb_err *err);
/* Messages of flow.h, one after the other; what ended by itself meanwhile is no error. */
int flows_send(const struct buf *messages, struct orb_err *err);
/* The marks of rules: 0. */
int flows_unmark(struct orb_err *err);
/* Connections that were ended and are still known go on: it is unknown which policy is in force. */
int flows_resume(struct orb_err *err);

static inline void own_dataplane_plan(struct dataplane_plan **plan)
{
    dataplane_plan_free(*plan);
}

#endif
