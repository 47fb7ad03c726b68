/* The file system of the pins. */
#ifndef DATAPLANE_BPFFS_H
#define DATAPLANE_BPFFS_H

struct orb_err;

/* Mounts bpffs at path unless one is mounted there. 0 or negative errno. */
int bpffs_mount(const char *path, struct orb_err *err);

#endif
