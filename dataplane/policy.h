/* The policy model: the firewall's configuration, resolved to addresses, ports and zones. Both
 * outputs (nftables ruleset, fast-path data) are generated from this alone. */
#ifndef DATAPLANE_POLICY_H
#define DATAPLANE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "orbital/error.h"

#define POLICY_MAX_RULES 16384 /* forward rules per family; all rules: twice that */
#define POLICY_MAX_RULE_ID 99999999
#define POLICY_MAX_ZONES 62
#define POLICY_MAX_PORTS 256
#define POLICY_MAX_NAT 1024 /* of each kind */
#define POLICY_MAX_NOTRACK 1024
#define POLICY_MAX_LIST 65536    /* addresses or ports in one list, written out */
#define POLICY_MAX_RANGES 131072 /* addresses in the lists of the whole policy */
#define POLICY_MAX_GROUPS 1024
#define POLICY_MAX_GROUP 131072   /* addresses of one group */
#define POLICY_MAX_GROUPED 524288 /* of all groups */
#define POLICY_GROUP_SHARED 256   /* groups of fewer addresses are written out in each rule */
#define POLICY_NAME 32
#define POLICY_MAX_SHIFTED 65536 /* ports of all destination NAT rules that go to other ports */

/* Beside IPPROTO_*: TCP and UDP in one rule. */
#define POLICY_TCP_UDP 256
#define POLICY_MAX_MACS 4096 /* in one rule */
#define POLICY_LOG_PREFIX 64 /* with the NUL */
#define POLICY_SOURCES 65536 /* kept by a limit per source, for each family */

/* Zone numbers of the fast path: index in zones + 1. */
#define POLICY_ZONE_NONE 0
#define POLICY_ZONE_LOCAL 63

#define POLICY_IPV4 1u
#define POLICY_IPV6 2u

/* NOTRACK is for notracks alone, where ACCEPT is an exception. */
enum policy_action { POLICY_ACCEPT, POLICY_DROP, POLICY_REJECT, POLICY_NOTRACK };
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

/* Addresses and ports under a name. Rules, and copies of policies, share it, so it is never changed
 * once a policy has it; policy_group_use() and policy_group_drop() count its users, from any
 * thread. Lists are sorted, without overlap, neighbours joined. */
struct policy_group {
    char name[POLICY_NAME];
    unsigned users;
    unsigned families; /* POLICY_IPV4 | POLICY_IPV6 of its addresses */
    unsigned hosts[2]; /* ranges of few addresses (policy_group_is_few()), IPv4 and IPv6; … */
    unsigned nets[2];  /* … and the others */
    struct policy_range *ranges;
    unsigned range_count;
    struct policy_ports *ports;
    unsigned port_count;
    uint64_t digest; /* of its addresses */
};

/* Sorted by name. */
struct policy_groups {
    struct policy_group **items;
    unsigned count;
};

enum policy_reject {
    POLICY_REJECT_AUTO, /* a reset for TCP, administratively prohibited for the rest */
    POLICY_REJECT_TCP_RESET,
    POLICY_REJECT_PORT,
    POLICY_REJECT_HOST,
    POLICY_REJECT_NET,
    POLICY_REJECT_ADMIN
};

/* Connection states a rule may name. */
#define POLICY_NEW 1u
#define POLICY_ESTABLISHED 2u
#define POLICY_RELATED 4u
#define POLICY_INVALID 8u
#define POLICY_UNTRACKED 16u

struct policy_limit {
    uint32_t rate; /* packets per per_s seconds; 0: no limit */
    uint32_t per_s;
    uint32_t burst;
};

/* Rarely used conditions. */
struct policy_more {
    uint8_t (*macs)[6]; /* of the sender */
    unsigned mac_count; /* 0: any */
    bool macs_not;      /* none of them */
    uint8_t tcp_mask;   /* TCP flags looked at, 0: none … */
    uint8_t tcp_flags;  /* … and those of them that are set */
    uint8_t states;  /* POLICY_NEW …; 0: what reaches the rules (new, and no known connection) */
    bool per_source; /* the rule's limit is one for each source address */
    struct policy_limit log_limit;
    char log_prefix[POLICY_LOG_PREFIX]; /* "": none */
};

struct policy_rule {
    uint32_t id;            /* the rule's number, stable across generations */
    char from[POLICY_NAME]; /* zone, "local", "" any */
    char to[POLICY_NAME];
    bool from_not, to_not; /* any interface but those of that zone */
    int protocol;          /* IPPROTO_*, POLICY_TCP_UDP, -1 any */
    struct policy_range *sources;
    unsigned source_count; /* 0: any */
    struct policy_range *destinations;
    unsigned destination_count;
    /* The list is this group's, which is large; NULL: it is the rule's own. */
    struct policy_group *source_group, *destination_group;
    struct policy_ports *source_ports;
    unsigned source_port_count;
    struct policy_ports *destination_ports;
    unsigned destination_port_count;
    int icmp_type; /* -1 any */
    int icmp_code; /* -1 any */
    enum policy_action action;
    enum policy_reject reject;
    bool log;
    bool limited;
    bool in_block;       /* its lists and more are in the block of the policy */
    uint32_t limit_rate; /* packets per limit_per_s seconds */
    uint32_t limit_per_s;
    uint32_t limit_burst;
    struct policy_more *more; /* NULL: nothing of it */
};

