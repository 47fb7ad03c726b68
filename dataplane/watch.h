/* nftables' events: whose transaction it was. */
#ifndef DATAPLANE_WATCH_H
#define DATAPLANE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct dataplane;
struct orb_err;
struct watch_ids;

/* A socket that gets nftables' events; the caller closes it. Negative errno. */
int watch_open(struct orb_err *err);
/* Reads nftables' events; true: the table was touched, or events were lost. others: a table, chain
 * or rule of another program changed. */
bool watch_drain(struct dataplane *dp, bool *ret_others);
/* Adds a transaction's id; replaces the oldest of WATCH_IDS. */
void watch_add(struct watch_ids *ids, uint32_t id);
/* Was it added, and is it not forgotten? 0 never is. */
bool watch_has(const struct watch_ids *ids, uint32_t id);
/* SO_RCVBUFFORCE, or what an ordinary process gets. */
void watch_buffer(int fd);

#endif
