#include "dataplane/nft_group.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/nft_match.h"

/* The parts of a group that are sets of their own. */
static const struct part {
    int family;
    enum nft_group_part part;
} parts[] = {{AF_INET, NFT_GROUP_HOSTS},
             {AF_INET, NFT_GROUP_NETS},
             {AF_INET6, NFT_GROUP_HOSTS},
             {AF_INET6, NFT_GROUP_NETS}};

static const struct policy_group *find(const struct nft_text *text, const char *name)
{
    for (unsigned i = 0; text && i < text->group_count; i++)
        if (!strcmp(text->groups[i]->name, name))
            return text->groups[i];
    return NULL;
}

static void choose(struct nft_text *text, const struct policy_group *group)
{
    if (!group || find(text, group->name))
        return;
    text->groups = xrealloc(text->groups, (text->group_count + 1) * sizeof(*text->groups));
    text->groups[text->group_count++] = group;
}

static void choose_all(struct nft_text *text, const struct policy_rule *rules, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        choose(text, rules[i].source_group);
        choose(text, rules[i].destination_group);
    }
}

void nft_group_choose(struct nft_text *text)
{
    choose_all(text, text->policy->rules, text->policy->rule_count);
    choose_all(text, text->policy->notracks, text->policy->notrack_count);
}

static unsigned count_of(const struct policy_group *group, const struct part *part)
{
    const unsigned *counts = !group                          ? NULL
                             : part->part == NFT_GROUP_HOSTS ? group->hosts
                                                             : group->nets;

    return counts ? counts[part->family == AF_INET ? 0 : 1] : 0;
}

/* Every address of the family: such a set is not needed, and nft refuses it. */
static bool has_all(const struct policy_group *group, int family)
{
    for (unsigned i = 0; i < group->range_count; i++)
        if (group->ranges[i].family == family)
            return nft_match_covers_all(&group->ranges[i]);
    return false;
}

static bool has_set(const struct policy_group *group, const struct part *part)
{
    return count_of(group, part) && !(part->part == NFT_GROUP_NETS && has_all(group, part->family));
}

bool nft_group_has(const struct policy_group *group, int family, enum nft_group_part part)
{
    return group ? count_of(group, &(struct part){family, part}) : part == NFT_GROUP_HOSTS;
}

unsigned nft_group_shape(const struct policy_group *group)
{
    unsigned shape = 0;

    for (unsigned i = 0; i < ARRAY_LEN(parts); i++)
        shape |= (count_of(group, &parts[i]) ? 1u : 0) << i | (has_set(group, &parts[i]) ? 16u : 0)
                                                                  << i;
    return shape;
}

static void add_name(const struct policy_group *group, const struct part *part, struct buf *b)
{
    buf_addf(b, "%s%d_%s", part->part == NFT_GROUP_HOSTS ? "hosts" : "nets",
             part->family == AF_INET ? 4 : 6, group->name);
}

void nft_group_match(const char *match, int family, const struct policy_group *group,
                     enum nft_group_part part, struct buf *b)
{
    struct part here = {family, part};

    if (!has_set(group, &here))
        return;
    buf_addf(b, "%s %s @", family == AF_INET ? "ip" : "ip6", match);
    add_name(group, &here, b);
    buf_addc(b, ' ');
}

static bool is_in(const struct policy_range *range, const struct part *part)
{
    return range->family == part->family &&
           policy_group_is_few(range) == (part->part == NFT_GROUP_HOSTS);
}

/* A range as it is, or address by address. */
static void add_range(const struct policy_range *range, const struct part *part,
                      const char **separator, struct buf *b)
{
    unsigned last = range->family == AF_INET ? 3 : 15;
    struct policy_range one = *range;

    if (part->part == NFT_GROUP_NETS) {
        buf_adds(b, *separator);
        policy_text_print_range(b, range);
        *separator = ", ";
        return;
    }
    for (unsigned i = range->lo[last]; i <= range->hi[last]; i++) {
        one.lo[last] = one.hi[last] = (uint8_t)i;
        buf_adds(b, *separator);
        policy_text_print_range(b, &one);
        *separator = ", ";
    }
}

