/* /interfaces as wanted: parsed from the configuration and checked, first alone, then against the
 * kernel's links and addresses. */
#ifndef PLUGINS_INTERFACES_MODEL_H
#define PLUGINS_INTERFACES_MODEL_H

#include <cjson/cJSON.h>

#include "orbital/read.h"
#include "plugins/interfaces/misfit.h"
#include "plugins/lib/rtnl.h"

#define WANT_MTU_IPV6 1280 /* the kernel switches IPv6 off below it */

struct desired {
    char name[16];
    char *description; /* NULL: none */
    int64_t mtu;       /* 0: the link's own */
    bool enabled;
    struct prefix *addrs;
    unsigned *places; /* of addrs in the configuration's list */
    unsigned addr_count;
    /* State of applying, kept between runs. */
    bool once_more;            /* of links_run() alone: the first pass did not do it */
    bool state_pending;        /* the link could not be taken up or down yet */
    bool *duplicate;           /* of each address: another machine has it, too */
    uint64_t dad_next_ms;      /* when a duplicate IPv6 address is tried again */
    unsigned dad_pause_ms;     /* the pause before that */
    uint64_t ordered_ms;       /* since when addresses were put in order … */
    unsigned ordered;          /* … so many times */
    struct prefix link_local;  /* the kernel's own, to be put back; family 0: none seen */
    uint8_t link_local_mac[8]; /* the hardware address it belongs to */
};

struct desired_list {
    struct desired *items;
    unsigned count;
    struct misfits left_out; /* what was wrong and is not in items */
};

/* Parses the /interfaces part (NULL: nothing configured) into *desired (all zero; also valid after
 * a failure). Errors (ORB_E_VETO) have the path and cover all that can be checked without the
 * kernel: addresses, duplicates, overlaps. tolerant: invalid parts are left out and recorded in
 * left_out instead: for a stored configuration, which an earlier version may have accepted. */
int model_read(const cJSON *interfaces, bool tolerant, struct desired_list *desired_list,
               struct orb_err *err);
void model_fini(struct desired_list *desired_list);
/* The interface of that name, NULL: it is not configured. The list's. */
struct desired *model_find(const struct desired_list *desired_list, const char *name);
/* Is prefix, address and length, one of its addresses? desired NULL: no. */
bool model_has(const struct desired *desired, const struct prefix *prefix);
/* Copies the state of applying for the same interfaces. */
void model_remember(const struct desired_list *from, struct desired_list *to);

/* Checks what a commit changes, old to new, against the kernel: links exist, MTU limits, addresses
 * that belong to another program on another link. What it leaves as it was is not looked at, nor is
 * a link missed that was configured before: it was there, and will be configured when it is again.
 */
int model_check(const struct desired_list *old, const struct desired_list *desired_list,
                const struct rtnl_links *links, const struct rtnl_addrs *addrs,
                struct orb_err *err);
/* Single checks, for applying: errors have the path; link may be in any state. */
int model_check_mtu(const struct desired *desired, const struct rtnl_link *link,
                    struct orb_err *err);
/* Does another link, which is not in the configuration, hold the address by itself? index: of
 * desired->addrs. */
int model_check_foreign(const struct desired_list *desired_list, const struct desired *desired,
                        unsigned index, const struct rtnl_links *links,
                        const struct rtnl_addrs *addrs, struct orb_err *err);
/* "/interfaces/NAME/LEAF/INDEX"; leaf NULL and index below 0: without. */
void model_path(char *to, size_t size, const char *name, const char *leaf, int index);

#endif
