/* What a policy's NAT makes of a connection, and whether conntrack has it so. */
#ifndef DATAPLANE_FLOW_NAT_H
#define DATAPLANE_FLOW_NAT_H

#include "dataplane/flow.h"
#include "dataplane/policy.h"

/* A connection's way through the appliance, as far as policies look at it. */
struct flow_way {
    enum flow_hook { FLOW_HOOK_FORWARD, FLOW_HOOK_INPUT, FLOW_HOOK_OUTPUT, FLOW_HOOKS } hook;
    const char *in, *out; /* interfaces; "": unknown, or the appliance itself */
    bool own;             /* the original destination is an address of the appliance */
    bool hidden;          /* the source it leaves with is an address of `out` */
};

enum flow_nat_kind { FLOW_NAT_NONE, FLOW_NAT_TO, FLOW_NAT_MASQUERADE };

struct flow_nat {
    enum flow_nat_kind kind;
    uint8_t address[16];
    uint16_t port; /* 0: as it is */
    uint32_t id;   /* of the entry that decides, an exception too; 0: none matches */
};

/* source: of the address it is sent with, else of its destination. Source NAT matches the
 * destination in conntrack, as the kernel's chain does after destination NAT. */
struct flow_nat flow_nat_of(const struct policy *policy, bool source, const struct flow *flow,
                            const struct flow_way *way);
/* Do both translate to the same address and port in the same way? */
bool flow_nat_same(const struct flow_nat *a, const struct flow_nat *b);
/* Whether conntrack translates the connection so. */
bool flow_nat_holds(const struct flow_nat *nat, bool source, const struct flow *flow,
                    const struct flow_way *way);
/* Whether both policies translate alike, for what their zones are. */
bool flow_nat_alike(const struct policy *a, const struct policy *b);
/* Whether a zone has the same interfaces in both; "" and "local" have. */
bool flow_nat_zone_alike(const struct policy *a, const struct policy *b, const char *name);

#endif
