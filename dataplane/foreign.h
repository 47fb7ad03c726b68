/* Foreign state: what else in the kernel decides about forwarded packets and was not made by
 * Orbital: netfilter tables, queueing disciplines, tc filters, BPF programs, IPsec policies,
 * settings. The fast path leaves to the kernel every packet that one of them may apply to.
 *
 * foreign.c collects and publishes · foreign_nft.c nftables · foreign_legacy.c iptables-legacy ·
 * foreign_hook.c functions of modules · foreign_tc.c queueing disciplines and filters ·
 * foreign_filter.c, foreign_program.c what these read · foreign_bpf.c programs ·
 * foreign_watch.c events · foreign_poll.c state without events. */
#ifndef DATAPLANE_FOREIGN_H
#define DATAPLANE_FOREIGN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/kept_file.h"
#include "dataplane/settings.h"

struct dataplane;
struct link_info;
struct link_list;
struct nlattr;
struct buf;

#define FOREIGN_TEXT 160
#define FOREIGN_BEING_READ "foreign state is being read"
#define FOREIGN_PLACES 1024 /* more: everything is the kernel's */

/* Kinds of foreign state; the label `kind` of the metric orbital_fast_path_foreign_kind. */
enum foreign_kind {
    FOREIGN_NFTABLES,
    FOREIGN_IPTABLES,
    FOREIGN_QDISC,
    FOREIGN_TC,
    FOREIGN_BPF,
    FOREIGN_IPSEC,
    FOREIGN_EXPECTATION,
    FOREIGN_VRF,
    FOREIGN_STACKED, /* a device on it that takes its frames */
    FOREIGN_SETTING,
    FOREIGN_RULE,
    FOREIGN_MODULE, /* a function of the kernel at netfilter's hooks */
    FOREIGN_UNREAD, /* not read yet, or cannot be read */
    FOREIGN_KINDS
};

/* An interface to which foreign state applies. */
struct foreign_place {
    enum foreign_kind kind;
    char name[IFNAMSIZ]; /* "": by ifindex */
    bool prefix;         /* name is a prefix: all interfaces that match */
    bool in, out;        /* packets received, sent there are left to the kernel */
    bool shaped;         /* packets sent there must pass its queueing discipline */
    uint32_t ifindex;
    char why[FOREIGN_TEXT];
};

enum { FOREIGN_WHY4, FOREIGN_WHY6, FOREIGN_WHY_NEW4, FOREIGN_WHY_NEW6, FOREIGN_WHYS };

struct foreign {
    uint32_t flags;                       /* FOREIGN_* of bpf/abi.h, but for FOREIGN_READING */
    char why[FOREIGN_WHYS][FOREIGN_TEXT]; /* "": no foreign state of that scope */
    uint32_t kinds;                       /* bits: 1 << enum foreign_kind, of `why` */
    bool by_label;                        /* next hops of IPv6 share traffic by the flow label */
    uint32_t hash4, hash6;                /* what next hops share traffic by (route_shared.c) */
    struct foreign_place *places;
    unsigned count;
};

/* All foreign state of one interface. */
struct foreign_sum {
    bool in, out, shaped;
    const char *why, *why_shaped; /* one that takes packets, one that shapes; "": none */
    uint32_t kinds;
};

/* With more ports net.ipv6.conf.NAME.mtu is not looked at. */
#define FOREIGN_MTUS 16

/* Files that one thread reads again and again; zero-initialised. */
struct foreign_files {
    struct kept_file settings[8]; /* foreign_settings.c, those of its table */
    struct kept_file snmp, ip_vs, names[2], timeouts[SETTINGS_TIMEOUTS];
    struct foreign_mtu {
        char name[IFNAMSIZ];
        struct kept_file file;
    } mtus[FOREIGN_MTUS];
};

/* ---- reading; negative errno, -EINTR: changed during the dump ---- */

/* Adds flags (FOREIGN_*); why: text for a port's `reason`, copied. */
void foreign_note(struct foreign *foreign, enum foreign_kind kind, uint32_t flags, const char *why);
/* By name, or by ifindex where name is NULL. */
struct foreign_place *foreign_note_place(struct foreign *foreign, enum foreign_kind kind,
                                         const char *name, uint32_t ifindex, const char *why);
/* What chains and rules of other programs in nftables do with packets. 0 or negative errno. */
int foreign_nft_read(struct foreign *foreign);
/* The same of iptables' older interface; a table that cannot be read is left out. */
void foreign_legacy_read(struct foreign *foreign);
/* Mixes a digest of what foreign_legacy_read would find into state. */
void foreign_legacy_mix(struct foreign_files *files, uint64_t *state);
/* clsact: one of the filters is Orbital's. */
int foreign_tc_read(struct foreign *foreign, bool clsact);
#define FOREIGN_FILTER_NAME 32
/* Whether a filter on the way out may read more than tcx gives it: the packet's connection or
 * route. options: TCA_OPTIONS, NULL: there are none. ret_who: its kind, or that of its action. */
bool foreign_filter_asks(const char *kind, const struct nlattr *options,
                         char ret_who[FOREIGN_FILTER_NAME]);
