/* The rules as nftables text: the slow path that alone would enforce everything. In numeric order,
 * in up to three hooks, so that a rule without from or to also applies to the appliance's own
 * traffic.
 *
 * Note: many rules are divided by zones (nft_pairs.c) and stand in chains of about 64, so that a
 * commit changes few of them (nft_change.c) and a packet passes by most (nft_guard.c). */
#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/nft.h"
#include "dataplane/nft_group.h"
#include "dataplane/nft_guard.h"
#include "dataplane/nft_hint.h"
#include "dataplane/nft_match.h"
#include "dataplane/nft_nat.h"
#include "dataplane/nft_pairs.h"
#include "dataplane/nft_rule.h"

#define CHAIN_MIN 128 /* fewer rules are in the hook's chain itself */

struct nft_hook {
    const char *name;
    bool from, to;        /* packets there come from, go to the appliance */
    uint32_t mark;        /* of its default */
    unsigned log;         /* POLICY_LOG_*, of its default */
    unsigned first, then; /* states (POLICY_NEW …) matched before known connections pass, and those
                             that reach the rules */
    const char *state;
};

static bool same_zones(const struct policy_rule *a, const struct policy_rule *b)
{
    return a->from_not == b->from_not && a->to_not == b->to_not && !strcmp(a->from, b->from) &&
           !strcmp(a->to, b->to);
}

/* false: a zone without interfaces matches nothing. */
static bool add_zones(const struct policy *policy, const struct nft_hook *hook,
                      const struct policy_rule *rule, struct buf *b)
{
    return (hook->from || nft_match_interfaces(policy, "iifname", rule->from, rule->from_not, b)) &&
           (hook->to || nft_match_interfaces(policy, "oifname", rule->to, rule->to_not, b));
}

/* The rules of one hook, in order. */
struct run {
    const struct policy_rule **rules;
    unsigned count;
};

static void choose_rules(const struct policy *policy, const struct nft_hook *hook, struct run *run)
{
    AUTO(buf) struct buf unused = {0};

    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        buf_clear(&unused);
        if (rule->more && rule->more->states && !(rule->more->states & hook->then))
            continue;
        if (nft_match_hook(rule, hook->from, hook->to) && add_zones(policy, hook, rule, &unused))
            run->rules[run->count++] = rule;
    }
}

/* Rules of one zone pair share the comparison of the interfaces. */
static bool one_pair(const struct policy_rule *const *rules, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        if (!same_zones(rules[0], rules[i]))
            return false;
    return true;
}

static void add_run(const struct policy *policy, const struct nft_hook *hook,
                    const struct policy_rule *const *rules, unsigned count, bool pair,
                    struct buf *b)
{
    AUTO(buf) struct buf zones = {0};

    for (unsigned i = 0; i < count; i++) {
        buf_clear(&zones);
        if (!pair)
            add_zones(policy, hook, rules[i], &zones);
        nft_rule(rules[i], buf_str(&zones),
                 rules[i]->more ? rules[i]->more->states & hook->then : 0, false, b);
    }
}

/* Rules that no zones divide, in order. */
static void add_in_order(const struct policy *policy, const struct nft_hook *hook,
                         const struct run *run, struct nft_text *text, struct buf *base)
{
    const struct policy_rule **rules = run->rules;

    if (run->count < CHAIN_MIN) {
        add_run(policy, hook, rules, run->count, false, base);
        return;
    }
    for (unsigned i = 0, count; i < run->count; i += count) {
        struct nft_chain *chain;
        bool pair;

        count = nft_guard_length(&rules[i], run->count - i);
        pair = one_pair(&rules[i], count);
        chain = nft_text_chain(text, hook->name, rules[i]->id);
        nft_guard_add(&rules[i], count, &chain->body);
        add_run(policy, hook, &rules[i], count, pair, &chain->body);
        if (pair)
            add_zones(policy, hook, rules[i], base);
        buf_addf(base, "jump %s\n", chain->name);
    }
}

/* false: what no rule decides continues in the hook's chain; true: in chain HOOK/rest. */
static bool add_rules(const struct policy *policy, const struct nft_hook *hook,
                      struct nft_text *text, struct buf *base)
{
    AUTO_FREE const struct policy_rule **rules = xcalloc(policy->rule_count + 1, sizeof(*rules));
    struct run run = {.rules = rules};
    struct nft_pairs pairs = {policy, hook->name, hook->from, hook->to, hook->then, rules, 0};

    choose_rules(policy, hook, &run);
    pairs.count = run.count;
    if (nft_pairs_add(&pairs, text, base))
        return true;
    add_in_order(policy, hook, &run, text, base);
    return false;
}

/* Adds rules that match states of known connections before these pass. */
static void add_first(const struct policy *policy, const struct nft_hook *hook, struct buf *b)
{
    AUTO(buf) struct buf zones = {0};

    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        unsigned states = rule->more ? rule->more->states & hook->first : 0;

        buf_clear(&zones);
        if (states && nft_match_hook(rule, hook->from, hook->to) &&
            add_zones(policy, hook, rule, &zones))
            nft_rule(rule, buf_str(&zones), states, true, b);
    }
}

static void add_default_log(const struct policy *policy, const struct nft_hook *hook, struct buf *b)
{
    if (!(policy->defaults.log & hook->log))
        return;
    nft_rule_limit(&policy->defaults.log_limit, b);
    buf_addf(b, "log prefix \"orbital default %s: \"\n", hook->name);
}

