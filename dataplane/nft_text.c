#include "dataplane/nft_text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

void nft_text_fini(struct nft_text *text)
{
    for (unsigned i = 0; i < text->count; i++)
        buf_fini(&text->items[i].body);
    free(text->items);
    *text = (struct nft_text){0};
}

struct nft_chain *nft_text_chain(struct nft_text *text, const char *hook, uint32_t rule)
{
    struct nft_chain *chain;

    if (text->count == text->size) {
        text->size = text->size ? text->size * 2 : 16;
        text->items = xrealloc(text->items, text->size * sizeof(*text->items));
    }
    chain = &text->items[text->count++];
    *chain = (struct nft_chain){0};
    if (rule)
        snprintf(chain->name, sizeof(chain->name), "%s_%" PRIu32, hook, rule);
    else
        snprintf(chain->name, sizeof(chain->name), "%s", hook);
    return chain;
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
