/* One run of applying, and what its parts share: links, addresses, reorder, detection, usable. */
#ifndef PLUGINS_INTERFACES_RUN_H
#define PLUGINS_INTERFACES_RUN_H

#include "plugins/interfaces/apply.h"

struct run {
    struct nl_sock *socket;
    const struct desired_list *old;
    struct desired_list *new;
    struct link_states *saved;
    enum apply_mode mode;
    uint64_t now_ms;
    bool first_pass; /* of links_run(): failures are not reported yet */
    struct rtnl_links links;
    struct rtnl_addrs addrs;
    struct applied *applied;
};

/* A step that failed: where, what was tried ("cannot set MTU 9000"), and why. */
struct failure {
    const char *kind;  /* of the key: "mtu" */
    const char *name;  /* of the interface */
    const char *leaf;  /* of the path; NULL: the interface itself */
    int place;         /* in the leaf's list, -1: none */
    const char *thing; /* of the key; NULL: none */
    const char *doing; /* NULL: err is complete */
    const char *todo;
};

/* touched: the commit changes just this, so it fails with ORB_E_KERNEL and the path (why may be a
 * veto with its own). Else it is recorded and 0 returned. */
int run_failure(struct run *run, bool touched, const struct failure *failure, struct orb_err *why,
                struct orb_err *err);
/* Reads links and addresses again into the run, which owns them. Error: the kernel cannot be read.
 * */
int run_look(struct run *run, struct orb_err *err);

#endif
