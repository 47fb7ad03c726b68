/* A commit of one rule among ten thousand leaves nearly every chain as it was: a digest over the
 * rules of a chain costs a tenth of writing them.
 *
 * Note: whatever the text of a rule depends on belongs into the digest; a chain would otherwise
 * stay in force with what the rule was before. */
#include "dataplane/nft_same.h"

#include <assert.h>
#include <string.h>

#include "dataplane/base.h"
#include "dataplane/nft_group.h"

/* A new member is to be added below, unless no text depends on it. */
static_assert(sizeof(struct policy_rule) == 200, "each member is in the digest");
static_assert(sizeof(struct policy_more) == 96, "each member is in the digest");
static_assert(sizeof(struct policy_range) == 33 && sizeof(struct policy_ports) == 4,
              "without padding");

static void add_more(const struct policy_more *more, uint64_t *digest)
{
    const uint32_t numbers[] = {more->mac_count,       more->macs_not,
                                more->tcp_mask,        more->tcp_flags,
                                more->states,          more->per_source,
                                more->log_limit.rate,  more->log_limit.per_s,
                                more->log_limit.burst, (uint32_t)strlen(more->log_prefix)};

    base_digest_mix(digest, numbers, sizeof(numbers));
    base_digest_mix(digest, more->macs, more->mac_count * sizeof(*more->macs));
    base_digest_mix(digest, more->log_prefix, strlen(more->log_prefix));
}

/* The text names a group's set, whatever is in it. */
static void add_list(const struct policy_group *group, const struct policy_range *ranges,
                     unsigned count, uint64_t *digest)
{
    unsigned shape = group ? nft_group_shape(group) : 0;

    if (!group) {
        base_digest_mix(digest, ranges, count * sizeof(*ranges));
        return;
    }
    base_digest_mix(digest, group->name, strlen(group->name) + 1);
    base_digest_mix(digest, &shape, sizeof(shape));
}

static void add_rule(const struct policy_rule *rule, uint64_t *digest)
{
    const uint32_t numbers[] = {rule->id,
                                (uint32_t)rule->protocol,
                                rule->source_group ? UINT32_MAX : rule->source_count,
                                rule->destination_group ? UINT32_MAX : rule->destination_count,
                                rule->source_port_count,
                                rule->destination_port_count,
                                (uint32_t)rule->icmp_type,
                                (uint32_t)rule->icmp_code,
                                rule->action,
                                rule->reject,
                                rule->log,
                                rule->limited,
                                rule->limit_rate,
                                rule->limit_per_s,
                                rule->limit_burst,
                                rule->more != NULL};

    base_digest_mix(digest, numbers, sizeof(numbers));
    add_list(rule->source_group, rule->sources, rule->source_count, digest);
    add_list(rule->destination_group, rule->destinations, rule->destination_count, digest);
    base_digest_mix(digest, rule->source_ports,
                    rule->source_port_count * sizeof(*rule->source_ports));
    base_digest_mix(digest, rule->destination_ports,
                    rule->destination_port_count * sizeof(*rule->destination_ports));
    if (rule->more)
        add_more(rule->more, digest);
}

uint64_t nft_same_content(const struct policy_rule *const *rules, unsigned count, unsigned states)
{
    uint64_t digest = DIGEST_START ^ states;

    for (unsigned i = 0; i < count; i++)
        add_rule(rules[i], &digest);
    return digest ? digest : 1;
}

bool nft_same_take(struct nft_text *text, const char *name, uint64_t content, struct buf *ret_body)
{
    const struct nft_text *old = text->old;

    /* They come in the same order. */
    for (unsigned i = 0; old && i < old->count; i++) {
        const struct nft_chain *chain = &old->items[(text->next_old + i) % old->count];

        if (chain->content != content || strcmp(chain->name, name))
            continue;
        text->next_old = (text->next_old + i + 1) % old->count;
        buf_add(ret_body, chain->body.data, chain->body.len);
        return true;
    }
    return false;
}
