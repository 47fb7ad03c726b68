/* Reads the description of a packet. */
#include <netinet/in.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/tree.h"
#include "dataplane/packet_test.h"
#include "dataplane/policy_internal.h"

#define SOURCE_PORT 49152 /* if none is given: the first of the dynamic ports, RFC 6335 */

static int read_address(const json_t *value, uint8_t *family, uint8_t to[16],
                        const struct place *at, struct orb_err *err)
{
    struct policy_range range;
    const char *why;

    if (!json_is_string(value) ||
        !policy_text_parse_range(json_string_value(value), &range, &why) ||
        memcmp(range.lo, range.hi, sizeof(range.lo)) != 0)
        return policy_read_expected(at, "one address like 192.0.2.7", value, err);
    if (*family && *family != range.family)
        return policy_read_fail(at, err, "source and destination must be of one address family");
    *family = range.family;
    memcpy(to, range.lo, sizeof(range.lo));
    return 0;
}

static int read_source(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct packet_test *packet = to;

    return read_address(value, &packet->family, packet->source, at, err);
}

static int read_destination(void *to, const json_t *value, const struct place *at,
                            struct orb_err *err)
{
    struct packet_test *packet = to;

    return read_address(value, &packet->family, packet->destination, at, err);
}

static int read_from(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct packet_test *packet = to;

    return policy_read_name(value, packet->from, sizeof(packet->from), at, err);
}

static int read_port(const json_t *value, uint16_t *ret_port, const struct place *at,
                     struct orb_err *err)
{
    int64_t number;
    int r = policy_read_integer(value, 1, 65535, &number, at, err);

    if (!r)
        *ret_port = (uint16_t)number;
    return r;
}

static int read_source_port(void *to, const json_t *value, const struct place *at,
                            struct orb_err *err)
{
    struct packet_test *packet = to;

    return read_port(value, &packet->source_port, at, err);
}

static int read_destination_port(void *to, const json_t *value, const struct place *at,
                                 struct orb_err *err)
{
    struct packet_test *packet = to;

    return read_port(value, &packet->destination_port, at, err);
}

static int read_protocol(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct packet_test *packet = to;
    int protocol, r = policy_lists_read_protocol(value, &protocol, at, err);

    if (r < 0)
        return r;
    if (protocol < 0 || protocol > 255)
        return policy_read_expected(at, "one protocol like tcp", value, err);
    packet->protocol = (uint8_t)protocol;
    return 0;
}

static int read_mac(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct packet_test *packet = to;
    const char *text = json_string_value(value);

    if (!text || !policy_more_parse_mac(text, packet->mac))
        return policy_read_expected(at, "a MAC address like 02:00:5e:10:00:01", value, err);
    packet->has_mac = true;
    return 0;
}

/* It is read when the protocol is known. */
static int read_nothing(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return json_is_string(value) ? 0 : policy_read_expected(at, "a text", value, err);
}

static const struct member members[] = {
    {"from", read_from},
    {"source", read_source},
    {"destination", read_destination},
    {"protocol", read_protocol},
    {"source-port", read_source_port},
    {"destination-port", read_destination_port},
    {"icmp-type", read_nothing},
    {"source-mac", read_mac},
};

static bool is_icmp(const struct packet_test *packet)
{
    return packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6;
}

static int read_icmp_type(const json_t *value, struct packet_test *packet, struct orb_err *err)
{
    struct policy_rule rule = {.protocol = packet->protocol, .icmp_type = -1, .icmp_code = -1};
    int r = 0;

    if (value)
        r = policy_icmp_read(&rule, json_string_value(value), NULL, err);
    else
        rule.icmp_type = packet->family == AF_INET ? 8 : 128; /* an echo request */
    packet->icmp_type = (uint8_t)rule.icmp_type;
    packet->icmp_code = rule.icmp_code < 0 ? 0 : (uint8_t)rule.icmp_code;
    return r;
}

/* What fits together, and what is not given. */
static int complete(const json_t *object, struct packet_test *packet, struct orb_err *err)
{
    static const char *const needed[] = {"source", "destination", "protocol"};
    bool ports = policy_has_ports(packet->protocol);
    const struct place port = {NULL, "destination-port", 0}, protocol = {NULL, "protocol", 0};

    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!json_object_get(object, needed[i]))
            return orb_fail(err, ORB_E_SCHEMA, "\"%s\" is missing", needed[i]);
    if (packet->protocol == (packet->family == AF_INET ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
        return policy_read_fail(&protocol, err, "%s has IPv%d addresses only; expected %s",
                                packet->family == AF_INET ? "icmpv6" : "icmp",
                                packet->family == AF_INET ? 6 : 4,
                                packet->family == AF_INET ? "icmp" : "icmpv6");
    if (!ports && (packet->source_port || packet->destination_port))
        return policy_read_fail(&port, err, "ports need the protocol tcp or udp");
    if (ports && !packet->destination_port)
        return policy_read_fail(&port, err, "tcp and udp need a destination port");
    if (ports && !packet->source_port)
        packet->source_port = SOURCE_PORT;
    if (is_icmp(packet))
        return read_icmp_type(json_object_get(object, "icmp-type"), packet, err);
    if (json_object_get(object, "icmp-type"))
        return policy_read_fail(&protocol, err, "icmp-type needs protocol icmp or icmpv6");
    return 0;
}

int packet_test_read(const char *text, size_t len, struct packet_test *ret_packet,
                     struct orb_err *err)
{
    AUTO(json_t) json_t *object = NULL;
    struct packet_test packet = {0};
    int r = tree_parse(text, len, NULL, &object, err);

    if (!r && !json_is_object(object))
        r = orb_fail(err, ORB_E_SCHEMA, "expected an object");
    if (!r)
        json_object_del(object, "tx");
    if (!r)
        r = policy_read_members(&packet, object, members, ARRAY_LEN(members), NULL, err);
    if (!r)
        r = complete(object, &packet, err);
    if (!r)
        *ret_packet = packet;
    return r;
}
