/* Dispatch by zones: a verdict map of the incoming interface leads to one of the outgoing
 * interface, and that to the rules which name these zones, or none. So a packet's interfaces are
 * looked up once, and no rule of another pair is evaluated.
 *
 * Note: the order of rules holds in each pair, since a rule without from or to is in every pair
 * it is for. Pairs with the same rules have one chain, and so have equal stretches of rules. If
 * these rules are so mixed that they would have to be repeated too often, nothing is divided. */
#include "dataplane/nft_pairs.h"

#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/nft_guard.h"
#include "dataplane/nft_rule.h"
#include "dataplane/nft_same.h"

#define CHAIN_MIN 32      /* fewer rules have no chains of their own */
#define REPEATED_MAX 2    /* so often a rule is written, on the average … */
#define REPEATED_ANY 2048 /* … and so many more in all */
#define WALKED_MAX 4 /* so often the kernel walks over a rule when it checks a transaction … */
#define WALKED_ANY 32768 /* … and so many more in all: some ten milliseconds */
#define ELSE 0 /* a zone's number: any interface of a zone that no rule names, or of none */

/* Rules by their places in the hook's list. */
struct list {
    uint32_t *items;
    unsigned count;
};

/* A list of rules that has a chain. */
struct made {
    struct list list;
    uint64_t hash;
    bool jumped; /* it returns what no rule decides, else it leads to the rest */
    char name[NFT_CHAIN_NAME];
};

struct divide {
    const struct nft_pairs *pairs;
    struct nft_text *text;
    uint64_t (*masks)[2]; /* of each rule: the zones it is for, from and to, by number */
    uint64_t named[2];    /* the zones that rules name */
    struct made *made;
    unsigned made_count, made_size;
    uint32_t *slots; /* hash table over made: place + 1 */
    unsigned slot_mask;
    unsigned written; /* rules */
};

static void own_list(struct list *list)
{
    free(list->items);
}

static void own_divide(struct divide *divide)
{
    for (unsigned i = 0; i < divide->made_count; i++)
        free(divide->made[i].list.items);
    free(divide->made);
    free(divide->slots);
    free(divide->masks);
}

static uint64_t mask_of(const struct policy *policy, const char *name, bool out, uint64_t *named)
{
    int number = *name ? policy_zone_number(policy, name) : POLICY_ZONE_LOCAL;

    if (number == POLICY_ZONE_LOCAL)
        return ~0ull;
    if (number <= 0 || !policy->zones[number - 1].interface_count)
        return out ? ~0ull : 0;
    *named |= 1ull << number;
    return out ? ~(1ull << number) : 1ull << number;
}

static void read_masks(struct divide *d)
{
    const struct nft_pairs *pairs = d->pairs;

    d->masks = xcalloc(pairs->count + 1, sizeof(*d->masks));
    for (unsigned i = 0; i < pairs->count; i++) {
        const struct policy_rule *rule = pairs->rules[i];

        d->masks[i][0] =
            pairs->from ? ~0ull : mask_of(pairs->policy, rule->from, rule->from_not, &d->named[0]);
        d->masks[i][1] =
            pairs->to ? ~0ull : mask_of(pairs->policy, rule->to, rule->to_not, &d->named[1]);
    }
}

/* Whether the pairs' lists together are too long. */
static bool is_too_much(const struct divide *d)
{
    uint64_t walked = 0;

    for (unsigned i = 0; i < d->pairs->count; i++)
        walked += (uint64_t)__builtin_popcountll(d->masks[i][0] & (d->named[0] | 1)) *
                  (uint64_t)__builtin_popcountll(d->masks[i][1] & (d->named[1] | 1));
    return walked > (uint64_t)WALKED_MAX * d->pairs->count + WALKED_ANY;
}

/* Of list, or all rules without one, those for a zone. */
static struct list choose(const struct divide *d, const struct list *of, unsigned side,
                          unsigned zone)
{
    unsigned count = of ? of->count : d->pairs->count;
    struct list list = {.items = xcalloc(count + 1, sizeof(*list.items))};

    for (unsigned i = 0; i < count; i++) {
        uint32_t rule = of ? of->items[i] : i;

        if (d->masks[rule][side] >> zone & 1)
            list.items[list.count++] = rule;
    }
    return list;
}

static bool is_same(const struct list *a, const struct list *b)
{
    return a->count == b->count && !memcmp(a->items, b->items, a->count * sizeof(*a->items));
}

