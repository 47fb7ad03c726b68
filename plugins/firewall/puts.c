/* Messages of bounded size: see puts.h. An entry alone is bounded by translate.c. */
#include <stdlib.h>
#include <string.h>

#include "plugins/firewall/puts.h"

#include "core/base/xalloc.h"

static void close_member(struct puts *puts)
{
    if (puts->member)
        buf_addc(&puts->now, '}');
    puts->member = NULL;
}

void puts_end(struct puts *puts)
{
    close_member(puts);
    if (!puts->now.len)
        return;
    puts->items = xrealloc(puts->items, (puts->count + 1) * sizeof(*puts->items));
    puts->items[puts->count++] = buf_take(&puts->now);
    puts->entries = 0;
}

void puts_add(struct puts *puts, const char *member, const char *key, const char *value, size_t len)
{
    size_t need = len + strlen(member) + (key ? strlen(key) : 0) + 16;

    if (puts->entries == PUTS_MAX_ENTRIES || puts->now.len + need > PUTS_MAX_BYTES)
        puts_end(puts);
    if (!key || !puts->member || strcmp(puts->member, member)) {
        close_member(puts);
        buf_addf(&puts->now, "%s\"%s\":%s", puts->now.len ? "," : "", member, key ? "{" : "");
        if (key)
            puts->member = member;
    } else {
        buf_addc(&puts->now, ',');
    }
    if (key) {
        buf_add_json(&puts->now, key, strlen(key));
        buf_addc(&puts->now, ':');
    }
    buf_add(&puts->now, value, len);
    puts->entries++;
}

void puts_fini(struct puts *puts)
{
    for (unsigned i = 0; i < puts->count; i++)
        free(puts->items[i]);
    free(puts->items);
    buf_fini(&puts->now);
    memset(puts, 0, sizeof(*puts));
}
