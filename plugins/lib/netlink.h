/* Requests to the kernel over one route netlink socket (libnl-3 builds and parses messages).
 * Synchronous: the kernel answers within the call; a time-out of two seconds is a safeguard. The
 * kernel's error text (extended ack) is included in errors. */
#ifndef PLUGINS_LIB_NETLINK_H
#define PLUGINS_LIB_NETLINK_H

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "orbital/error.h"

/* The protocol number of every route and address made by Orbital, so that no other is ever removed
 * ("orbital" for /etc/iproute2/rt_protos). */
#define NETLINK_OURS 201

/* A socket for requests. The caller frees it with nl_socket_free(). */
int netlink_open(struct nl_sock **ret_socket, struct orb_err *err);
/* A non-blocking socket that receives the events of the groups (0 ends them). */
int netlink_events(struct nl_sock **ret_socket, const int *groups, struct orb_err *err);
/* Sends message (taken) and waits for the answer. Error: the kernel's negative errno with its text,
 * or ORB_E_KERNEL when there was no answer. */
int netlink_send(struct nl_sock *socket, struct nl_msg *message, struct orb_err *err);

typedef void netlink_each(void *arg, struct nlmsghdr *header);
struct netlink_reader {
    netlink_each *each;         /* called for each message of a dump */
    void (*restart)(void *arg); /* discard the results of each(): the dump is repeated */
    void *arg;
};
/* Requests a dump: type and family header. One that the kernel marks inconsistent (NLM_F_DUMP_INTR:
 * changed while it was written) is repeated, some twenty times within about 0.3 s. Error: the
 * kernel's negative errno with its text, ORB_E_BUSY when no attempt was consistent. */
int netlink_dump(struct nl_sock *socket, int type, const void *header, size_t len,
                 const struct netlink_reader *reader, struct orb_err *err);
/* Reads pending events, at most some thousand; the rest makes the socket readable again. Returns 0,
 * or 1 when the kernel dropped some (ENOBUFS): then everything must be read again. */
int netlink_drain(struct nl_sock *socket, netlink_each *cb, void *arg);

#endif
