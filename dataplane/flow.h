/* One connection of conntrack as received by netlink, and requests to conntrack about it. */
#ifndef DATAPLANE_FLOW_H
#define DATAPLANE_FLOW_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"

struct flow_end {
    uint8_t address[16]; /* network byte order; IPv4 in the first 4 bytes */
    uint16_t port;       /* host order; 0: it has none */
};

struct flow {
    uint8_t family;
    uint8_t protocol;
    uint8_t icmp_type, icmp_code;
    uint8_t tcp_state;                     /* TCP_CONNTRACK_*; 0: none */
    struct flow_end original[2], reply[2]; /* source, destination */
    struct flow_end master[2];             /* of the connection that expected this one … */
    uint8_t master_protocol;
    bool expected; /* … if one did */
    bool zoned;    /* in a zone of conntrack, which Orbital does not use */
    uint32_t status;
    uint32_t mark;
    uint32_t timeout_s;         /* until it expires without a packet */
    const struct nlattr *tuple; /* CTA_TUPLE_ORIG as received; NULL: the message had none */
    const struct nlattr *id;    /* CTA_ID, may be NULL */
};

/* What has ports: what it is compared by. A flow's original source and destination, with protocol.
 */
uint64_t flow_hash(uint8_t family, uint8_t protocol, const struct flow_end ends[2]);

/* Reads an IPCTNL_MSG_CT_NEW message; what points into it holds as long as it. */
void flow_read(const struct nlmsghdr *h, struct flow *ret_flow);
/* Appends the message that deletes this connection, but not one that replaced it in the meantime.
 * */
void flow_delete(const struct flow *flow, struct buf *ret_messages);
/* Appends the message that creates a UDP connection again, as its first packet would: translated to
 * destination, sent with the address source. Port 0 of destination: unchanged. */
void flow_create(const struct flow *flow, const struct flow_end *destination,
                 const uint8_t source[16], struct buf *ret_messages);
/* Appends the messages that set its mark and keep it in conntrack for days, whatever its ends send
 * (permanent: the kernel does not allow to revert it). */
void flow_hold(const struct flow *flow, uint32_t mark, struct buf *ret_messages);
/* Appends the message that sets its mark. */
void flow_set_mark(const struct flow *flow, uint32_t mark, struct buf *ret_messages);

#endif
