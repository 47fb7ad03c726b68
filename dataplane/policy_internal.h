/* Reading one entry of a `put` payload, and the reader's few tools: a place that becomes a JSON
 * pointer only when something is wrong there, members by table. Private to policy_*.c. */
#ifndef DATAPLANE_POLICY_INTERNAL_H
#define DATAPLANE_POLICY_INTERNAL_H

#include "core/json/tree.h"
#include "dataplane/policy.h"

/* A step down from up; token NULL: element number index. */
struct place {
    const struct place *up;
    const char *token;
    size_t index;
};

/* ORB_E_SCHEMA at the place. */
int policy_read_fail(const struct place *at, struct orb_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "expected WANT; got (the value)". */
int policy_read_expected(const struct place *at, const char *want, const json_t *value,
                         struct orb_err *err);

struct member {
    const char *name;
    int (*read)(void *to, const json_t *value, const struct place *at, struct orb_err *err);
};
/* Reads each member of an object by the table; unknown ones are refused with a suggestion. */
int policy_read_members(void *to, const json_t *object, const struct member *members, size_t count,
                        const struct place *at, struct orb_err *err);

/* One of count words; ret_index: its index. */
int policy_read_word(const json_t *value, const char *const *words, size_t count, int *ret_index,
                     const struct place *at, struct orb_err *err);
/* An integer from min to max. ORB_E_SCHEMA: it is none, or outside. */
int policy_read_integer(const json_t *value, int64_t min, int64_t max, int64_t *ret_number,
                        const struct place *at, struct orb_err *err);
/* Zone or interface names: what nft and file names take without quoting. */
int policy_read_name(const json_t *value, char *to, size_t size, const struct place *at,
                     struct orb_err *err);
/* Is it such a name, and short enough for size bytes with the NUL? */
bool policy_read_name_valid(const char *name, size_t size);
/* An array of addresses, networks, ranges and "@GROUP", merged; *ranges is malloced, the caller's.
 * ret_group: a large group that is the whole list, whose user the caller is then, and *ranges is
 * the group's; NULL: groups are written out. groups NULL: there are none. ORB_E_SCHEMA, ORB_E_LIMIT
 * above POLICY_MAX_LIST, ORB_E_NOMEM. */
int policy_lists_read_ranges(const json_t *value, const struct policy_groups *groups,
                             struct policy_group **ret_group, struct policy_range **ranges,
                             unsigned *count, const struct place *at, struct orb_err *err);
/* Ports as an array, "!PORT" excludes one, "@GROUP" means those of a group. single, the port
 * of destination NAT: one may be a text by itself, and exclusions alone leave 1 to 65535. */
int policy_lists_read_ports(const json_t *value, const struct policy_groups *groups, bool single,
                            struct policy_ports **ports, unsigned *count, const struct place *at,
                            struct orb_err *err);
/* The member "groups" of a payload: the groups of *groups that it sets, adds to or deletes. On
 * failure *groups may have some of them. */
int policy_groups_read(struct policy_groups *groups, const json_t *value, const struct place *at,
                       struct orb_err *err);
/* A protocol by name or by number as text; -1: any, POLICY_TCP_UDP: both of them. */
int policy_lists_read_protocol(const json_t *value, int *ret_protocol, const struct place *at,
                               struct orb_err *err);
/* accept, drop or reject. */
int policy_read_action(const json_t *value, enum policy_action *ret_action, const struct place *at,
                       struct orb_err *err);

/* "echo-request", "8", "3/4" of a rule whose protocol is known. */
int policy_icmp_read(struct policy_rule *rule, const char *text, const struct place *at,
                     struct orb_err *err);
/* {"rate", "per", "burst"}; ret_per_source NULL: "per-source" is no member of it. */
int policy_more_read_limit(const json_t *value, struct policy_limit *ret_limit,
                           bool *ret_per_source, const struct place *at, struct orb_err *err);
/* A MAC address like 02:00:5e:10:00:01; false: it is none. */
bool policy_more_parse_mac(const char *text, uint8_t ret_mac[6]);
/* The members of policy_more. to: struct policy_more *. */
extern const struct member more_members[];
#define MORE_MEMBERS 5
/* What they need of the rest of the rule. */
int policy_more_check(const struct policy_rule *rule, const struct place *at, struct orb_err *err);

/* One entry of each map, whose lists may name groups; key is the entry's name. to is zeroed and
 * owned by the caller, also on failure. */
int policy_rule_read(struct policy_rule *to, const struct policy_groups *groups, const char *key,
                     const json_t *value, const struct place *at, struct orb_err *err);
/* What conntrack is not to see. ORB_E_SCHEMA and path: what is wrong. */
int policy_rule_read_notrack(struct policy_rule *to, const struct policy_groups *groups,
                             const char *key, const json_t *value, const struct place *at,
                             struct orb_err *err);
/* source: an entry of source NAT, else of destination NAT. ORB_E_SCHEMA and path: what is wrong. */
int policy_nat_read(struct policy_nat *to, const struct policy_groups *groups, const char *key,
                    bool source, const json_t *value, const struct place *at, struct orb_err *err);
/* A zone: its interfaces, and the clamping of the MSS. */
int policy_zone_read(struct policy_zone *to, const json_t *value, const struct place *at,
                     struct orb_err *err);
/* What is set for an interface: whether it has the fast path. */
int policy_zone_read_port(struct policy_port *to, const json_t *value, const struct place *at,
                          struct orb_err *err);
/* Actions that are absent are unchanged; what is logged is given as a whole or not at all. */
int policy_default_read(struct policy_defaults *to, const json_t *value, const struct place *at,
                        struct orb_err *err);
/* Key of a rule: 1 to POLICY_MAX_RULE_ID; 0 when it is none. */
uint32_t policy_rule_key(const char *key);

#endif
