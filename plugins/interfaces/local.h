/* What makes an address one of this machine, beside the address itself: the loopback link, which is
 * up, and the kernel's route of type local. Both can be taken away by others, without an event that
 * is about the address. */
#ifndef PLUGINS_INTERFACES_LOCAL_H
#define PLUGINS_INTERFACES_LOCAL_H

#include "plugins/interfaces/model.h"
#include "plugins/lib/rtnl.h"

struct local_restored {
    unsigned routes;    /* put back */
    unsigned addresses; /* taken away, for the next repair to add them: IPv6 */
    bool loopback;      /* taken up, or down and up again for its own routes */
};

/* Restores missing local routes of the configured addresses and of the loopback link, unless that
 * is configured to be disabled. Failures are tried again with the next call. */
int local_restore(struct nl_sock *socket, const struct desired_list *desired_list,
                  const struct rtnl_links *links, struct local_restored *ret_restored,
                  struct orb_err *err);

#endif
