/* Descriptors that clients send along (SCM_RIGHTS). None is wanted, and one that is thrown away is
 * closed: that waits for as long as its sender likes (a TCP socket with SO_LINGER), so it must not
 * happen on the loop. */
#ifndef CORE_IPC_RIGHTS_H
#define CORE_IPC_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

/* Makes the kernel refuse descriptors on fd and connections accepted from it. false: not supported
 * (before Linux 6.16); then rights_look and rights_close are needed. */
bool rights_refuse(int fd);
/* How many of at most len bytes at fd have no descriptors with them: the number, or a negative
 * errno; -EBADMSG: some do. Nothing is taken from fd; to holds what was seen. */
ssize_t rights_look(int fd, void *to, size_t len);
/* Closes fd, whose queue holds descriptors perhaps. */
void rights_close(int fd, bool perhaps);

#endif
