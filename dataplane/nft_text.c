#include "dataplane/nft_text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

void nft_text_cut(struct nft_text *text, unsigned count)
{
    while (text->count > count)
        buf_fini(&text->items[--text->count].body);
}

void nft_text_fini(struct nft_text *text)
{
    nft_text_cut(text, 0);
    free(text->items);
    free(text->slots);
    free(text->groups);
    *text = (struct nft_text){0};
}

struct nft_chain *nft_text_named(struct nft_text *text, const char *name)
{
    struct nft_chain *chain;

    if (text->count == text->size) {
        text->size = text->size ? text->size * 2 : 16;
        text->items = xrealloc(text->items, text->size * sizeof(*text->items));
    }
    chain = &text->items[text->count++];
    *chain = (struct nft_chain){0};
    snprintf(chain->name, sizeof(chain->name), "%s", name);
    return chain;
}

struct nft_chain *nft_text_chain(struct nft_text *text, const char *hook, uint32_t rule)
{
    char name[NFT_CHAIN_NAME];

    if (!rule)
        return nft_text_named(text, hook);
    snprintf(name, sizeof(name), "%s_%" PRIu32, hook, rule);
    return nft_text_named(text, name);
}

void nft_text_limit(struct buf *b, const struct policy_rule *rule)
{
    buf_addf(b, "limit_%" PRIu32 "_%" PRIu32 "_%" PRIu32 "_%" PRIu32, rule->id, rule->limit_rate,
             rule->limit_per_s, rule->limit_burst);
}

void nft_text_sources(struct buf *b, const struct policy_rule *rule, int family)
{
    buf_addf(b, "sources%d_%" PRIu32 "_%" PRIu32 "_%" PRIu32 "_%" PRIu32, family == AF_INET ? 4 : 6,
             rule->id, rule->limit_rate, rule->limit_per_s, rule->limit_burst);
}
