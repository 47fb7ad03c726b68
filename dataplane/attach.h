/* Links of the programs at an interface; xdp: at XDP, else at tcx. */
#ifndef DATAPLANE_ATTACH_H
#define DATAPLANE_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

struct dataplane;

/* BPF links at an interface; xdp: at XDP, else at tcx */
/* Attaches the program and pins its link. 0: attached, by a new link or one that was found; a
 * pinned link runs the new program since load.c. Else a negative errno, -EEXIST and -EBUSY as in
 * struct port's undone and busy. */
int attach_link(const struct dataplane *dp, bool xdp, uint32_t ifindex);
/* Detaches the program of a pinned link and removes the pin; nothing when there is none. */
void attach_undo(const struct dataplane *dp, bool xdp, uint32_t ifindex);
/* Its link is pinned, and still where it was put. */
bool attach_holds(const struct dataplane *dp, bool xdp, uint32_t ifindex);

#endif
