/* State of links before the configuration first changed them, to be restored when they leave it.
 * Also kept in a file: a commit undone because the host died must not leave its MTU. */
#ifndef PLUGINS_INTERFACES_LINK_STATE_H
#define PLUGINS_INTERFACES_LINK_STATE_H

#include <stdbool.h>

#include "orbital/error.h"
#include "plugins/lib/rtnl.h"

struct link_state {
    char name[16];
    int index;
    uint8_t mac[8];
    unsigned mac_len; /* 0: not known */
    unsigned mtu;
    bool up;
    bool mtu_changed;
    bool settings_known;    /* the next two are */
    bool promote, linkdown; /* promote_secondaries, ignore_routes_with_linkdown */
    bool fresh;             /* seen first in this run; not kept */
};

struct link_states {
    struct link_state *items;
    unsigned count;
    char file[256];    /* "" for none */
    char lost[200];    /* why what was noted before is not known; "" it is */
    char unsaved[200]; /* why the file is not as the list is; "" it is */
};

/* Reads DIR/before.json; dir NULL: nothing is kept. One that cannot be read is renamed, and lost
 * has the reason. */
void link_state_load(struct link_states *saved, const char *dir);
/* Writes it, or unsaved has the reason. */
void link_state_save(struct link_states *saved);
void link_state_fini(struct link_states *saved);

/* The record of the link of that name; NULL: there is none. */
struct link_state *link_state_find(struct link_states *saved, const char *name);
/* The record of a link, made on first sight and again when a new link took the name. fresh: it was
 * made now. NULL: no memory. */
struct link_state *link_state_get(struct link_states *saved, const struct rtnl_link *link,
                                  bool *fresh);
/* Links that were given other names since (two may have swapped theirs) keep what is noted of them.
 * true: something is noted under another name now. */
bool link_state_rename(struct link_states *saved, const struct rtnl_links *links);
/* Forgets the record, an item of saved; pointers to other items are not valid after it. */
void link_state_drop(struct link_states *saved, struct link_state *state);

#endif
