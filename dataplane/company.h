/* What else decides about the packets this box forwards: tables of others, queueing disciplines,
 * filters, IPsec. The fast path leaves to the kernel what they may be about.
 *
 * company.c gathers and publishes · company_nft.c nftables · company_legacy.c iptables before it ·
 * company_hook.c modules ·
 * company_tc.c queueing disciplines and filters · company_filter.c, company_program.c what these
 * read · company_bpf.c programs · company_watch.c events · company_poll.c what has none. */
#ifndef DATAPLANE_COMPANY_H
#define DATAPLANE_COMPANY_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct dataplane;
struct link_info;
struct link_list;
struct nlattr;
struct buf;

#define COMPANY_TEXT 160
#define COMPANY_BEING_READ "what else decides here is being read"
#define COMPANY_PLACES 1024 /* more: everything is the kernel's */

/* What it is, as the metric orbital_fast_path_company_kind names it. */
enum company_kind {
    COMPANY_NFTABLES,
    COMPANY_IPTABLES,
    COMPANY_QDISC,
    COMPANY_TC,
    COMPANY_BPF,
    COMPANY_IPSEC,
    COMPANY_EXPECTATION,
    COMPANY_VRF,
    COMPANY_STACKED, /* a device on it that takes its frames */
    COMPANY_SETTING,
    COMPANY_RULE,
    COMPANY_MODULE, /* a function of the kernel at netfilter's hooks */
    COMPANY_UNREAD, /* not known yet, or it cannot be read */
    COMPANY_KINDS
};

/* An interface something else decides about. */
struct company_place {
    enum company_kind kind;
    char name[IFNAMSIZ]; /* "": by ifindex */
    bool prefix;         /* all whose names begin so */
    bool in, out;        /* what comes in, leaves there is the kernel's */
    bool shaped;         /* what leaves there must go through its queueing discipline */
    uint32_t ifindex;
    char why[COMPANY_TEXT];
};

enum { COMPANY_WHY4, COMPANY_WHY6, COMPANY_WHY_NEW4, COMPANY_WHY_NEW6, COMPANY_WHYS };

struct company {
    uint32_t flags;                       /* COMPANY_* of bpf/abi.h, but for COMPANY_READING */
    char why[COMPANY_WHYS][COMPANY_TEXT]; /* "": nothing decides about those */
    uint32_t kinds;                       /* bits: 1 << enum company_kind, of `why` */
    bool by_label;                        /* next hops of IPv6 share traffic by the flow label */
    uint32_t hash4, hash6;                /* what next hops share traffic by (route_shared.c) */
    struct company_place *places;
    unsigned count;
};

/* What there is about one interface, together. */
struct company_sum {
    bool in, out, shaped;
    const char *why, *why_shaped; /* one thing that takes packets, one that shapes; "": none */
    uint32_t kinds;
};

/* ---- gathering; negative errno, -EINTR: it changed meanwhile ---- */

/* flags: COMPANY_*, added to those there; why: a sentence for `reason`, copied. */
void company_note(struct company *company, enum company_kind kind, uint32_t flags, const char *why);
/* By name, or by ifindex where name is NULL. */
struct company_place *company_note_place(struct company *company, enum company_kind kind,
                                         const char *name, uint32_t ifindex, const char *why);
int company_nft_read(struct company *company);
void company_legacy_read(struct company *company);
/* Mixes what company_legacy_read would say. */
void company_legacy_mix(uint64_t *state);
/* clsact: one of the filters is ours. */
int company_tc_read(struct company *company, bool clsact);
#define COMPANY_FILTER_NAME 32
/* Whether a filter on the way out may read more than tcx gives it: the packet's connection or
 * route. options: TCA_OPTIONS, NULL: there are none. ret_who: its kind, or that of its action. */
bool company_filter_asks(const char *kind, const struct nlattr *options,
                         char ret_who[COMPANY_FILTER_NAME]);
