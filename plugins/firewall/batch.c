/* Messages of bounded size: see batch.h. An entry alone is bounded by translate.c. */
#include <stdlib.h>
#include <string.h>

#include "core/base/xalloc.h"
#include "plugins/firewall/batch.h"

/* Takes value. */
static void add_member(struct batches *batches, const char *name, struct buf *value)
{
    struct put *put = &batches->items[batches->count - 1];

    put->members = xrealloc(put->members, (put->count + 1) * sizeof(*put->members));
    put->members[put->count++] = (struct put_member){name, *value};
    *value = (struct buf){0};
}

static void close_member(struct batches *batches)
{
    if (!batches->member)
        return;
    json_write_end(&batches->w);
    add_member(batches, batches->member, &batches->now);
    batches->member = NULL;
}

void batch_end(struct batches *batches)
{
    close_member(batches);
    batches->open = false;
    batches->entries = 0;
    batches->bytes = 0;
}

static void open_message(struct batches *batches)
{
    batches->items = xrealloc(batches->items, (batches->count + 1) * sizeof(*batches->items));
    batches->items[batches->count++] = (struct put){0};
    batches->open = true;
}

static void open_member(struct batches *batches, const char *member)
{
    close_member(batches);
    batches->member = member;
    batches->w = json_write_to(&batches->now);
    json_write_object(&batches->w, NULL);
}

void batch_add(struct batches *batches, const char *member, const char *key, const char *value,
               size_t len)
{
    size_t need = len + strlen(member) + (key ? strlen(key) : 0) + 16;
    struct buf whole = {0};

    if (batches->entries == BATCH_MAX_ENTRIES || batches->bytes + need > BATCH_MAX_BYTES)
        batch_end(batches);
    if (!batches->open)
        open_message(batches);
    if (!key) {
        close_member(batches);
        buf_add(&whole, value, len);
        add_member(batches, member, &whole);
    } else {
        if (!batches->member || strcmp(batches->member, member))
            open_member(batches, member);
        json_write_raw(&batches->w, key, value, len);
    }
    batches->bytes += need;
    batches->entries++;
}

void batch_message(const struct batches *batches, unsigned i, int64_t tx, struct buf *to)
{
    const struct put *put = &batches->items[i];
    struct json_write w = json_write_to(to);

    json_write_object(&w, NULL);
    json_write_integer(&w, "tx", tx);
    for (unsigned k = 0; k < put->count; k++)
        json_write_raw(&w, put->members[k].name, buf_str(&put->members[k].value),
                       put->members[k].value.len);
    json_write_end(&w);
}

void batch_fini(struct batches *batches)
{
    close_member(batches);
    for (unsigned i = 0; i < batches->count; i++) {
        for (unsigned k = 0; k < batches->items[i].count; k++)
            buf_fini(&batches->items[i].members[k].value);
        free(batches->items[i].members);
    }
    free(batches->items);
    memset(batches, 0, sizeof(*batches));
}
