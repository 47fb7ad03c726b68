/* Parts of a test: route look-ups, the policy's result, the programs. Shared by packet_test*.c. */
#ifndef DATAPLANE_PACKET_TEST_INTERNAL_H
#define DATAPLANE_PACKET_TEST_INTERNAL_H

#include "dataplane/dataplane_internal.h"
#include "dataplane/flow_nat.h"
#include "dataplane/packet_test.h"

/* The kernel's route for a packet. */
struct packet_route {
    int error; /* 0, or the kernel's: -ENETUNREACH, -EXDEV (rp_filter), -EINVAL (a martian) … */
    uint8_t type; /* RTN_* */
    uint32_t oif;
    uint8_t gateway_family; /* 0: the destination is on the link */
    uint8_t gateway[16];
    uint8_t source[16]; /* the address the appliance would send with; all 0: none */
};

/* in: index of the interface it comes in by; 0: the appliance sends it. NULL source: none given. */
void packet_test_route_find(const struct packet_test *packet, const uint8_t *source,
                            const uint8_t *destination, uint16_t destination_port, uint32_t in,
                            struct packet_route *ret_route);

/* A rule that may match, depending on what the packet does not say. */
#define PACKET_TEST_DEPENDS 8
struct packet_test_depends {
    uint32_t rule;
    const char *on; /* "source-mac", "limit" */
};

/* All that is found out about the packet. */
struct packet_result {
    const struct policy *policy;
    struct link_list links;
    const struct link_info *in, *out; /* NULL: the appliance itself, or unknown */
    const struct link_info *back;     /* where the source is routed to; NULL: nowhere, or here */
    enum flow_hook hook;
    bool loopback;  /* from the appliance to itself: no rule applies */
    bool untracked; /* by an entry of notrack */
    struct flow_nat target, source;
    struct packet_route route;
    struct packet_route leaving; /* masquerade: as the appliance itself would send */
    bool routed;                 /* the packet reaches a hook */
    const struct policy_rule *rule;
    enum policy_action action;
    struct packet_test_depends depends[PACKET_TEST_DEPENDS];
    unsigned depend_count;
    /* Of the programs. */
    const struct port *port; /* where it comes in, if that has the fast path; else NULL */
    bool ran, dropped;
    bool sent;      /* forwarded: conntrack has the connection already */
    char note[320]; /* why they did not run */
};

/* Runs the programs of result->port on the packet, with maps of their own in which the policy of
 * compiled is in force. Sets ran, dropped, sent. Negative errno: they could not be loaded or run.
 */
int packet_test_programs_run(struct dataplane *dp, const struct dataplane_compiled *compiled,
                             const struct packet_test *packet, struct packet_result *result,
                             struct orb_err *err);
/* Writes the frame of the packet for that interface (at least 128 bytes of room); returns its
 * length. */
size_t packet_test_frame_build(const struct packet_test *packet, const uint8_t mac[6],
                               uint8_t *ret_frame);
/* Appends the result as JSON. */
void packet_test_report_write(const struct dataplane *dp, const struct packet_test *packet,
                              const struct packet_result *result, struct buf *ret_json);

#endif
