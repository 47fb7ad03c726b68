/* What would become of a packet: the policy evaluated for it, the kernel's route, and the verdict
 * of the programs in the kernel. Nothing is sent, counted or kept. Beside dataplane.h for the host.
 */
#ifndef DATAPLANE_PACKET_TEST_H
#define DATAPLANE_PACKET_TEST_H

#include "dataplane/dataplane.h"

/* The first packet of a connection. Addresses in network byte order, IPv4 in the first 4 bytes;
 * ports in host order. */
struct packet_test {
    char from[POLICY_NAME]; /* interface or zone it comes in by; "local": the appliance sends it;
                               "": the interface by which its source is routed */
    uint8_t family, protocol;
    uint8_t icmp_type, icmp_code;
    uint16_t source_port, destination_port;
    uint8_t source[16], destination[16];
    uint8_t mac[6]; /* of the sender */
    bool has_mac;
};

/* Reads {"from"?, "source", "destination", "protocol", "source-port"?, "destination-port"?,
 * "icmp-type"?, "source-mac"?} from text, scanned before. ORB_E_SCHEMA and path: what is wrong. */
int packet_test_read(const char *text, size_t len, struct packet_test *ret_packet,
                     struct orb_err *err);
/* Appends the result as docs/dataplane.md has it. compiled: a policy that is not in force, NULL:
 * the one that is. Blocks for up to some hundred milliseconds while programs are loaded. */
int packet_test_run(struct dataplane *dataplane, const struct dataplane_compiled *compiled,
                    const struct packet_test *packet, struct buf *ret_json, struct orb_err *err);

/* Frees the programs loaded for tests when there was no test for a minute. */
void packet_test_programs_expire(struct dataplane *dataplane);
struct packet_programs;
/* NULL is fine. */
void packet_test_programs_free(struct packet_programs *programs);

#endif
