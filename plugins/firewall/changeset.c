/* What a change means for the data plane: see changeset.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/pointer.h"
#include "core/base/xalloc.h"
#include "plugins/firewall/check.h"
#include "plugins/firewall/groups.h"
#include "plugins/firewall/resolve.h"
#include "plugins/firewall/batch.h"
#include "plugins/firewall/nat.h"
#include "plugins/firewall/services.h"
#include "plugins/firewall/translate.h"
#include "plugins/firewall/changeset.h"

#define MAX_TOKENS 6
#define MAX_ITEMS 1000 /* limit of touched entries: beyond it everything is sent again */

static const struct {
    const char *member; /* of put */
    translate_fn *translate;
    const char *word;
} kinds[] = {[CHANGESET_GROUP] = {"groups", NULL, "group"},
             [CHANGESET_RULE] = {"rules", translate_rule, "rule"},
             [CHANGESET_SOURCE_NAT] = {"source-nat", nat_source, "source NAT"},
             [CHANGESET_DESTINATION_NAT] = {"destination-nat", nat_destination, "destination NAT"},
             [CHANGESET_NOTRACK] = {"notrack", nat_notrack, "notrack rule"},
             [CHANGESET_PORT] = {"ports", translate_port, "fast path of"},
             [CHANGESET_DEFAULT] = {"default", NULL, "defaults"}};

static void add_item(struct changeset *changes, enum changeset_kind kind, const char *key,
                     bool unchanged)
{
    for (unsigned i = 0; i < changes->count; i++) {
        struct changeset_item *item = &changes->items[i];

        if (item->kind == kind && !strcmp(item->key, key)) {
            item->unchanged &= unchanged;
            return;
        }
    }
    if (changes->count == MAX_ITEMS || strlen(key) >= sizeof(changes->items->key)) {
        changes->full = true;
        return;
    }
    if (changes->count == changes->size) {
        changes->size = changes->size ? changes->size * 2 : 8;
        changes->items = xrealloc(changes->items, changes->size * sizeof(*changes->items));
    }
    changes->items[changes->count] = (struct changeset_item){.kind = kind, .unchanged = unchanged};
    snprintf(changes->items[changes->count++].key, sizeof(changes->items->key), "%s", key);
}

static void follow(struct changeset *changes, enum changeset_kind kind, const char *key)
{
    unsigned before = changes->count;

    add_item(changes, kind, key, false);
    if (changes->count > before)
        changes->items[before].follows = true;
}

typedef char token[sizeof(((struct changeset_item *)NULL)->key)];

/* The first tokens of a pointer, unescaped. Their number; -1: one does not fit, or it is none. */
static int split(const char *path, token tokens[MAX_TOKENS])
{
    int n = 0;

    while (*path && n < MAX_TOKENS) {
        path = pointer_next(path, tokens[n++], sizeof(token));
        if (!path)
            return -1;
    }
    return n;
}

static void touch_interfaces(struct changeset *changes, const token *tokens, int n)
{
    if (n < 2)
        changes->full = true;
    else if (n == 2 || !strcmp(tokens[2], "fast-path"))
        add_item(changes, CHANGESET_PORT, tokens[1], false);
}

static void touch_firewall(struct changeset *changes, const token *tokens, int n)
{
    if (n >= 3 && !strcmp(tokens[1], "groups")) {
        add_item(changes, CHANGESET_GROUP, tokens[2], n > 3 && !strcmp(tokens[3], "description"));
    } else if (n >= 2 && !strcmp(tokens[1], "default")) {
        add_item(changes, CHANGESET_DEFAULT, "", false);
    } else if (n >= 3 && !strcmp(tokens[1], "rules")) {
        add_item(changes, CHANGESET_RULE, tokens[2], n > 3 && !strcmp(tokens[3], "description"));
    } else if (n >= 3 && !strcmp(tokens[1], "notrack")) {
        add_item(changes, CHANGESET_NOTRACK, tokens[2], n > 3 && !strcmp(tokens[3], "description"));
    } else if (n >= 4 && !strcmp(tokens[1], "nat")) {
        bool source = !strcmp(tokens[2], "source");

        add_item(changes, source ? CHANGESET_SOURCE_NAT : CHANGESET_DESTINATION_NAT, tokens[3],
                 n > 4 && !strcmp(tokens[4], "description"));
    } else {
        changes->full = true;
    }
}

