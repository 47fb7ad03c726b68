/* Pieces of nftables text the files nft*.c share. Each appends a condition and a blank, or nothing
 * when it would not restrict anything. */
#ifndef DATAPLANE_NFT_H
#define DATAPLANE_NFT_H

#include "dataplane/policy.h"
#include "dataplane/tally.h"

struct nft_chain {
    char name[32];
    struct buf body; /* what stands between its braces */
};

/* The chain whose one rule says, in its comment, which policy the table is of. */
#define NFT_ABOUT "about"
#define NFT_POLICY_WORD " policy "

/* All chains of a policy. */
struct nft_text {
    const struct policy *policy;
    struct nft_chain *items;
    unsigned count, size;
    uint64_t digest; /* of all that the table says by it, which names it; 0: not reckoned */
};
void nft_chains(const struct policy *policy, struct nft_text *ret_text);
void nft_chains_fini(struct nft_text *text);
/* A chain named after hook and, unless 0, rule; valid until the next. */
struct nft_chain *nft_chain_new(struct nft_text *text, const char *hook, uint32_t rule);
/* "limit_ID_RATE_PER_BURST" */
void nft_limit_name(struct buf *b, const struct policy_rule *rule);

/* policy_nft. old may be NULL; then carried (which may be NULL, too) is what the counters begin
 * with.
 */
void nft_ruleset(const struct nft_text *now, const struct nft_text *old, uint32_t generation,
                 const struct tally_list *carried, struct buf *ret_text);

/* match: "iifname" or "oifname"; name: zone, "local" or ""; out: all interfaces but its own. false:
 * the zone has no interface, so nothing can match. */
bool nft_interfaces(const struct policy *policy, const char *match, const char *name, bool out,
                    struct buf *b);
/* Whether a rule is asked at a hook. hook_from, hook_to: packets there come from, go to the
 * appliance; neither: they are forwarded. */
bool nft_at_hook(const struct policy_rule *rule, bool hook_from, bool hook_to);
/* One rule. zones: its conditions about interfaces; states: of conntrack, 0 all that come there;
 * known: it stands before known connections pass. */
void nft_rule(const struct policy_rule *rule, const char *zones, unsigned states, bool known,
              struct buf *b);
/* What conntrack does not see, or an exception of it. */
void nft_notrack(const struct policy_rule *rule, const char *zones, struct buf *b);
/* Chains rules lead to. */
void nft_rule_chains(const struct policy *policy, struct nft_text *text);
/* Counts the packet for a rule's number or a default's mark. */
void nft_count(uint32_t key, struct buf *b);
/* A limit as a condition, nothing for rate 0; and its unit. */
void nft_limit(const struct policy_limit *limit, struct buf *b);
const char *nft_per(uint32_t seconds);
/* The set of sources of a limit per source: "sources4_ID_RATE_PER_BURST". */
void nft_sources_name(struct buf *b, const struct policy_rule *rule, int family);
/* match: "saddr" or "daddr". */
void nft_addresses(const char *match, int family, const struct policy_range *ranges, unsigned count,
                   struct buf *b);
/* match: "sport" or "dport"; ports as in the policy: sorted, without overlap. */
void nft_ports(const char *match, int protocol, const struct policy_ports *ports, unsigned count,
               struct buf *b);
void nft_protocol(int protocol, struct buf *b);
/* "tcp", "udp", or what stands for both before sport and dport. */
const char *nft_port_word(int protocol);
/* The chains of destination and source NAT. */
void nft_add_nat(const struct policy *policy, struct nft_text *text);
/* The chains before conntrack, if there is something for them. */
void nft_add_notrack(const struct policy *policy, struct nft_text *text);
/* The chain that bounds TCP segments, if a zone asks for it. */
void nft_add_mss(const struct policy *policy, struct nft_text *text);

static inline void own_nft_text(struct nft_text *text)
{
    nft_chains_fini(text);
}

#endif
