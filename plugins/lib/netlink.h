/* Requests to the kernel over one route netlink socket (libnl-3 builds and takes apart messages).
 * Synchronous: the kernel answers in the call itself; a time-out of two seconds guards against what
 * should not happen. The kernel's own words (extended ack) end up in the error text. */
#ifndef PLUGINS_LIB_NETLINK_H
#define PLUGINS_LIB_NETLINK_H

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "orbital/error.h"

/* The protocol number of every route and address that Orbital makes, so that only ours are ever
 * taken away ("orbital" for /etc/iproute2/rt_protos). */
#define NETLINK_OURS 201

/* A socket for requests. The caller frees it with nl_socket_free(). */
int netlink_open(struct nl_sock **ret_socket, struct orb_err *err);
/* A non-blocking socket that receives the events of the groups (0 ends them). */
int netlink_events(struct nl_sock **ret_socket, const int *groups, struct orb_err *err);
/* Sends message (taken) and waits for the answer. Error: the kernel's negative errno with its
 * words, or ORB_E_KERNEL when there was no answer. */
int netlink_send(struct nl_sock *socket, struct nl_msg *message, struct orb_err *err);

typedef void netlink_each(void *arg, struct nlmsghdr *header);
/* Asks for a dump: type and family header; cb is called for each message. */
int netlink_dump(struct nl_sock *socket, int type, void *header, size_t len, netlink_each *cb,
                 void *arg, struct orb_err *err);
/* Reads all waiting events. Returns 0, or 1 when some were lost (look at everything again). */
int netlink_drain(struct nl_sock *socket, netlink_each *cb, void *arg);

#endif
