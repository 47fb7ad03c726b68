/* What a change means for the data plane: see work.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/firewall/check.h"
#include "plugins/firewall/puts.h"
#include "plugins/firewall/nat.h"
#include "plugins/firewall/services.h"
#include "plugins/firewall/translate.h"
#include "plugins/firewall/work.h"

#define MAX_TOKENS 6
#define MAX_ITEMS 1000 /* more touched entries than this: everything is sent anew */

static const struct {
    const char *member; /* of put */
    translate_fn *translate;
    const char *word;
} kinds[] = {[WORK_RULE] = {"rules", translate_rule, "rule"},
             [WORK_SOURCE_NAT] = {"source-nat", nat_source, "source NAT"},
             [WORK_DESTINATION_NAT] = {"destination-nat", nat_destination, "destination NAT"},
             [WORK_NOTRACK] = {"notrack", nat_notrack, "notrack rule"},
             [WORK_PORT] = {"ports", translate_port, "fast path of"},
             [WORK_DEFAULT] = {"default", NULL, "defaults"}};

static void add_item(struct work *work, enum work_kind kind, const char *key, bool quiet)
{
    for (unsigned i = 0; i < work->count; i++) {
        struct work_item *item = &work->items[i];

        if (item->kind == kind && !strcmp(item->key, key)) {
            item->quiet &= quiet;
            return;
        }
    }
    if (work->count == MAX_ITEMS || strlen(key) >= sizeof(work->items->key)) {
        work->full = true;
        return;
    }
    if (work->count == work->size) {
        work->size = work->size ? work->size * 2 : 8;
        work->items = xrealloc(work->items, work->size * sizeof(*work->items));
    }
    work->items[work->count] = (struct work_item){.kind = kind, .quiet = quiet};
    snprintf(work->items[work->count++].key, sizeof(work->items->key), "%s", key);
}

/* Cuts a pointer at its slashes, in place. The number of tokens; escaped ones make it -1. */
static int split(char *path, char **tokens)
{
    int n = 0;

    if (strchr(path, '~'))
        return -1;
    for (char *at = path; at && n < MAX_TOKENS; at = strchr(at, '/')) {
        if (*at)
            *at++ = 0;
        tokens[n++] = at;
    }
    return n;
}

static void touch_interfaces(struct work *work, char *const *tokens, int n)
{
    if (n < 2)
        work->full = true;
    else if (n == 2 || !strcmp(tokens[2], "fast-path"))
        add_item(work, WORK_PORT, tokens[1], false);
}

static void touch_firewall(struct work *work, char *const *tokens, int n)
{
    if (n >= 2 && !strcmp(tokens[1], "default")) {
        add_item(work, WORK_DEFAULT, "", false);
    } else if (n >= 3 && !strcmp(tokens[1], "rules")) {
        add_item(work, WORK_RULE, tokens[2], n > 3 && !strcmp(tokens[3], "description"));
    } else if (n >= 3 && !strcmp(tokens[1], "notrack")) {
        add_item(work, WORK_NOTRACK, tokens[2], n > 3 && !strcmp(tokens[3], "description"));
    } else if (n >= 4 && !strcmp(tokens[1], "nat")) {
        bool source = !strcmp(tokens[2], "source");

        add_item(work, source ? WORK_SOURCE_NAT : WORK_DESTINATION_NAT, tokens[3],
                 n > 4 && !strcmp(tokens[4], "description"));
    } else {
        work->full = true;
    }
}

static void touch(struct work *work, const char *path)
{
    AUTO_FREE char *copy = xstrdup(path ? path : "");
    char *tokens[MAX_TOKENS];
    int n = split(copy, tokens);

    if (n > 0 && !strcmp(tokens[0], "interfaces"))
        touch_interfaces(work, tokens, n);
    else if (n > 0 && !strcmp(tokens[0], "firewall"))
        touch_firewall(work, tokens, n);
    else
        work->full = true;
}

/* The map a kind's entries stand in. */
static const cJSON *map_of(const struct view *view, enum work_kind kind)
{
    const cJSON *nat = cJSON_GetObjectItemCaseSensitive(view->firewall, "nat");

    switch (kind) {
    case WORK_RULE:
        return cJSON_GetObjectItemCaseSensitive(view->firewall, "rules");
    case WORK_SOURCE_NAT:
        return cJSON_GetObjectItemCaseSensitive(nat, "source");
    case WORK_DESTINATION_NAT:
        return cJSON_GetObjectItemCaseSensitive(nat, "destination");
    case WORK_NOTRACK:
        return cJSON_GetObjectItemCaseSensitive(view->firewall, "notrack");
    case WORK_PORT:
        return view->interfaces;
    default:
        return NULL;
    }
}

