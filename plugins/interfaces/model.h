/* /interfaces as wanted: parsed from the configuration and checked, first alone, then against the
 * kernel's links and addresses. */
#ifndef PLUGINS_INTERFACES_MODEL_H
#define PLUGINS_INTERFACES_MODEL_H

#include <cjson/cJSON.h>

#include "plugins/lib/rtnl.h"

struct want {
    char name[16];
    char description[256];
    unsigned mtu; /* 0: the link's own */
    bool enabled;
    struct prefix *addrs;
    unsigned addr_count;
};

struct wants {
    struct want *items;
    unsigned count;
};

/* Parses the /interfaces part (NULL: nothing configured). Errors (ORB_E_VETO) carry the path and
 * cover everything that can be said without the kernel: addresses, duplicates, overlaps. */
int wants_read(const cJSON *interfaces, struct wants *ret_wants, struct orb_err *err);
void wants_fini(struct wants *wants);
const struct want *wants_find(const struct wants *wants, const char *name);
bool want_has(const struct want *want, const struct prefix *prefix);

/* Checks against the kernel: links exist (absent_ok: need not), MTU limits, addresses that belong
 * to somebody else on another link. */
int wants_check(const struct wants *wants, const struct rtnl_links *links,
                const struct rtnl_addrs *addrs, bool absent_ok, struct orb_err *err);

#endif