/* ---- chains that exist ---- */

static uint64_t hash_of(const struct list *list)
{
    uint64_t hash = 14695981039346656037ull;

    for (unsigned i = 0; i < list->count; i++)
        hash = (hash ^ list->items[i]) * 1099511628211ull;
    return hash ^ hash >> 32;
}

static void grow(struct divide *d)
{
    d->made_size = d->made_size ? d->made_size * 2 : 64;
    d->made = xrealloc(d->made, d->made_size * sizeof(*d->made));
    free(d->slots);
    d->slot_mask = d->made_size * 2 - 1;
    d->slots = xcalloc(d->slot_mask + 1, sizeof(*d->slots));
    for (unsigned i = 0; i < d->made_count; i++) {
        unsigned at = (unsigned)d->made[i].hash & d->slot_mask;

        while (d->slots[at])
            at = (at + 1) & d->slot_mask;
        d->slots[at] = i + 1;
    }
}

/* The chain of a list; *ret_new: it must still be written, under this name. Valid until the next.
 */
static const struct made *find(struct divide *d, const struct list *list, bool jumped,
                               const char *name, bool *ret_new)
{
    uint64_t hash = hash_of(list);
    struct made *made;
    unsigned at;

    if (d->made_count == d->made_size)
        grow(d);
    *ret_new = false;
    for (at = (unsigned)hash & d->slot_mask; d->slots[at]; at = (at + 1) & d->slot_mask) {
        made = &d->made[d->slots[at] - 1];
        if (made->hash == hash && made->jumped == jumped && is_same(&made->list, list))
            return made;
    }
    made = &d->made[d->made_count++];
    d->slots[at] = d->made_count;
    *made = (struct made){.hash = hash, .jumped = jumped};
    made->list.items = xcalloc(list->count + 1, sizeof(*list->items));
    made->list.count = list->count;
    memcpy(made->list.items, list->items, list->count * sizeof(*list->items));
    snprintf(made->name, sizeof(made->name), "%s", name);
    *ret_new = true;
    return made;
}

/* ---- writing ---- */

/* A zone as part of a chain's name: nft's lexer does not take every character. No name begins with
 * '-' there. */
static void add_zone(const struct policy *policy, unsigned zone, struct buf *b)
{
    const char *name = zone == ELSE ? "" : policy->zones[zone - 1].name;
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

    if (zone == ELSE)
        buf_adds(b, "/-");
    else if (name[len] || name[0] == '-')
        buf_addf(b, "/-%u", zone);
    else
        buf_addf(b, "/%s", name);
}

static void add_name(const struct divide *d, unsigned from, unsigned to, struct buf *b)
{
    buf_adds(b, d->pairs->hook);
    add_zone(d->pairs->policy, from, b);
    add_zone(d->pairs->policy, to, b);
}

static void write_rules(const struct divide *d, const struct policy_rule *const *rules,
                        unsigned count, struct buf *b)
{
    for (unsigned i = 0; i < count; i++)
        nft_rule(rules[i], "", rules[i]->more ? rules[i]->more->states & d->pairs->states : 0,
                 false, b);
}

static void write_stretch(struct divide *d, const struct list *list,
                          const struct policy_rule *const *rules, const char *pair, struct buf *b)
{
    AUTO_FREE char *name = buf_format("%s/%u", pair, rules[0]->id);
    const struct made *made;
    bool new;

    made = find(d, list, true, name, &new);
    buf_addf(b, "jump %s\n", made->name);
    if (new) {
        struct nft_chain *chain = nft_text_named(d->text, made->name);

        chain->content = nft_same_content(rules, list->count, d->pairs->states);
        d->written += list->count;
        if (nft_same_take(d->text, chain->name, chain->content, &chain->body))
            return;
        nft_guard_add(rules, list->count, &chain->body);
        write_rules(d, rules, list->count, &chain->body);
    }
}

/* Number of rules in the chain that begins with the first of the list. Where rules for other zones
 * follow, a new one begins, so that pairs share what they have in common. */
static unsigned stretch_length(const struct divide *d, const struct policy_rule *const *rules,
                               const uint32_t *items, unsigned count)
{
    count = nft_guard_length(rules, count);
    for (unsigned i = CHAIN_MIN; i < count; i++)
        if (memcmp(d->masks[items[i]], d->masks[items[i - 1]], sizeof(*d->masks)))
            return i;
    return count;
}

