/* One process between clone and exec. */
#ifndef CORE_SANDBOX_CHILD_H
#define CORE_SANDBOX_CHILD_H

#include "core/sandbox/sandbox_internal.h"

/* A free child of the sandbox's list, made when there is none; it stays the sandbox's. */
struct child *child_take(struct sandbox *sandbox);
/* Clones and returns at once; the child continues to exec. 0, with the process and its pidfd (the
 * caller's), or a negative errno. */
int child_start(const struct sandbox *sandbox, struct child *child, pid_t *ret_pid, int *ret_pidfd);
/* Waits for children that have not reached exec, and frees all of them. */
void child_free_all(struct sandbox *sandbox);

#endif