struct policy_zone {
    char name[POLICY_NAME];
    char (*interfaces)[16]; /* IFNAMSIZ */
    unsigned interface_count;
    int mss; /* largest TCP segment through its interfaces; 0: as it is, POLICY_MSS_PMTU: by the MTU
              */
};
#define POLICY_MSS_PMTU (-1)
#define POLICY_MSS_MIN 536
#define POLICY_MSS_MAX 65495

struct policy_port {
    char name[16];
    enum policy_fast fast;
};

enum policy_nat_action {
    POLICY_NAT_TRANSLATE,
    POLICY_NAT_MASQUERADE, /* source NAT only */
    POLICY_NAT_NONE        /* an exception: what matches stays as it is */
};

struct policy_nat {
    uint32_t id;
    bool source;            /* else destination NAT */
    char zone[POLICY_NAME]; /* "to" of source NAT, "from" of destination NAT */
    int protocol;           /* as in a rule */
    struct policy_range *sources;
    unsigned source_count;
    struct policy_range *destinations; /* DNAT: 0 of them: the appliance's own */
    unsigned destination_count;
    struct policy_ports *source_ports;
    unsigned source_port_count;
    struct policy_ports *destination_ports; /* "port" of destination NAT */
    unsigned destination_port_count;
    enum policy_nat_action action;
    struct policy_range to_address; /* POLICY_NAT_TRANSLATE: lo = the address */
    /* lo 0: unchanged; one port: all go there; as many as destination_ports: each to its own. */
    struct policy_ports to_ports;
};

/* What happens to packets no rule names. */
struct policy_defaults {
    enum policy_action forward, input, output; /* default: drop, accept, accept */
    unsigned log;                              /* POLICY_LOG_FORWARD … */
    struct policy_limit log_limit;             /* of these */
};

/* Entries are sorted: rules, nat and notracks by id, zones and ports by name. Lists of addresses
 * and ports that policy_put made are sorted, without overlap, neighbours joined. */
struct policy {
    struct policy_rule *rules;
    unsigned rule_count;
    struct policy_zone *zones;
    unsigned zone_count;
    struct policy_port *ports;
    unsigned port_count;
    struct policy_nat *nat;
    unsigned nat_count;
    /* What conntrack does not see: from, protocol, addresses, ports and action of each are used. */
    struct policy_rule *notracks;
    unsigned notrack_count;
    struct policy_defaults defaults;
    struct policy_groups groups;
    void *block; /* what rules have that were copied, in one piece; NULL: there are none */
};

#define POLICY_LOG_FORWARD 1u
#define POLICY_LOG_INPUT 2u
#define POLICY_LOG_OUTPUT 4u

/* Empty, with the defaults of docs/dataplane.md. */
void policy_init(struct policy *policy);
/* Frees what it owns; it may be used again after policy_init(). */
void policy_fini(struct policy *policy);
void policy_rule_fini(struct policy_rule *rule);
void policy_nat_fini(struct policy_nat *nat);
/* A deep copy into to, which is overwritten. */
int policy_copy(const struct policy *from, struct policy *to);
/* Merges one `put` payload of docs/dataplane.md (scanned JSON text): entries set by key, null
 * deletes. Errors carry the path below the payload. The policy is unchanged on failure. */
int policy_put(struct policy *policy, const char *text, size_t len, struct orb_err *err);
/* Cross checks: zones named exist, an interface is in one zone, limits. */
int policy_check(const struct policy *policy, struct orb_err *err);
/* The nftables ruleset as the text of one transaction. previous NULL: table inet orbital is deleted
 * and created again. Otherwise the table must be exactly what nft_change_policy made of previous:
 * only differences are sent, and counters of remaining rules keep their values. Counters are the
 * elements of the set "tally", by rule id and ABI_MARK_* of bpf/abi.h for the defaults. The comment
 * of the one rule in chain "about" is "generation N". */
void nft_change_policy(const struct policy *policy, const struct policy *previous,
                       uint32_t generation, struct buf *ret_text);

static inline void own_policy(struct policy *policy)
{
    policy_fini(policy);
}

