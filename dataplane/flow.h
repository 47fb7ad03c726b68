/* One connection of conntrack as netlink tells it, and what can be asked of conntrack about it. */
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
    bool zoned;    /* in a zone of conntrack's, which are not ours */
    uint32_t status;
    uint32_t mark;
    const struct nlattr *tuple; /* CTA_TUPLE_ORIG as it came; NULL: the message had none */
    const struct nlattr *id;    /* CTA_ID, may be NULL */
};

/* What has ports: what it is compared by. A flow's original source and destination, with protocol.
 */
uint64_t flow_hash(uint8_t family, uint8_t protocol, const struct flow_end ends[2]);

/* Reads an IPCTNL_MSG_CT_NEW message; what points into it holds as long as it. */
void flow_read(const struct nlmsghdr *h, struct flow *ret_flow);
/* Appends the message that deletes this connection, and none that took its place meanwhile. */
void flow_delete(const struct flow *flow, struct buf *ret_messages);
/* Appends the message that makes it anew, of UDP, as its first packet would: translated to
 * destination, leaving with the address source. Port 0 of destination: as it was. */
void flow_create(const struct flow *flow, const struct flow_end *destination,
                 const uint8_t source[16], struct buf *ret_messages);
/* Appends the messages that set its mark and have conntrack keep it for days, whatever its ends say
 * (for good: the kernel does not let it be taken back). */
void flow_hold(const struct flow *flow, uint32_t mark, struct buf *ret_messages);
/* Appends the message that sets its mark. */
void flow_set_mark(const struct flow *flow, uint32_t mark, struct buf *ret_messages);

#endif
