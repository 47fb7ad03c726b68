/* The policy model: what the firewall service asks for, resolved to addresses, ports and zones. Both
 * outputs (nftables ruleset, fast-path data) are generated from this and nothing else. */
#ifndef DATAPLANE_POLICY_H
#define DATAPLANE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "orbital/error.h"

#define POLICY_MAX_RULES 16384 /* compiled rules per family and zone pair */
#define POLICY_MAX_ZONES 62
#define POLICY_MAX_PORTS 256
#define POLICY_NAME 32

enum policy_action { POLICY_ACCEPT, POLICY_DROP, POLICY_REJECT };
enum policy_fast { POLICY_FAST_AUTO, POLICY_FAST_XDP, POLICY_FAST_TCX, POLICY_FAST_OFF };

/* Inclusive range of addresses, network byte order; family AF_INET uses the first 4 bytes. */
struct policy_range {
    uint8_t family;
    uint8_t lo[16];
    uint8_t hi[16];
};

struct policy_ports {
    uint16_t lo;
    uint16_t hi;
};

struct policy_rule {
    uint32_t id; /* the rule's number, stable across generations */
    char from[POLICY_NAME]; /* zone, "local", "" any */
    char to[POLICY_NAME];
    int protocol;           /* IPPROTO_*, -1 any */
    struct policy_range *sources;
    unsigned source_count; /* 0: any */
    struct policy_range *destinations;
    unsigned destination_count;
    struct policy_ports *source_ports;
    unsigned source_port_count;
    struct policy_ports *destination_ports;
    unsigned destination_port_count;
    int icmp_type; /* -1 any */
    int icmp_code; /* -1 any */
    enum policy_action action;
    bool log;
    bool limited;
    uint32_t limit_rate;  /* packets per limit_per seconds */
    uint32_t limit_per_s;
    uint32_t limit_burst;
};

struct policy_zone {
    char name[POLICY_NAME];
    char (*interfaces)[16]; /* IFNAMSIZ */
    unsigned interface_count;
};

struct policy_port {
    char name[16];
    enum policy_fast fast;
};

struct policy_nat {
    uint32_t id;
    bool source;            /* else destination NAT */
    char zone[POLICY_NAME]; /* "to" of source NAT, "from" of destination NAT */
    int protocol;
    struct policy_range *matches; /* source (SNAT) or destination (DNAT) addresses */
    unsigned match_count;
    struct policy_ports port; /* DNAT: matched port range; lo 0: any */
    bool masquerade;
    struct policy_range to_address; /* lo = the address, unless masquerade */
    uint16_t to_port;               /* 0: unchanged */
};

/* Entries are sorted: rules and nat by id, zones and ports by name. */
struct policy {
    struct policy_rule *rules;
    unsigned rule_count;
    struct policy_zone *zones;
    unsigned zone_count;
    struct policy_port *ports;
    unsigned port_count;
    struct policy_nat *nat;
    unsigned nat_count;
    enum policy_action forward, input, output; /* defaults: drop, accept, accept */
};

void policy_init(struct policy *policy);
void policy_fini(struct policy *policy);
int policy_copy(const struct policy *from, struct policy *to);
/* Merges one `put` payload of docs/dataplane.md (scanned JSON text): entries set by key, null
 * deletes. Errors carry the path below the payload. The policy is unchanged on failure. */
int policy_put(struct policy *policy, const char *text, size_t len, struct orb_err *err);
/* Cross checks: zones named exist, an interface is in one zone, limits. */
int policy_check(const struct policy *policy, struct orb_err *err);
/* The complete nftables ruleset: text of one transaction replacing table inet orbital. */
void policy_nft(const struct policy *policy, uint32_t generation, struct buf *ret_text);

#endif
