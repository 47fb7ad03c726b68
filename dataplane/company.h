/* What else decides about the packets this box forwards: tables of others, queueing disciplines,
 * filters, IPsec. The fast path leaves to the kernel what they may be about.
 *
 * company.c gathers and publishes · company_nft.c nftables · company_legacy.c iptables before it ·
 * company_tc.c queueing disciplines and filters · company_watch.c events. */
#ifndef DATAPLANE_COMPANY_H
#define DATAPLANE_COMPANY_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct dataplane;
struct link_info;
struct link_list;
struct buf;

#define COMPANY_TEXT 160
#define COMPANY_PLACES 1024 /* more: everything is the kernel's */

/* An interface somebody decides about. */
struct company_place {
    char name[IFNAMSIZ]; /* "": by ifindex */
    bool prefix;         /* all whose names begin so */
    bool in, out;        /* what comes in, leaves there is the kernel's */
    bool shaped;         /* what leaves there must go through its queueing discipline */
    uint32_t ifindex;
    char why[COMPANY_TEXT];
};

enum { COMPANY_WHY4, COMPANY_WHY6, COMPANY_WHY_NEW, COMPANY_WHYS };

struct company {
    uint32_t flags;                       /* COMPANY_* of bpf/abi.h, but for COMPANY_READING */
    char why[COMPANY_WHYS][COMPANY_TEXT]; /* "": nobody decides about those */
    struct company_place *places;
    unsigned count;
};

/* For interfaces: what tables, disciplines and filters there are about it, together. */
struct company_sum {
    bool in, out, shaped;
    const char *why; /* of one of them */
};

/* ---- gathering; negative errno, -EINTR: it changed meanwhile ---- */

void company_note(struct company *company, uint32_t flags, const char *why);
/* By name, or by ifindex where name is NULL. */
struct company_place *company_place(struct company *company, const char *name, uint32_t ifindex,
                                    const char *why);
int company_read_nft(struct company *company);
void company_read_legacy(struct company *company);
/* Changes whenever what company_read_legacy would say may have changed; there are no events. */
uint64_t company_legacy_state(void);
int company_read_tc(struct company *company);
/* Programs of others at tcx of our ports. */
void company_read_tcx(const struct dataplane *dp, struct company *company);
/* Changes whenever one of those comes or goes; there are no events. */
uint64_t company_tcx_state(const struct dataplane *dp);

/* ---- the whole ---- */

/* Gathers and publishes; where it cannot be read everything stays the kernel's. 0 or negative
 * errno. */
int company_read(struct dataplane *dp);
/* The policy in force changed: whether its interfaces are described as what was read says. */
void company_described(struct dataplane *dp, bool described);
/* Whether something changed that nobody sends events for, or the last reading failed. */
bool company_is_stale(struct dataplane *dp);
struct company_sum company_sum(const struct dataplane *dp, const struct link_info *link,
                               const struct link_list *links);
/* Adds to a port's reason why packets of it are the kernel's; false: none are. */
bool company_explain(const struct dataplane *dp, const struct company_sum *sum, char *reason,
                     uint64_t size);
void company_fini(struct company *company);

/* ---- company_watch.c, on the loop ---- */

/* Something changed: from now on everything is the kernel's, until it was read. Under dp->lock. */
void company_changed(struct dataplane *dp);
/* Descriptors besides rtnetlink's and nftables'; negative errno. */
int company_watch_open(struct dataplane *dp);
void company_watch_close(struct dataplane *dp);
/* true: there were events. changed: of company. */
bool company_watch_drain(struct dataplane *dp, bool *ret_changed);

#endif
