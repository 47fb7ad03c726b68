/* Hints: the programs of the fast path classify first packets anyway; one that they leave to the
 * kernel carries what they found (ABI_HINT), and nftables jumps to the decision of that rule
 * instead of evaluating all before it.
 *
 * A packet's mark and priority bring the hint as far as chain `hints`, right behind conntrack: it
 * continues in the mark of the connection, which is not confirmed yet, and both are cleared before
 * anything else reads them. A hint is obeyed only where the interfaces are those it was found for,
 * in the same generation; otherwise the rules are evaluated.
 *
 * Note: the maps are by counter slot, not by rule number, for lack of bits. */
#include "dataplane/nft_hint.h"

#include <inttypes.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "dataplane/nft_rule.h"

/* The rule's number into conntrack's mark, where it counts by it. */
#define NUMBER "ct mark set ct mark & 0xffff map @hints\n"

static const char taking[] = "type filter hook prerouting priority -199; policy accept;\n"
                             "meta priority & ffff:0 == ffff:0 goto hint/take\n";

enum kind { ACCEPT, DROP, REJECT, OTHER };

/* OTHER: it has a chain of its own. */
static enum kind kind_of(const struct policy_rule *rule)
{
    if (rule->log)
        return OTHER;
    return rule->action == POLICY_ACCEPT ? ACCEPT : rule->action == POLICY_DROP ? DROP : REJECT;
}

static void add_take(const struct policy *policy, struct buf *b)
{
    const char *separator = "iifname . meta priority { ";

    for (unsigned i = 0; i < policy->zone_count; i++)
        for (unsigned k = 0; k < policy->zones[i].interface_count; k++) {
            buf_addf(b, "%s\"%s\" . ffff:%x", separator, policy->zones[i].interfaces[k], i + 1);
            separator = ", ";
        }
    if (*separator == ',')
        buf_adds(b, " } ct state new ct status & confirmed == 0 ct mark 0 ct mark set meta mark\n");
    buf_adds(b, "meta mark set 0 meta priority set none\n");
}

static void add_reject(const struct policy_rule *rule, struct nft_text *text)
{
    AUTO_FREE char *name = buf_format("hint/%s", nft_rule_reject_name(rule));
    struct nft_chain *chain = nft_text_named(text, name);

    buf_adds(&chain->body, NUMBER);
    nft_rule_reject(rule, "ct mark @tally ct mark set 0 ", &chain->body);
}

/* Whether hints lead to that rule. */
static bool is_hinted(const struct nft_text *text, unsigned rule)
{
    return text->slots && text->slots[rule];
}

void nft_hint_add(const struct policy *policy, struct nft_text *text)
{
    unsigned rejects = 0; /* kinds that have their chain */

    if (!text->slots)
        return;
    buf_adds(&nft_text_named(text, "hints")->body, taking);
    add_take(policy, &nft_text_named(text, "hint/take")->body);
    buf_adds(&nft_text_named(text, "hint/accept")->body, NUMBER "ct mark @tally accept\n");
    buf_adds(&nft_text_named(text, "hint/drop")->body, NUMBER "ct mark @tally drop\n");
    buf_adds(&nft_text_named(text, "hint/other")->body, "ct mark & 0xffff vmap @hinted\n");
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        unsigned bit = 1u << nft_rule_reject_kind(rule);

        if (!is_hinted(text, i))
            continue;
        if (kind_of(rule) == OTHER)
            nft_rule_hint(rule, text);
        if (kind_of(rule) == REJECT && !(rejects & bit))
            add_reject(rule, text);
        if (kind_of(rule) == REJECT)
            rejects |= bit;
    }
}

