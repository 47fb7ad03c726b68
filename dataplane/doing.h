/* What the data plane is doing, for callers that wait for it. Set by the thread that works, read by
 * any. */
#ifndef DATAPLANE_DOING_H
#define DATAPLANE_DOING_H

struct dataplane;

/* From now on: phase, a static text; percent: how much of the whole operation is done by now. */
void doing_set(struct dataplane *dataplane, const char *phase, unsigned percent);

#endif
