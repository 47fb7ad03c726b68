/* What of an event a service may see. A contract can say of a list of paths in a payload which
 * capability with a path covers them ("within"); each service then receives the list cut down to
 * what it was granted. People are judged by their role alone. */
#include <string.h>

#include "core/ipc/within.h"
#include "core/json/tree.h"

static const char *const capabilities[] = {"config.read"};

int within_read(json_t *event, const char *path, struct contract_event *e, struct orb_err *err)
{
    json_t *within = json_object_get(event, "within"), *value;
    AUTO_FREE char *at = xasprintf("%s/within", path);
    void *first;

    if (!within)
        return 0;
    if (!json_is_object(within) || json_object_size(within) != 1)
        return orb_fail_at(err, ORB_E_SCHEMA, at,
                           "expected one member, for example {\"paths\": \"config.read\"}");
    first = json_object_iter(within);
    value = json_object_iter_value(first);
    for (size_t i = 0; json_is_string(value) && i < ARRAY_LEN(capabilities); i++)
        if (strcmp(json_string_value(value), capabilities[i]) == 0) {
            e->within = xstrdup(json_object_iter_key(first));
            e->within_capability = capabilities[i];
            return 0;
        }
    return orb_fail_at(err, ORB_E_SCHEMA, at, "expected the name of a capability with a path: %s",
                       capabilities[0]);
}

int within_parse(const struct contract_event *event, const char *text, size_t len,
                 json_t **ret_tree, struct orb_err *err)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_KEYS};
    AUTO(json_t) json_t *tree = NULL;
    json_t *list;
    int r = tree_parse(text, len, &limits, &tree, err);

    if (r < 0)
        return r;
    list = json_object_get(tree, event->within);
    if (list && !json_is_array(list))
        return orb_fail(err, ORB_E_SCHEMA, "expected a list of paths in \"%.48s\"", event->within);
    if (json_array_size(list) > WITHIN_MAX_PATHS)
        return orb_fail(err, ORB_E_LIMIT, "%zu paths in \"%.48s\"; at most %d",
                        json_array_size(list), event->within, WITHIN_MAX_PATHS);
    *ret_tree = take_ptr(tree);
    return 0;
}

static bool below(const char *path, const char *top)
{
    size_t len = strlen(top);

    return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* One path for one grant: itself, the granted path when that lies below it, or nothing. */
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

void within_cut(const struct contract_event *event, const struct ipc_peer *peer, json_t *tree,
                struct buf *to)
{
    size_t n = strlen(event->within_capability), i;
    AUTO(json_t) json_t *kept = json_object(), *cut = json_copy(tree);
    json_t *list = json_array(), *path, *flag;
    const char *key;

    json_array_foreach (json_object_get(tree, event->within), i, path)
        for (char **c = peer->capabilities; json_is_string(path) && c && *c; c++)
            if (strncmp(*c, event->within_capability, n) == 0 && (*c)[n] == ':')
                keep(kept, json_string_value(path), *c + n + 1);
    json_object_foreach (kept, key, flag)
        json_array_append_new(list, json_string(key));
    if (json_object_get(tree, event->within))
        json_object_set(cut, event->within, list);
    json_decref(list);
    tree_dump(cut, to);
}
