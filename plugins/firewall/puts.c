/* Messages of bounded size: see puts.h. An entry alone is bounded by translate.c. */
#include <stdlib.h>
#include <string.h>

#include "core/base/xalloc.h"
#include "plugins/firewall/puts.h"

/* Takes value. */
static void add_member(struct puts *puts, const char *name, struct buf *value)
{
    struct put *put = &puts->items[puts->count - 1];

    put->members = xrealloc(put->members, (put->count + 1) * sizeof(*put->members));
    put->members[put->count++] = (struct put_member){name, *value};
    *value = (struct buf){0};
}

static void close_member(struct puts *puts)
{
    if (!puts->member)
        return;
    json_write_end(&puts->w);
    add_member(puts, puts->member, &puts->now);
    puts->member = NULL;
}

void puts_end(struct puts *puts)
{
    close_member(puts);
    puts->open = false;
    puts->entries = 0;
    puts->bytes = 0;
}

static void open_message(struct puts *puts)
{
    puts->items = xrealloc(puts->items, (puts->count + 1) * sizeof(*puts->items));
    puts->items[puts->count++] = (struct put){0};
    puts->open = true;
}

static void open_member(struct puts *puts, const char *member)
{
    close_member(puts);
    puts->member = member;
    puts->w = json_write_to(&puts->now);
    json_write_object(&puts->w, NULL);
}

void puts_add(struct puts *puts, const char *member, const char *key, const char *value, size_t len)
{
    size_t need = len + strlen(member) + (key ? strlen(key) : 0) + 16;
    struct buf whole = {0};

    if (puts->entries == PUTS_MAX_ENTRIES || puts->bytes + need > PUTS_MAX_BYTES)
        puts_end(puts);
    if (!puts->open)
        open_message(puts);
    if (!key) {
        close_member(puts);
        buf_add(&whole, value, len);
        add_member(puts, member, &whole);
    } else {
        if (!puts->member || strcmp(puts->member, member))
            open_member(puts, member);
        json_write_raw(&puts->w, key, value, len);
    }
    puts->bytes += need;
    puts->entries++;
}

void puts_message(const struct puts *puts, unsigned i, int64_t tx, struct buf *to)
{
    const struct put *put = &puts->items[i];
    struct json_write w = json_write_to(to);

    json_write_object(&w, NULL);
    json_write_integer(&w, "tx", tx);
    for (unsigned k = 0; k < put->count; k++)
        json_write_raw(&w, put->members[k].name, buf_str(&put->members[k].value),
                       put->members[k].value.len);
    json_write_end(&w);
}

void puts_fini(struct puts *puts)
{
    close_member(puts);
    for (unsigned i = 0; i < puts->count; i++) {
        for (unsigned k = 0; k < puts->items[i].count; k++)
            buf_fini(&puts->items[i].members[k].value);
        free(puts->items[i].members);
    }
    free(puts->items);
    memset(puts, 0, sizeof(*puts));
}
