/* The thread that reads the kernel's events. */
#ifndef DATAPLANE_EVENTS_H
#define DATAPLANE_EVENTS_H

struct dataplane;

/* Starts the thread; after foreign_watch_open. 0 or negative errno. */
int events_start(struct dataplane *dp);
/* Waits for its end. */
void events_stop(struct dataplane *dp);

#endif
