/* Connections that conntrack forgets because a program asks it to. */
#ifndef DATAPLANE_FORGETS_H
#define DATAPLANE_FORGETS_H

#include <stdbool.h>

struct dataplane;

/* A socket that reports it; -1: this kernel does not tell. */
int forgets_open(void);
/* Reads what there is, on the thread of events.c. true: entries of the flow cache may be about
 * connections that are gone, and are to be made stale now. */
bool forgets_drain(struct dataplane *dp);

#endif
