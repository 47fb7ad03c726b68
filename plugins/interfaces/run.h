/* One run of applying, shared by its parts: links.c (settings, MTU, state) and addresses.c. */
#ifndef PLUGINS_INTERFACES_RUN_H
#define PLUGINS_INTERFACES_RUN_H

#include "plugins/interfaces/apply.h"

struct run {
    struct nl_sock *socket;
    const struct wants *old;
    struct wants *new;
    struct befores *befores;
    enum apply_mode mode;
    uint64_t now_ms;
    bool first_pass; /* of links_run(): failures are no trouble yet */
    struct rtnl_links links;
    struct rtnl_addrs addrs;
    struct applied *applied;
};

/* What somebody tried and could not: where, the doing in words ("cannot set MTU 9000"), and why. */
struct trouble {
    const char *kind;  /* of the key: "mtu" */
    const char *name;  /* of the interface */
    const char *leaf;  /* of the path; NULL: the interface itself */
    int place;         /* in the leaf's list, -1: none */
    const char *thing; /* of the key; NULL: none */
    const char *doing; /* NULL: err says all */
    const char *todo;
};

/* touched: the commit asks for just this, so it fails with ORB_E_KERNEL and the path (why may be a
 * veto with its own). Else it is noted and 0 returned. */
int apply_trouble(struct run *run, bool touched, const struct trouble *trouble, struct orb_err *why,
                  struct orb_err *err);
int apply_look(struct run *run, struct orb_err *err);

/* promote_secondaries and ignore_routes_with_linkdown. Returns 0. */
int links_settings(struct run *run, struct orb_err *err);
/* MTU and state of the configured links. */
int links_run(struct run *run, struct orb_err *err);
/* Links that left the configuration get back what they had; also those it left while we were dead.
 */
int links_release(struct run *run, struct orb_err *err);
int addresses_remove(struct run *run, struct orb_err *err);
int addresses_add(struct run *run, struct orb_err *err);
/* Looks again when an address was added or removed. Brings addresses into the order of the
 * configuration. */
int reorder_run(struct run *run, struct orb_err *err);
/* Duplicate IPv6 addresses, and the kernel's own link-local ones that somebody took away; fills
 * applied->watched. */
void detection_run(struct run *run);
/* What is there and does not work all the same; fills applied->twins. */
void usable_run(struct run *run);

#endif