/* The default as a last rule, for its counter; the policy of the chain is the same. */
static void add_default(enum policy_action action, uint32_t key, struct buf *b)
{
    if (action == POLICY_ACCEPT)
        buf_addf(b, "ct mark set %" PRIu32 " ", key);
    if (action == POLICY_REJECT) {
        buf_adds(b, "meta l4proto tcp ");
        nft_rule_count(key, b);
        buf_adds(b, "reject with tcp reset\n");
    }
    nft_rule_count(key, b);
    buf_adds(b, action == POLICY_REJECT ? "reject with icmpx type admin-prohibited\n"
                : action == POLICY_DROP ? "drop\n"
                                        : "accept\n");
}

/* IPv6 does not work without neighbour discovery, so no rule applies to it (RFC 4861: hop limit 255
 * shows it was not forwarded; RFC 3810 for the listener messages). */
static const char neighbours[] =
    "ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
    "nd-neighbor-advert } accept\n"
    "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, "
    "mld2-listener-report } accept\n";

/* Later packets of a connection, both ways, count for the rule its mark names. Connections whose
 * rule was deleted, or that predate the rules, are accepted and not counted. */
static const char known[] = "ct state established,related ct mark @tally accept\n";

/* Ended by a commit: packets of both ends are refused until it is over or a policy accepts it
 * again. Resets pass: each end may close it for the other one, too. Otherwise a peer could make
 * conntrack delete it by a reset the other end never receives, whose next segment would begin it
 * again. */
static const char ended[] = "ct mark & 0x60000000 != 0 goto ended\n";
static const char ended_chain[] = "meta l4proto != tcp drop\n"
                                  "tcp flags & rst == rst accept\n"
                                  "ct mark & 0x20000000 == 0 drop\n"
                                  "reject with tcp reset\n";
static_assert(ABI_MARK_ENDED == 0x60000000 && ABI_MARK_RESET == 0x20000000, "as written above");

/* A hint that is not obeyed comes back. */
static const char to_hints[] = "ct mark & 0x90000000 == 0x90000000 jump " NFT_HINT "\n";
static_assert(ABI_HINT == 0x90000000 && !(ABI_HINT & ABI_MARK_ENDED), "as written above");

#define OWN (POLICY_NEW | POLICY_UNTRACKED | POLICY_INVALID)

static const struct nft_hook hooks[] = {
    {"forward", false, false, ABI_MARK_FORWARD, POLICY_LOG_FORWARD,
     POLICY_ESTABLISHED | POLICY_RELATED | POLICY_INVALID, POLICY_NEW | POLICY_UNTRACKED,
     "ct state vmap { established : accept, related : accept, invalid : drop }\n"},
    {"input", false, true, ABI_MARK_INPUT, POLICY_LOG_INPUT, POLICY_ESTABLISHED | POLICY_RELATED,
     OWN, "ct state established,related accept\n"},
    {"output", true, false, ABI_MARK_OUTPUT, POLICY_LOG_OUTPUT, POLICY_ESTABLISHED | POLICY_RELATED,
     OWN, "ct state established,related accept\n"}};

static void add_hook(const struct policy *policy, const struct nft_hook *hook,
                     enum policy_action action, struct nft_text *text)
{
    AUTO(buf) struct buf b = {0}, first = {0}, rest = {0};
    bool hinted = text->slots && !hook->from && !hook->to, apart;

    buf_addf(&b, "type filter hook %s priority filter; policy %s;\n", hook->name,
             action == POLICY_ACCEPT ? "accept" : "drop");
    if (hook->to)
        buf_adds(&b, "iifname \"lo\" accept\n");
    if (hook->from)
        buf_adds(&b, "oifname \"lo\" accept\n");
    add_first(policy, hook, &first);
    if (first.len)
        buf_addf(&b, "%s%s%s", ended, buf_str(&first), known);
    else /* what counts for a rule was not ended */
        buf_addf(&b, "%s%s", known, ended);
    buf_adds(&b, hook->state);
    if (hinted)
        buf_adds(&b, to_hints);
    if (hook->to || hook->from)
        buf_adds(&b, neighbours);
    add_default_log(policy, hook, &rest);
    add_default(action, hook->mark, &rest);
    apart = add_rules(policy, hook, text, &b);
    if (!apart && hinted)
        buf_addf(&b, "goto %s/rest\n", hook->name);
    if (apart || hinted) {
        AUTO_FREE char *name = buf_format("%s/rest", hook->name);

        nft_text_named(text, name)->body = rest;
        rest = (struct buf){0};
    } else {
        buf_adds(&b, buf_str(&rest));
    }
    nft_text_chain(text, hook->name, 0)->body = b;
    b = (struct buf){0};
}

void nft_chains(const struct policy *policy, const struct nft_text *old, uint16_t *slots,
                struct nft_text *ret_text)
{
    *ret_text = (struct nft_text){.policy = policy, .old = old, .slots = slots};
    nft_group_choose(ret_text);
    nft_nat_add(policy, ret_text);
    nft_nat_add_mss(policy, ret_text);
    nft_nat_add_notrack(policy, ret_text);
    nft_rule_chains(policy, ret_text);
    nft_hint_add(policy, ret_text);
    buf_adds(&nft_text_chain(ret_text, "ended", 0)->body, ended_chain);
    add_hook(policy, &hooks[0], policy->defaults.forward, ret_text);
    add_hook(policy, &hooks[1], policy->defaults.input, ret_text);
    add_hook(policy, &hooks[2], policy->defaults.output, ret_text);
    ret_text->old = NULL;
}
