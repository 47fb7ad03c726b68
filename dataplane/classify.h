/* Bit-vector classifier, user-space half: builds the data for one policy that the BPF half
 * (bpf/classify.bpf.h) searches (layout: bpf/classify.h). Aggregated bit vectors (Baboescu and
 * Varghese, SIGCOMM 2001): per dimension and class one row of N bits with summary words. */
#ifndef DATAPLANE_CLASSIFY_H
#define DATAPLANE_CLASSIFY_H

#include "dataplane/policy.h"

struct classify_stats {
    uint32_t rules4, rules6;
    uint32_t classes;
    uint64_t bytes;
};

/* Writes the complete value of one inner map (at most size bytes) for the forward rules of policy.
 * zone numbers: index + 1 in policy->zones, 0 for an interface in no zone, 63 local. Too many rules
 * or too little room: ORB_E_LIMIT with the count and the limit. */
int classify_build(const struct policy *policy, void *memory, size_t size,
                   struct classify_stats *ret_stats, struct orb_err *err);

/* The same as classify_build() by what was built for the policy before, if the rules of both match
 * the same packets, whatever they do with them; a tenth of its work. false: they do not; memory is
 * to be built. */
bool classify_again(const struct policy *policy, void *memory, const struct policy *before,
                    const void *built, struct classify_stats *ret_stats);

struct classify_header {
    uint8_t family; /* AF_INET, AF_INET6 */
    uint8_t protocol;
    uint8_t zone_from, zone_to;
    uint8_t source[16], destination[16];
    uint16_t source_port,
        destination_port; /* host order; ICMP: type << 8 | code in destination_port */
};
/* Result of the look-up over the built data in user space (the same algorithm as in BPF) and of a
 * linear search over the policy: index into policy->rules or -1 for the default. They must agree.
 */
int classify_lookup(const void *memory, size_t size, const struct classify_header *header);
/* The linear search, by the rules in their order. */
int classify_linear(const struct policy *policy, const struct classify_header *header);
/* The same for packets of known connections (rules with state established; -1: accepted, also when
 * the data has no such rules because all of them accept), and for untracked packets: index into
 * policy->notracks, zone_to is ignored. */
int classify_lookup_known(const void *memory, size_t size, const struct classify_header *header);
/* The linear search that classify_lookup_known() must agree with. */
int classify_linear_known(const struct policy *policy, const struct classify_header *header);
/* What conntrack is not to see, over the built data. */
int classify_lookup_track(const void *memory, size_t size, const struct classify_header *header);
/* The linear search that classify_lookup_track() must agree with. */
int classify_linear_track(const struct policy *policy, const struct classify_header *header);
/* Whether one rule of policy could be for such a packet (unsure ones: as far as can be seen). */
bool classify_linear_matches(const struct policy *policy, const struct policy_rule *rule,
                             const struct classify_header *header);

#endif
