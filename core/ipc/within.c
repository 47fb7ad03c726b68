/* Filters events for services. A contract can name a list of paths in a payload and the capability
 * that covers them ("within"); each service receives the list reduced to its grants. Users are
 * checked by role alone. */
#include "core/ipc/within.h"

#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/json.h"
#include "core/json/tree.h"

static const char *const capabilities[] = {"config.read"};

int within_read(json_t *event, const char *path, struct contract_event *e, struct orb_err *err)
{
    json_t *within = json_object_get(event, "within"), *value;
    AUTO_FREE char *at = buf_format("%s/within", path);
    void *first;

    if (!within)
        return 0;
    if (!json_is_object(within) || json_object_size(within) != 1)
        return orb_fail_at(err, ORB_E_SCHEMA, at,
                           "expected one member, for example {\"paths\": \"config.read\"}");
    first = json_object_iter(within);
    value = json_object_iter_value(first);
    for (size_t i = 0; json_is_string(value) && i < ARRAY_LEN(capabilities); i++)
        if (!strcmp(json_string_value(value), capabilities[i])) {
            e->within = xstrdup(json_object_iter_key(first));
            e->within_capability = capabilities[i];
            return 0;
        }
    return orb_fail_at(err, ORB_E_SCHEMA, at, "expected the name of a capability with a path: %s",
                       capabilities[0]);
}

/* Only the list is parsed into a tree: other members may have any size. */
int within_parse(const struct contract_event *event, const char *text, size_t len,
                 struct within *ret_within, struct orb_err *err)
{
    static const struct json_limits limits = {.depth = 1, .keys = 1};
    struct json_slice list;
    struct json_iter it;
    struct json_item item;
    size_t count = 0;

    *ret_within = (struct within){.text = text, .len = len};
    if (!json_member(text, len, event->within, &list))
        return 0;
    if (!json_iter_init(&it, '[', list.p, list.len))
        return orb_fail(err, ORB_E_SCHEMA, "expected a list of paths in \"%.48s\"", event->within);
    while (json_iter_next(&it, &item)) {
        if (item.value.type != 's')
            return orb_fail(err, ORB_E_SCHEMA, "expected a list of paths in \"%.48s\"",
                            event->within);
        if (++count > WITHIN_MAX_PATHS)
            return orb_fail(err, ORB_E_LIMIT, "more than %d paths in \"%.48s\"", WITHIN_MAX_PATHS,
                            event->within);
    }
    ret_within->list = list;
    return tree_parse(list.p, list.len, &limits, &ret_within->paths, err);
}

static bool below(const char *path, const char *top)
{
    size_t len = strlen(top);

    return !strncmp(path, top, len) && (path[len] == '/' || path[len] == '\0');
}

/* Adds the part of one path that one grant covers: the path, the granted path when that is below
 * it, or nothing. */
static void keep(json_t *kept, const char *path, const char *granted)
{
    size_t len = strlen(granted);
    /* "/" is the whole tree, as "" is. */
    AUTO_FREE char *top = xstrndup(granted, len - (len && granted[len - 1] == '/'));

    if (below(path, top))
        json_object_set_new(kept, path, json_true());
    else if (below(top, path))
        json_object_set_new(kept, top, json_true());
}

bool within_applies(const struct contract_event *event, const struct ipc_peer *peer)
{
    return event && event->within && peer->self.kind == PEER_SERVICE;
}

void within_cut(const struct contract_event *event, const struct ipc_peer *peer,
                const struct within *within, struct buf *to)
{
    size_t n = strlen(event->within_capability), i;
    AUTO(json_t) json_t *kept = json_object(), *list = json_array();
    const char *end = within->list.p + within->list.len;
    json_t *path, *flag;
    const char *key;

    if (!within->paths) {
        buf_add(to, within->text, within->len);
        return;
    }
    json_array_foreach (within->paths, i, path)
        for (char **c = peer->capabilities; c && *c; c++)
            if (!strncmp(*c, event->within_capability, n) && (*c)[n] == ':')
                keep(kept, json_string_value(path), *c + n + 1);
    json_object_foreach (kept, key, flag)
        json_array_append_new(list, json_string(key));
    buf_add(to, within->text, (size_t)(within->list.p - within->text));
    tree_dump(list, to);
    buf_add(to, end, (size_t)(within->text + within->len - end));
}