/* NULL: there is none of that name. */
struct policy_group *policy_group_find(const struct policy_groups *groups, const char *name);
/* Whether a range is of so few addresses that they are rather looked up one by one. */
bool policy_group_is_few(const struct policy_range *range);
/* One more user of it; returns it. NULL: nothing. */
struct policy_group *policy_group_use(struct policy_group *group);
/* One user less; the last one frees it. NULL: nothing. */
void policy_group_drop(struct policy_group *group);
/* Each group of from has one more user: the copy. */
struct policy_groups policy_group_share(const struct policy_groups *from);
/* Drops each, and the list. */
void policy_group_fini(struct policy_groups *groups);

/* Families (POLICY_IPV4 | POLICY_IPV6) of packets a rule can match: those of its addresses, of both
 * lists if both are given, and of its protocol (icmp, icmpv6). 0: none. */
unsigned policy_rule_families(const struct policy_rule *rule);
/* The same of a NAT rule: also those of its target; masquerade without addresses is IPv4's. */
unsigned policy_nat_families(const struct policy_nat *nat);
/* Whether a rule for protocol wanted (may be -1, POLICY_TCP_UDP) holds for a packet of another. */
static inline bool policy_protocol_is(int wanted, int protocol)
{
    return wanted < 0 || wanted == protocol ||
           (wanted == POLICY_TCP_UDP && (protocol == 6 || protocol == 17));
}
static inline bool policy_has_ports(int protocol)
{
    return protocol == 6 || protocol == 17 || protocol == POLICY_TCP_UDP;
}
/* Destination NAT of what the appliance sends itself. */
bool policy_nat_own(const struct policy_nat *nat);
/* Whether it is a forward rule: neither from nor to the appliance itself. What is not given is not
 * the appliance. */
bool policy_rule_forwards(const struct policy_rule *rule);
/* Whether a rule matches on what the classifier does not see (rates, MAC addresses, TCP flags). */
bool policy_rule_is_blind(const struct policy_rule *rule);
/* Whether a rule applies to connections unknown to conntrack, as most do. */
bool policy_rule_decides_new(const struct policy_rule *rule);
/* Whether a new packet for which the classifier finds the rule may still not match it, because of
 * conditions only nftables evaluates. */
bool policy_rule_unsure(const struct policy_rule *rule);
/* Whether two rules are for the same packets and do the same with them; rates and records aside. */
bool policy_rule_matches_same(const struct policy_rule *a, const struct policy_rule *b);
/* NULL: no rule has this number. policy may be NULL. */
const struct policy_rule *policy_find_rule(const struct policy *policy, uint32_t id);
/* Number of a zone: index + 1, POLICY_ZONE_LOCAL for "local", -1 unknown. */
int policy_zone_number(const struct policy *policy, const char *name);
/* Number of the zone an interface is in, POLICY_ZONE_NONE if in none. */
int policy_interface_zone(const struct policy *policy, const char *interface);

/* Sort, join overlapping and adjacent entries; return the new count. */
unsigned policy_set_merge_ranges(struct policy_range *ranges, unsigned count);
/* Two sorted lists as one, in ret, which has room for both. */
void policy_set_interleave(const struct policy_range *a, unsigned a_count,
                           const struct policy_range *b, unsigned b_count,
                           struct policy_range *ret);
/* As policy_set_merge_ranges(), for ports. */
unsigned policy_set_merge_ports(struct policy_ports *ports, unsigned count);
/* What of list is not in out; without list: of everything (addresses: of out's families). Both are
 * merged first. ret has room for count + out_count entries (+ 2 for addresses, + 1 for ports);
 * returns how many it is. */
unsigned policy_set_exclude_ranges(struct policy_range *list, unsigned count,
                                   struct policy_range *out, unsigned out_count,
                                   struct policy_range *ret);
/* As policy_set_exclude_ranges(), for ports. */
unsigned policy_set_exclude_ports(struct policy_ports *list, unsigned count,
                                  struct policy_ports *out, unsigned out_count,
                                  struct policy_ports *ret);
/* Whether a merged list has it; an empty one has everything. */
bool policy_set_in_ranges(const struct policy_range *ranges, unsigned count, uint8_t family,
                          const uint8_t address[16]);
/* As policy_set_in_ranges(), for a port in host order. */
bool policy_set_in_ports(const struct policy_ports *ports, unsigned count, uint16_t port);

/* "192.0.2.0/24", "2001:db8::1", "10.0.0.1-10.0.0.9". false: why has the reason. */
bool policy_text_parse_range(const char *text, struct policy_range *ret_range,
                             const char **ret_why);
/* "80", "1024-65535", host order. false: the reason is in why, a constant. */
bool policy_text_parse_ports(const char *text, struct policy_ports *ret_ports,
                             const char **ret_why);
/* Appends an address, CIDR or range in nft's notation. */
void policy_text_print_range(struct buf *b, const struct policy_range *range);

#endif