/* The same of a program, by its number. */
bool foreign_program_asks(uint32_t id);
/* Foreign programs at tcx of Orbital's ports. */
void foreign_bpf_read_tcx(const struct dataplane *dp, struct foreign *foreign);
/* Foreign programs at netfilter's hooks for forwarded packets. */
void foreign_bpf_read_links(struct foreign *foreign);
/* 1: there are conntrack expectations, 0: there are none; negative errno. */
int foreign_state_expectations(void);
/* Whether there are IPsec policies, which decide after routing. */
int foreign_state_ipsec(bool *ret_found);

/* Current values of kernel settings (sysctls). */
struct foreign_settings {
    uint32_t update_priority; /* forwarding sets a packet's priority by its TOS */
    uint32_t redirects;       /* ICMP redirects change the next hop of a destination */
    uint32_t learned_mtus;    /* forwarding honours MTUs learned by ICMP */
    uint32_t hash4, hash6;    /* what next hops share traffic by */
    uint32_t accounting;      /* conntrack counts the packets and bytes of each connection */
};

/* Mixes in what those of ports are where they are not the link's: the same whichever ports there
 * are mostly. */
void foreign_settings_mix_mtus(struct foreign_files *files, const uint32_t *ports, unsigned count,
                               uint64_t *state);

#define FOREIGN_REDIRECTS_HELD ~0u /* none is learned any more; those learned before still hold */

/* Reads them; one that cannot be read counts as the kernel's default. files: the caller's thread's,
 * NULL: none stays open. */
struct foreign_settings foreign_settings(struct dataplane *dp, struct foreign_files *files);
/* Adds to foreign the restrictions that follow from them. */
void foreign_settings_read(struct dataplane *dp, struct foreign *foreign);

#define FOREIGN_BPF_LINKS 64 /* more are not distinguished */

/* Foreign programs as one thread last saw them; zero-initialised. */
struct foreign_programs {
    uint32_t own;  /* id of Orbital's program at tcx; 0: not read yet */
    uint32_t last; /* id of the last BPF link examined */
    unsigned count;
    struct foreign_bpf_link {
        uint32_t id, program, hook;
        int32_t priority;
        bool ip6;
        bool here;              /* in this network namespace, if the kernel reports it */
    } links[FOREIGN_BPF_LINKS]; /* at netfilter's hooks for forwarded packets */
};

/* All that one thread saw; zero-initialised. */
struct foreign_seen {
    struct foreign_programs programs;
    struct foreign_files files;
};

/* Adds BPF links created since the last call, drops those that are gone. */
void foreign_bpf_links_look(struct foreign_programs *programs);
/* Sets `here` of each link. */
void foreign_bpf_links_here(struct foreign_programs *programs);
/* Mixes the foreign programs at tcx of those interfaces into state. */
void foreign_bpf_mix_tcx(const struct dataplane *dp, const uint32_t *ports, unsigned count,
                         struct foreign_programs *programs, uint64_t *state);

/* ---- the whole ---- */

/* Reads and publishes everything; on failure all packets stay with the kernel. 0 or negative
 * errno. */
int foreign_read(struct dataplane *dp);
/* To be called when the policy in force changed. described: its table of interfaces holds what
 * was read. */
void foreign_described(struct dataplane *dp, bool described);
/* What was read is outdated, or the last read failed. */
bool foreign_watch_is_reading(const struct dataplane *dp);
/* What of all that was gathered is about the interface: what concerns packets that come in, go out,
 * or are shaped there. The texts are those of dp->foreign, valid until it is read again. */
struct foreign_sum foreign_port_sum(const struct dataplane *dp, const struct link_info *link,
                                    const struct link_list *links);
/* Appends to a port's reason why its packets are left to the kernel. Returns the kinds, as bits. */
uint32_t foreign_port_explain(const struct dataplane *dp, const struct foreign_sum *sum,
                              char *reason, uint64_t size);
/* The label value of the metric. */
const char *foreign_note_kind(enum foreign_kind kind);
void foreign_note_free(struct foreign *foreign);

/* ---- foreign_watch.c, on the thread of events.c ---- */

/* On a change: leaves all packets to the kernel until foreign_read(). Under dp->lock. */
void foreign_watch_changed(struct dataplane *dp);
/* dp->watch, with descriptors besides rtnetlink's and nftables'; negative errno. */
int foreign_watch_open(struct dataplane *dp);
void foreign_watch_close(struct dataplane *dp);
/* true: there were events. changed: foreign state changed. */
bool foreign_watch_drain(struct dataplane *dp, bool *ret_changed);

/* ---- foreign_poll.c, a thread of its own ---- */

/* A digest of the foreign state for which the kernel sends no events. ports: interfaces with
 * Orbital's programs. seen: what the caller's thread saw before, zero-initialised. */
uint64_t foreign_poll_unseen(struct dataplane *dp, const uint32_t *ports, unsigned count,
                             struct foreign_seen *seen);
/* Closes the files that stayed open. */
void foreign_poll_forget(struct foreign_seen *seen);
/* Compares that digest 12 times a second with the one of the last read; when they differ, all
 * packets are left to the kernel and dp->unseen becomes readable. Negative errno. */
int foreign_poll_start(struct dataplane *dp);
/* Waits for a comparison in progress. */
void foreign_poll_stop(struct dataplane *dp);

#endif
