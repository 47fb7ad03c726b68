/* Pins in bpffs, left for the next daemon. */
#ifndef DATAPLANE_PINS_H
#define DATAPLANE_PINS_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane_internal.h"

struct bpf_map;
struct dataplane;
struct dataplane_options;
struct fast_control;
struct orb_err;

/* Of the maps' contents: a daemon with another one does not take them over. */
uint32_t pins_version(void);
/* To be freed. */
char *pins_path(const struct dataplane *dp, const char *name);
/* libbpf's own maps (.rodata, .kconfig) belong to the programs. */
bool pins_wanted(const struct bpf_map *map);
/* Pins what should be pinned and is not. */
int pins_put(struct dataplane *dp, struct orb_err *err);
/* Everything that should be pinned is (links are looked at by port_alive). */
bool pins_whole(const struct dataplane *dp);
/* What is pinned for maps and programs. links: also those, which detaches. */
void pins_remove(const struct dataplane *dp, bool links);
/* The control values of the previous daemon; false: there are none, or of another version. */
bool pins_control(const char *bpffs, struct fast_control *ret_control);
/* Whether nftables' table with that digest is as the previous daemon left it. The digest is kept in
 * its pins and, for machines without BPF and daemons of another version, in the state directory; a
 * table without such a record is not trusted. A digest of 0: the daemon died before it could read
 * its own table. */
bool pins_left(const struct dataplane_options *options, uint64_t digest);
/* Its name in the file system. */
const char *pins_program_name(enum program program);
/* Takes the pinned programs over if they are those of that digest; of the hooks' those there are.
 */
bool pins_programs(struct dataplane *dp, uint64_t digest);
/* Calls fn for each pinned link. path: its pin; hook: "xdp", "tcx", or "cls" and "clq" (clsact.c).
 * fn may remove the pin. */
typedef void pins_link_fn(struct dataplane *dp, const char *path, const char *hook,
                          uint32_t ifindex, void *arg);
/* In the order of the directory; none when it cannot be read. arg is passed to fn. */
void pins_each_link(struct dataplane *dp, pins_link_fn *fn, void *arg);
/* Updates pinned links at these hooks (HOOK_*) to this daemon's programs, without loss of packets.
 * A link whose interface is gone cannot be updated and is removed. */
void pins_update_links(struct dataplane *dp, unsigned which);

#endif