void nft_hint_chain(const struct nft_text *text, uint32_t generation, struct buf *b)
{
    static const struct {
        uint32_t what;
        const char *chain;
    } ways[] = {{ABI_HINT_ACCEPT, "hint/accept"},
                {ABI_HINT_DROP, "hint/drop"},
                {ABI_HINT_OTHER, "hint/other"},
                {ABI_HINT_DEFAULT, "forward/rest"}};
    const char *separator = "ct status & dnat == 0 oifname . ct mark & 0xffff0000 vmap { ";
    const struct policy *policy = text->policy;

    if (!text->slots)
        return;
    buf_adds(b, "chain " NFT_HINT " {\n");
    for (unsigned i = 0; i < policy->zone_count; i++)
        for (unsigned k = 0; k < policy->zones[i].interface_count; k++)
            for (size_t way = 0; way < ARRAY_LEN(ways); way++) {
                buf_addf(b, "%s\"%s\" . 0x%08x : goto %s", separator,
                         policy->zones[i].interfaces[k],
                         ABI_HINT | ABI_HINT_GENERATION(generation) | ABI_HINT_ZONE(i + 1) |
                             ways[way].what,
                         ways[way].chain);
                separator = ", ";
            }
    buf_adds(b, *separator == ',' ? " }\n}\n" : "}\n");
}

static void add_target(const struct policy_rule *rule, struct buf *b)
{
    buf_adds(b, "goto ");
    if (kind_of(rule) == OTHER)
        nft_rule_hint_name(rule, b);
    else
        buf_addf(b, "hint/%s", nft_rule_reject_name(rule));
}

/* Whether the map leads elsewhere than from that rule's slot to that rule. */
static bool differs(const struct nft_text *text, unsigned rule, const struct nft_text *other,
                    bool verdicts)
{
    const struct policy_rule *mine = &text->policy->rules[rule], *its;
    AUTO(buf) struct buf a = {0}, b = {0};

    if (!other || !other->slots)
        return true;
    its = policy_find_rule(other->policy, mine->id);
    if (!its || other->slots[its - other->policy->rules] != text->slots[rule])
        return true;
    if (!verdicts)
        return false;
    if (kind_of(its) < REJECT)
        return true;
    add_target(mine, &a);
    add_target(its, &b);
    return strcmp(buf_str(&a), buf_str(&b));
}

/* The elements of a map that other lacks, or has otherwise. */
static bool add_elements(const struct nft_text *text, const struct nft_text *other, bool verdicts,
                         bool values, struct buf *b)
{
    const char *separator = values ? "elements = { " : "";

    for (unsigned i = 0; text->slots && i < text->policy->rule_count; i++) {
        const struct policy_rule *rule = &text->policy->rules[i];

        if (!is_hinted(text, i) || (verdicts && kind_of(rule) < REJECT) ||
            !differs(text, i, other, verdicts))
            continue;
        buf_addf(b, "%s%u", separator, text->slots[i]);
        if (values && verdicts) {
            buf_adds(b, " : ");
            add_target(rule, b);
        } else if (values) {
            buf_addf(b, " : %" PRIu32, rule->id);
        }
        separator = ", ";
    }
    return *separator == ',';
}

void nft_hint_drop(const struct nft_text *now, const struct nft_text *old, struct buf *b)
{
    static const char *const maps[] = {"hints", "hinted"};

    for (int i = 0; i < 2; i++) {
        AUTO(buf) struct buf elements = {0};

        if (add_elements(old, now, i, false, &elements))
            buf_addf(b, "delete element inet orbital %s { %s }\n", maps[i], buf_str(&elements));
    }
    if (old->slots)
        buf_adds(b, "flush chain inet orbital " NFT_HINT "\n");
}

void nft_hint_maps(const struct nft_text *now, const struct nft_text *old, struct buf *b)
{
    buf_adds(b, "map hints {\ntype mark : mark; size 65536;\n");
    buf_adds(b, add_elements(now, old, false, true, b) ? " }\n}\n" : "}\n");
    buf_adds(b, "map hinted {\ntype mark : verdict; size 65536;\n");
    buf_adds(b, add_elements(now, old, true, true, b) ? " }\n}\n" : "}\n");
}