/* The rules of a list, many of them in chains. */
static void write_list(struct divide *d, const struct list *list, const char *pair, struct buf *b)
{
    AUTO_FREE const struct policy_rule **rules = xcalloc(list->count + 1, sizeof(*rules));

    for (unsigned i = 0; i < list->count; i++)
        rules[i] = d->pairs->rules[list->items[i]];
    if (list->count < CHAIN_MIN) {
        d->written += list->count;
        write_rules(d, rules, list->count, b);
        return;
    }
    for (unsigned i = 0, count; i < list->count; i += count) {
        struct list stretch = {.items = &list->items[i]};

        count = stretch.count = stretch_length(d, &rules[i], stretch.items, list->count - i);
        write_stretch(d, &stretch, &rules[i], pair, b);
    }
}

/* The elements of a verdict map, for each interface of a zone. */
static void add_elements(const struct policy *policy, unsigned zone, const char *chain,
                         struct buf *map)
{
    const struct policy_zone *of = &policy->zones[zone - 1];

    for (unsigned i = 0; i < of->interface_count; i++)
        buf_addf(map, "%s\"%s\" : goto %s", map->len ? ", " : "", of->interfaces[i], chain);
}

static void write_pair(struct divide *d, const struct list *list, unsigned from, unsigned to,
                       struct buf *map)
{
    AUTO(buf) struct buf name = {0}, body = {0};
    const struct made *made;
    bool new;

    add_name(d, from, to, &name);
    made = find(d, list, false, buf_str(&name), &new);
    add_elements(d->pairs->policy, to, made->name, map);
    if (!new)
        return;
    write_list(d, list, buf_str(&name), &body);
    buf_addf(&body, "goto %s/rest\n", d->pairs->hook);
    nft_text_named(d->text, buf_str(&name))->body = body;
    body = (struct buf){0};
}

/* What holds for packets from one zone: pairs, then the rules for all other interfaces. */
static void write_from(struct divide *d, unsigned from, struct buf *b)
{
    AUTO(list) struct list all = choose(d, NULL, 0, from), rest = choose(d, &all, 1, ELSE);
    AUTO(buf) struct buf map = {0}, name = {0};

    for (unsigned to = 1; to < POLICY_ZONE_LOCAL; to++) {
        if (!(d->named[1] >> to & 1))
            continue;
        AUTO(list) struct list list = choose(d, &all, 1, to);

        if (!is_same(&list, &rest))
            write_pair(d, &list, from, to, &map);
    }
    if (map.len)
        buf_addf(b, "oifname vmap { %s }\n", buf_str(&map));
    add_name(d, from, ELSE, &name);
    write_list(d, &rest, buf_str(&name), b);
    buf_addf(b, "goto %s/rest\n", d->pairs->hook);
}

static bool write_all(struct divide *d, struct buf *base)
{
    unsigned most = REPEATED_MAX * d->pairs->count + REPEATED_ANY;
    AUTO(buf) struct buf map = {0}, other = {0};

    write_from(d, ELSE, &other);
    for (unsigned from = 1; from < POLICY_ZONE_LOCAL && d->written <= most; from++) {
        AUTO(buf) struct buf body = {0}, name = {0};

        if (!(d->named[0] >> from & 1))
            continue;
        add_name(d, from, ELSE, &name);
        add_elements(d->pairs->policy, from, buf_str(&name), &map);
        write_from(d, from, &body);
        nft_text_named(d->text, buf_str(&name))->body = body;
        body = (struct buf){0};
    }
    if (map.len)
        buf_addf(base, "iifname vmap { %s }\n", buf_str(&map));
    buf_adds(base, buf_str(&other));
    return d->written <= most;
}

bool nft_pairs_add(const struct nft_pairs *pairs, struct nft_text *text, struct buf *base)
{
    AUTO(divide) struct divide d = {.pairs = pairs, .text = text};
    AUTO(buf) struct buf lines = {0};
    unsigned before = text->count;

    if (pairs->count < CHAIN_MIN)
        return false;
    read_masks(&d);
    if ((!d.named[0] && !d.named[1]) || is_too_much(&d))
        return false;
    if (!write_all(&d, &lines)) {
        nft_text_cut(text, before);
        return false;
    }
    buf_adds(base, buf_str(&lines));
    return true;
}