static void touch(struct changeset *changes, const char *path)
{
    token tokens[MAX_TOKENS];
    int n = split(path ? path : "", tokens);

    if (n > 0 && !strcmp(tokens[0], "interfaces"))
        touch_interfaces(changes, (const token *)tokens, n);
    else if (n > 0 && !strcmp(tokens[0], "firewall"))
        touch_firewall(changes, (const token *)tokens, n);
    else
        changes->full = true;
}

/* The map of a kind's entries. */
static const cJSON *map_of(const struct view *view, enum changeset_kind kind)
{
    const cJSON *nat = cJSON_GetObjectItemCaseSensitive(view->firewall, "nat");

    switch (kind) {
    case CHANGESET_GROUP:
        return view->groups;
    case CHANGESET_RULE:
        return cJSON_GetObjectItemCaseSensitive(view->firewall, "rules");
    case CHANGESET_SOURCE_NAT:
        return cJSON_GetObjectItemCaseSensitive(nat, "source");
    case CHANGESET_DESTINATION_NAT:
        return cJSON_GetObjectItemCaseSensitive(nat, "destination");
    case CHANGESET_NOTRACK:
        return cJSON_GetObjectItemCaseSensitive(view->firewall, "notrack");
    case CHANGESET_PORT:
        return view->interfaces;
    default:
        return NULL;
    }
}

static int put_entry(struct changeset *changes, const struct view *view, enum changeset_kind kind,
                     const cJSON *item, const char *key, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r = 0;

    if (item)
        r = kinds[kind].translate(view, item, &text, err);
    else
        buf_adds(&text, "null");
    if (r == 0)
        batch_add(&changes->batches, kinds[kind].member, key, buf_str(&text), text.len);
    return r;
}

/* What names a changed group is sent again. */
static void follow_groups(struct changeset *changes, const struct view *view)
{
    static const enum changeset_kind lists[] = {CHANGESET_RULE, CHANGESET_SOURCE_NAT,
                                                CHANGESET_DESTINATION_NAT, CHANGESET_NOTRACK};
    unsigned touched = changes->count;
    const cJSON *entry;

    for (unsigned i = 0; i < touched; i++) {
        token name; /* items may move */

        if (changes->items[i].kind != CHANGESET_GROUP || changes->items[i].unchanged)
            continue;
        memcpy(name, changes->items[i].key, sizeof(name));
        for (unsigned k = 0; k < ARRAY_LEN(lists); k++)
            cJSON_ArrayForEach (entry, map_of(view, lists[k]))
                if (groups_named(entry, name))
                    follow(changes, lists[k], entry->string);
    }
}

static int put_group(struct changeset *changes, const struct view *view, const char *name,
                     struct orb_err *err)
{
    const cJSON *group = cJSON_GetObjectItemCaseSensitive(view->groups, name);
    int r = group ? resolve_check_group(group, err) : 0;

    return r < 0 ? r : groups_put(&changes->batches, name, group, err);
}

static void put_default(struct changeset *changes, const struct view *view)
{
    AUTO(buf) struct buf text = {0};

    translate_default(view, &text);
    batch_add(&changes->batches, "default", NULL, buf_str(&text), text.len);
}

static int put_zones(struct changeset *changes, const struct view *view, struct orb_err *err)
{
    const cJSON *zone;

    cJSON_ArrayForEach (zone, view->zones) {
        AUTO(buf) struct buf text = {0};
        int r = translate_zone(view, zone, &text, err);

        if (r < 0)
            return r;
        batch_add(&changes->batches, "zones", zone->string, buf_str(&text), text.len);
    }
    return 0;
}

/* Whether pointer is above, or below it. */
static bool is_below(const char *pointer, const char *above)
{
    size_t len = strlen(above);

    return !strncmp(pointer, above, len) && (!pointer[len] || pointer[len] == '/');
}

