/* One netlink dump on a socket of its own. */
#ifndef DATAPLANE_DUMP_H
#define DATAPLANE_DUMP_H

#include <linux/netlink.h>
#include <stdbool.h>

/* Called for each message; false: enough, the rest is not wanted. */
typedef bool dump_fn(void *arg, const struct nlmsghdr *message);

/* Sends request to `protocol` (NETLINK_*) and calls each for every message of the answer. Flags of
 * the request: NLM_F_REQUEST, and NLM_F_DUMP for more than one message. Negative errno: the
 * kernel's answer, or -EINTR: changed during the dump. */
int dump_run(int protocol, const struct nlmsghdr *request, dump_fn *each, void *arg);

#endif