static int put_entry(struct work *work, const struct view *view, enum work_kind kind,
                     const cJSON *item, const char *key, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r = 0;

    if (item)
        r = kinds[kind].translate(view, item, &text, err);
    else
        buf_adds(&text, "null");
    if (r == 0)
        puts_add(&work->puts, kinds[kind].member, key, buf_str(&text), text.len);
    return r;
}

static void put_default(struct work *work, const struct view *view)
{
    AUTO(buf) struct buf text = {0};

    translate_default(view, &text);
    puts_add(&work->puts, "default", NULL, buf_str(&text), text.len);
}

static int put_zones(struct work *work, const struct view *view, struct orb_err *err)
{
    const cJSON *zone;

    cJSON_ArrayForEach (zone, view->zones) {
        AUTO(buf) struct buf text = {0};
        int r = translate_zone(view, zone, &text, err);

        if (r < 0)
            return r;
        puts_add(&work->puts, "zones", zone->string, buf_str(&text), text.len);
    }
    return 0;
}

/* Whether pointer names what stands at, or below, above. */
static bool is_below(const char *pointer, const char *above)
{
    size_t len = strlen(above);

    return !strncmp(pointer, above, len) && (!pointer[len] || pointer[len] == '/');
}

/* Whether a change touches this destination NAT entry or what it stands in. */
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

static int put_everything(struct work *work, struct view *view, const struct orb_change *change,
                          struct orb_err *err)
{
    static const enum work_kind order[] = {WORK_PORT, WORK_RULE, WORK_SOURCE_NAT,
                                           WORK_DESTINATION_NAT, WORK_NOTRACK};
    const cJSON *item;
    int r;

    r = check_translation(view, err);
    if (r == 0)
        r = put_zones(work, view, err);
    if (r < 0)
        return r;
    put_default(work, view);
    for (unsigned k = 0; k < ARRAY_LEN(order); k++) {
        cJSON_ArrayForEach (item, map_of(view, order[k])) {
            /* The draft starts empty: what is switched off need not be deleted. */
            if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(item, "enabled")) &&
                order[k] != WORK_PORT)
                continue;
            view->old = order[k] == WORK_DESTINATION_NAT &&
                        (change->initial || !is_touched(change, item->string));
            r = put_entry(work, view, order[k], item, item->string, err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int put_touched(struct work *work, const struct view *view, struct orb_err *err)
{
    for (unsigned i = 0; i < work->count; i++) {
        const struct work_item *item = &work->items[i];
        int r = 0;

        if (item->quiet)
            continue;
        if (item->kind == WORK_DEFAULT)
            put_default(work, view);
        else
            r = put_entry(work, view, item->kind,
                          cJSON_GetObjectItemCaseSensitive(map_of(view, item->kind), item->key),
                          item->key, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int by_kind(const void *a, const void *b)
{
    const struct work_item *x = a, *y = b;

    return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->key, y->key);
}

int work_build(struct work *work, const struct orb_change *change, struct orb_err *err)
{
    const cJSON *op;
    struct view view;
    int r;

    translate_view_init(&view, change->tree);
    work->full |= change->initial;
    cJSON_ArrayForEach (op, change->patch) {
        if (work->full)
            break;
        touch(work, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(op, "path")));
    }
    /* One member of a message must hold all entries of its kind. */
    if (work->count)
        qsort(work->items, work->count, sizeof(*work->items), by_kind);
    r = work->full ? put_everything(work, &view, change, err) : put_touched(work, &view, err);
    puts_end(&work->puts);
    return r;
}

void work_fini(struct work *work)
{
    free(work->items);
    puts_fini(&work->puts);
    memset(work, 0, sizeof(*work));
}

void work_describe(const struct work_item *item, const cJSON *tree, char *to, size_t size)
{
    struct view view;
    bool there;

    translate_view_init(&view, tree);
    there = item->kind == WORK_DEFAULT ||
            cJSON_GetObjectItemCaseSensitive(map_of(&view, item->kind), item->key);
    snprintf(to, size, "%s%s%s %s", kinds[item->kind].word, *item->key ? " " : "", item->key,
             there ? (item->quiet ? "gets another description" : "changes") : "goes");
    if (there && !item->quiet && item->kind != WORK_DEFAULT && item->kind != WORK_PORT)
        services_describe(cJSON_GetObjectItemCaseSensitive(map_of(&view, item->kind), item->key),
                          to, size);
}
