/* Links that the policy no longer names. */
#ifndef DATAPLANE_DETACH_H
#define DATAPLANE_DETACH_H

struct dataplane;
struct port_list;

/* Detaches what `ports` does not name. */
void detach_others(struct dataplane *dp, const struct port_list *ports);

#endif
