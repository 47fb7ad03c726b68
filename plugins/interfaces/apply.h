/* From the configuration to the kernel: exactly the difference, and only links and addresses of
 * Orbital: those with its protocol number (IFA_PROTO) or configured before. Each link, setting and
 * address is applied by itself: what cannot be applied is recorded, the rest is. */
#ifndef PLUGINS_INTERFACES_APPLY_H
#define PLUGINS_INTERFACES_APPLY_H

#include "plugins/interfaces/link_state.h"
#include "plugins/interfaces/model.h"

enum apply_mode {
    APPLY_COMMIT, /* what the commit changes must work, else it ends with an error */
    APPLY_UNDO,   /* back from a commit: as much as can be had */
    APPLY_START,  /* everything, also the state of links that another program changed */
    APPLY_REPAIR, /* what got lost; a link that another program took down stays down */
};

struct applied {
    unsigned added, removed, links; /* addresses added and removed, links changed */
    unsigned settings;              /* settings of links put right */
    unsigned moved;                 /* addresses brought into order */
    char twins[2][16];              /* cards with one hardware address; "": none */
    struct misfits misfits;         /* what does not fit; the caller's to free */
    cJSON *watched; /* IPv4 addresses that no other may have, for arp@1; the caller's, or NULL */
};

/* Makes new so where old was. now_ms: monotonic. Error (with path): only of APPLY_COMMIT for
 * something that differs between old and new, or when the kernel cannot be read at all;
 * ret_applied is filled in any case. */
int apply_config(struct nl_sock *socket, const struct desired_list *old, struct desired_list *new,
                 struct link_states *saved, enum apply_mode mode, uint64_t now_ms,
                 struct applied *ret_applied, struct orb_err *err);

#endif