/* The same of a program, by its number. */
bool company_program_asks(uint32_t id);
/* Programs of others at tcx of our ports. */
void company_bpf_read_tcx(const struct dataplane *dp, struct company *company);
/* Programs of others at netfilter's hooks for forwarded packets. */
void company_bpf_read_links(struct company *company);
/* 1: conntrack expects connections, 0: it does not. */
int company_state_expectations(void);
/* Whether there are IPsec policies, which decide after routing. */
int company_state_ipsec(bool *ret_found);

/* Settings of the kernel (sysctls), as they stand. */
struct company_settings {
    uint32_t update_priority; /* forwarding sets a packet's priority by its TOS */
    uint32_t redirects;       /* an ICMP redirect changes where a destination's packets go */
    uint32_t learned_mtus;    /* forwarding honours MTUs that ICMP said */
    uint32_t hash4, hash6;    /* what next hops share traffic by */
};

#define COMPANY_REDIRECTS_HELD ~0u /* none are learned any more; what was still holds */

/* What they are now; one that cannot be read counts as the kernel's default. */
struct company_settings company_settings(struct dataplane *dp);
/* Adds to company what they take from the fast path. */
void company_settings_read(struct dataplane *dp, struct company *company);

#define COMPANY_LINKS 64 /* more are not told from those */

/* Programs, as looked at from one thread; begin with all zero. */
struct company_programs {
    uint32_t own;  /* the number of ours at tcx; 0: not asked for yet */
    uint32_t last; /* of the last link looked at */
    unsigned count;
    struct company_link {
        uint32_t id, program, hook;
        int32_t priority;
        bool ip6;
        bool here;          /* in this network namespace, as far as the kernel says */
    } links[COMPANY_LINKS]; /* at netfilter's hooks for forwarded packets */
};

/* Adds links that came since the last call, drops those that went. */
void company_bpf_links_look(struct company_programs *programs);
/* Sets `here` of each link. */
void company_bpf_links_here(struct company_programs *programs);
/* Mixes what others have at tcx of those interfaces. */
void company_bpf_mix_tcx(const struct dataplane *dp, const uint32_t *ports, unsigned count,
                         struct company_programs *programs, uint64_t *state);

/* ---- the whole ---- */

/* Gathers and publishes; where it cannot be read everything stays the kernel's. 0 or negative
 * errno. */
int company_read(struct dataplane *dp);
/* The policy in force changed: whether its interfaces are described as what was read says. */
void company_described(struct dataplane *dp, bool described);
/* What was read does not hold any more, or the last reading failed. */
bool company_watch_is_reading(const struct dataplane *dp);
struct company_sum company_port_sum(const struct dataplane *dp, const struct link_info *link,
                                    const struct link_list *links);
/* Adds to a port's reason why packets of it are the kernel's; the kinds of what takes them. */
uint32_t company_port_explain(const struct dataplane *dp, const struct company_sum *sum,
                              char *reason, uint64_t size);
/* As the metric calls it. */
const char *company_note_kind(enum company_kind kind);
void company_note_free(struct company *company);

/* ---- company_watch.c, on the thread of events.c ---- */

/* Something changed: from now on everything is the kernel's, until it was read. Under dp->lock. */
void company_watch_changed(struct dataplane *dp);
/* dp->watch, with descriptors besides rtnetlink's and nftables'; negative errno. */
int company_watch_open(struct dataplane *dp);
void company_watch_close(struct dataplane *dp);
/* true: there were events. changed: of company. */
bool company_watch_drain(struct dataplane *dp, bool *ret_changed);

/* ---- company_poll.c, a thread of its own ---- */

/* A number that changes whenever something changes that the kernel sends no events for. ports:
 * interfaces with programs of ours. */
uint64_t company_poll_unseen(struct dataplane *dp, const uint32_t *ports, unsigned count,
                             struct company_programs *programs);
/* Compares that number 12 times a second with the one at the last reading; where they differ,
 * everything is the kernel's from then on, and dp->unseen becomes readable. Negative errno. */
int company_poll_start(struct dataplane *dp);
/* May wait for a look that goes on. */
void company_poll_stop(struct dataplane *dp);

#endif
