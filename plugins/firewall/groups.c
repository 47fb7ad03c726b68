#include "plugins/firewall/groups.h"

#include <string.h>

#include "core/base/own.h"
#include "plugins/firewall/resolve.h"

#define PIECE_BYTES (64 * 1024) /* of elements in one message */

/* A message with nothing else: the pieces of a group have one key. */
static void send(struct batches *batches, const char *name, const struct buf *text)
{
    batch_end(batches);
    batch_add(batches, "groups", name, buf_str(text), text->len);
    batch_end(batches);
}

/* Elements from *item on, as many as fit. */
static int put_piece(const cJSON *group, const char *list, const cJSON **item, int *index,
                     bool append, struct buf *to, struct orb_err *err)
{
    struct json_write w = json_write_to(to);
    int r = 0;

    json_write_object(&w, NULL);
    if (append)
        json_write_boolean(&w, "append", true);
    json_write_array(&w, list);
    for (; r == 0 && *item && to->len < PIECE_BYTES; *item = (*item)->next)
        r = resolve_group_element(group, list, *item, (*index)++, &w, err);
    json_write_end(&w);
    json_write_end(&w);
    return r;
}

int groups_put(struct batches *batches, const char *name, const cJSON *group, struct orb_err *err)
{
    static const char *const lists[] = {"addresses", "ports"};
    bool append = false;

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(group, lists[i]);
        const cJSON *item = resolve_is_large(list) ? list->child : NULL;
        int index = 0;

        while (item) {
            AUTO(buf) struct buf text = {0};
            int r = put_piece(group, lists[i], &item, &index, append, &text, err);

            if (r < 0)
                return r;
            send(batches, name, &text);
            append = true;
        }
    }
    if (!append)
        batch_add(batches, "groups", name, "null", 4);
    return 0;
}

static bool is_name(const cJSON *item, const char *name)
{
    const char *text = cJSON_GetStringValue(item);

    if (text && *text == '!')
        text++;
    return text && *text == '@' && !strcmp(text + 1, name);
}

bool groups_named(const cJSON *entry, const char *name)
{
    static const char *const leaves[] = {"source", "destination", "source-ports",
                                         "destination-ports", "port"};
    const cJSON *item;

    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(entry, leaves[i]);

        if (is_name(list, name))
            return true;
        if (cJSON_IsArray(list))
            cJSON_ArrayForEach (item, list)
                if (is_name(item, name))
                    return true;
    }
    return false;
}
