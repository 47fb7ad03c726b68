/* From what is wanted to what the kernel has: exactly the difference, and never a link or an
 * address that is not ours. Ours is what carries our protocol number (IFA_PROTO) or stood in the
 * configuration before. */
#ifndef PLUGINS_INTERFACES_APPLY_H
#define PLUGINS_INTERFACES_APPLY_H

#include "plugins/interfaces/before.h"
#include "plugins/interfaces/model.h"

struct applied {
    unsigned added, removed, links; /* addresses added and removed, links changed */
    unsigned absent;                /* configured links that do not exist */
    char absent_name[16];           /* one of them */
    bool not_kept;                  /* the file of what was before could not be written */
};

/* Makes new so where old was. Stops at the first failure (error with path). repair: only put back
 * what got lost, leave links that somebody took down alone, and do not stop. */
int wants_apply(struct nl_sock *socket, const struct wants *old, const struct wants *new,
                struct befores *befores, bool repair, struct applied *ret_applied,
                struct orb_err *err);

#endif
