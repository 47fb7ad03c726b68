/* Links of the programs at an interface, at XDP or at tcx. */
#ifndef DATAPLANE_ATTACH_H
#define DATAPLANE_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

struct dataplane;

/* Links of our programs at an interface; xdp: at XDP, else at tcx */
/* Puts the program there and pins its link. 0: it stands there, by a link made now or found; a link
 * that is pinned runs the program since load.c. Else a negative errno, -EEXIST and -EBUSY as in
 * struct port's undone and busy. */
int attach_link(const struct dataplane *dp, bool xdp, uint32_t ifindex);
void attach_undo(const struct dataplane *dp, bool xdp, uint32_t ifindex);
/* Its link is pinned, and still where it was put. */
bool attach_holds(const struct dataplane *dp, bool xdp, uint32_t ifindex);

#endif
