/* Conditions of nftables text. Each appends a condition and a blank, or nothing when it would not
 * restrict anything. */
#ifndef DATAPLANE_NFT_MATCH_H
#define DATAPLANE_NFT_MATCH_H

#include "dataplane/policy.h"

/* match: "iifname" or "oifname"; name: zone, "local" or ""; out: all interfaces but its own. false:
 * the zone has no interface, so nothing can match. */
bool nft_match_interfaces(const struct policy *policy, const char *match, const char *name,
                          bool out, struct buf *b);
/* Whether a rule applies at a hook. hook_from, hook_to: packets there come from, go to the
 * appliance; neither: they are forwarded. */
bool nft_match_hook(const struct policy_rule *rule, bool hook_from, bool hook_to);
/* Every address of its family. nft refuses an interval set of one that covers all. */
bool nft_match_covers_all(const struct policy_range *range);
/* match: "saddr" or "daddr". */
void nft_match_addresses(const char *match, int family, const struct policy_range *ranges,
                         unsigned count, struct buf *b);
/* match: "sport" or "dport"; ports as in the policy: sorted, without overlap. */
void nft_match_ports(const char *match, int protocol, const struct policy_ports *ports,
                     unsigned count, struct buf *b);
/* protocol: as in a rule; below 0 any. */
void nft_match_protocol(int protocol, struct buf *b);
/* "tcp", "udp", or the expression for both before sport and dport. */
const char *nft_match_port_word(int protocol);

#endif