/* Whether a change touches this destination NAT entry or an ancestor of it. */
static bool is_touched(const struct orb_change *change, const char *key)
{
    char entry[80];
    const cJSON *op;

    snprintf(entry, sizeof(entry), "/firewall/nat/destination/%.31s", key);
    cJSON_ArrayForEach (op, change->patch) {
        const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(op, "path"));

        if (!path || is_below(path, entry) || is_below(entry, path))
            return true;
    }
    return false;
}

static int put_everything(struct changeset *changes, struct view *view,
                          const struct orb_change *change, struct orb_err *err)
{
    static const enum changeset_kind order[] = {CHANGESET_PORT, CHANGESET_RULE,
                                                CHANGESET_SOURCE_NAT, CHANGESET_DESTINATION_NAT,
                                                CHANGESET_NOTRACK};
    const cJSON *item;
    int r;

    r = check_translation(view, err);
    cJSON_ArrayForEach (item, view->groups)
        if (r == 0 && (resolve_is_large(cJSON_GetObjectItemCaseSensitive(item, "addresses")) ||
                       resolve_is_large(cJSON_GetObjectItemCaseSensitive(item, "ports"))))
            r = groups_put(&changes->batches, item->string, item, err);
    if (r == 0)
        r = put_zones(changes, view, err);
    if (r < 0)
        return r;
    put_default(changes, view);
    for (unsigned k = 0; k < ARRAY_LEN(order); k++) {
        cJSON_ArrayForEach (item, map_of(view, order[k])) {
            /* The draft starts empty: what is switched off need not be deleted. */
            if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(item, "enabled")) &&
                order[k] != CHANGESET_PORT)
                continue;
            view->old = order[k] == CHANGESET_DESTINATION_NAT &&
                        (change->initial || !is_touched(change, item->string));
            r = put_entry(changes, view, order[k], item, item->string, err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int put_touched(struct changeset *changes, struct view *view, struct orb_err *err)
{
    for (unsigned i = 0; i < changes->count; i++) {
        const struct changeset_item *item = &changes->items[i];
        int r = 0;

        if (item->unchanged)
            continue;
        view->old = item->follows && item->kind == CHANGESET_DESTINATION_NAT;
        if (item->kind == CHANGESET_DEFAULT)
            put_default(changes, view);
        else if (item->kind == CHANGESET_GROUP)
            r = put_group(changes, view, item->key, err);
        else
            r = put_entry(changes, view, item->kind,
                          cJSON_GetObjectItemCaseSensitive(map_of(view, item->kind), item->key),
                          item->key, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int by_kind(const void *a, const void *b)
{
    const struct changeset_item *x = a, *y = b;

    return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->key, y->key);
}

int changeset_build(struct changeset *changes, const struct orb_change *change, struct orb_err *err)
{
    const cJSON *op;
    struct view view;
    int r;

    translate_view_init(&view, change->tree);
    changes->full |= change->initial;
    cJSON_ArrayForEach (op, change->patch) {
        if (changes->full)
            break;
        touch(changes, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(op, "path")));
    }
    if (!changes->full)
        follow_groups(changes, &view);
    /* One member of a message must hold all entries of its kind. */
    if (changes->count)
        qsort(changes->items, changes->count, sizeof(*changes->items), by_kind);
    r = changes->full ? put_everything(changes, &view, change, err)
                      : put_touched(changes, &view, err);
    batch_end(&changes->batches);
    return r;
}

void changeset_fini(struct changeset *changes)
{
    free(changes->items);
    batch_fini(&changes->batches);
    memset(changes, 0, sizeof(*changes));
}

void changeset_describe(const struct changeset_item *item, const cJSON *tree, char *to, size_t size)
{
    struct view view;
    bool there;

    translate_view_init(&view, tree);
    there = item->kind == CHANGESET_DEFAULT ||
            cJSON_GetObjectItemCaseSensitive(map_of(&view, item->kind), item->key);
    snprintf(to, size, "%s%s%s %s", kinds[item->kind].word, *item->key ? " " : "", item->key,
             there ? (item->unchanged ? "gets another description" : "changes") : "is removed");
    if (there && !item->unchanged && item->kind != CHANGESET_DEFAULT &&
        item->kind != CHANGESET_PORT)
        services_describe(cJSON_GetObjectItemCaseSensitive(map_of(&view, item->kind), item->key),
                          to, size);
}