static int compare(const struct policy_range *a, const struct policy_range *b)
{
    return a->family != b->family ? (a->family > b->family ? 1 : -1) : memcmp(a->lo, b->lo, 16);
}

/* What of the part is in list and not in other, which may be NULL, after begin; returns how many
 * ranges it is. b NULL: only counts. */
static unsigned add_missing(const struct policy_group *list, const struct policy_group *other,
                            const struct part *part, const char *begin, struct buf *b)
{
    unsigned count = 0, k = 0, most = other ? other->range_count : 0;

    for (unsigned i = 0; i < list->range_count; i++) {
        const struct policy_range *range = &list->ranges[i];

        if (!is_in(range, part))
            continue;
        while (k < most && compare(&other->ranges[k], range) < 0)
            k++;
        if (k < most && !memcmp(&other->ranges[k], range, sizeof(*range)))
            continue;
        if (b)
            add_range(range, part, &begin, b);
        count++;
    }
    return count;
}

/* What is there already, if most of it stays; NULL: the set is filled anew. */
static const struct policy_group *patched(const struct policy_group *now,
                                          const struct policy_group *was, const struct part *part)
{
    return has_set(was, part) && has_set(now, part) &&
                   add_missing(now, was, part, "", NULL) + add_missing(was, now, part, "", NULL) <
                       count_of(was, part) / 4 + 1
               ? was
               : NULL;
}

static void cut(const struct policy_group *now, const struct policy_group *was,
                const struct part *part, struct buf *b)
{
    if (!has_set(now, part) || !has_set(was, part))
        return;
    if (!patched(now, was, part)) {
        buf_adds(b, "flush set inet orbital ");
        add_name(now, part, b);
        buf_addc(b, '\n');
    } else if (add_missing(was, now, part, "", NULL)) {
        buf_adds(b, "delete element inet orbital ");
        add_name(now, part, b);
        add_missing(was, now, part, " { ", b);
        buf_adds(b, " }\n");
    }
}

void nft_group_cut(const struct nft_text *now, const struct nft_text *old, struct buf *b)
{
    for (unsigned i = 0; i < now->group_count; i++) {
        const struct policy_group *was = find(old, now->groups[i]->name);

        for (size_t k = 0; was && was->digest != now->groups[i]->digest && k < ARRAY_LEN(parts);
             k++)
            cut(now->groups[i], was, &parts[k], b);
    }
}

static void add_set(const struct policy_group *now, const struct policy_group *was,
                    const struct part *part, struct buf *b)
{
    if (!has_set(now, part))
        return;
    buf_adds(b, "set ");
    add_name(now, part, b);
    buf_addf(b, " {\ntype ipv%d_addr;%s\n", part->family == AF_INET ? 4 : 6,
             part->part == NFT_GROUP_NETS ? " flags interval;" : "");
    if (add_missing(now, patched(now, was, part), part, "elements = { ", b))
        buf_adds(b, " }\n");
    buf_adds(b, "}\n");
}

void nft_group_add(const struct nft_text *now, const struct nft_text *old, struct buf *b)
{
    for (unsigned i = 0; i < now->group_count; i++) {
        const struct policy_group *was = find(old, now->groups[i]->name);

        for (size_t k = 0; (!was || was->digest != now->groups[i]->digest) && k < ARRAY_LEN(parts);
             k++)
            add_set(now->groups[i], was, &parts[k], b);
    }
}

void nft_group_drop(const struct nft_text *now, const struct nft_text *old, struct buf *b)
{
    for (unsigned i = 0; old && i < old->group_count; i++)
        for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
            if (!has_set(old->groups[i], &parts[k]) ||
                has_set(find(now, old->groups[i]->name), &parts[k]))
                continue;
            buf_adds(b, "delete set inet orbital ");
            add_name(old->groups[i], &parts[k], b);
            buf_addc(b, '\n');
        }
}
