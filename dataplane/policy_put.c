/* policy_put: the whole payload is read into a draft first, then merged; the merge cannot fail, so
 * a refused payload changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/policy_internal.h"

/* One entry of a map: set, or deleted. */
struct entry {
    bool deleted;
    union {
        struct policy_rule rule;
        struct policy_zone zone;
        struct policy_port port;
        struct policy_nat nat;
    } is;
};

enum map { MAP_RULES, MAP_ZONES, MAP_PORTS, MAP_NAT, MAP_NOTRACK, MAP_COUNT };

struct entries {
    struct entry *items;
    size_t count;
};

struct draft {
    struct entries maps[MAP_COUNT];
    struct policy_defaults defaults;
    struct policy_groups groups;
};

static int compare_rules(const void *a, const void *b)
{
    const struct policy_rule *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static int compare_zones(const void *a, const void *b)
{
    return strcmp(((const struct policy_zone *)a)->name, ((const struct policy_zone *)b)->name);
}

static int compare_port_names(const void *a, const void *b)
{
    return strcmp(((const struct policy_port *)a)->name, ((const struct policy_port *)b)->name);
}

static int compare_nat(const void *a, const void *b)
{
    const struct policy_nat *x = a, *y = b;
    int r = (x->id > y->id) - (x->id < y->id);

    return r ? r : (int)x->source - (int)y->source;
}

static void fini_rule(void *item)
{
    policy_rule_fini(item);
}

static void fini_zone(void *item)
{
    free(((struct policy_zone *)item)->interfaces);
}

static void fini_port(void *item)
{
}

static void fini_nat(void *item)
{
    policy_nat_fini(item);
}

static const struct kind {
    size_t size;
    int (*compare)(const void *, const void *);
    void (*fini)(void *);
} kinds[MAP_COUNT] = {
    [MAP_RULES] = {sizeof(struct policy_rule), compare_rules, fini_rule},
    [MAP_ZONES] = {sizeof(struct policy_zone), compare_zones, fini_zone},
    [MAP_PORTS] = {sizeof(struct policy_port), compare_port_names, fini_port},
    [MAP_NAT] = {sizeof(struct policy_nat), compare_nat, fini_nat},
    [MAP_NOTRACK] = {sizeof(struct policy_rule), compare_rules, fini_rule},
};

static inline void own_draft(struct draft *draft)
{
    for (int map = 0; map < MAP_COUNT; map++) {
        for (size_t i = 0; i < draft->maps[map].count; i++)
            kinds[map].fini(&draft->maps[map].items[i].is);
        free(draft->maps[map].items);
    }
    policy_group_fini(&draft->groups);
}

static int compare_entries(const void *a, const void *b, void *arg)
{
    const struct kind *kind = arg;

    return kind->compare(&((const struct entry *)a)->is, &((const struct entry *)b)->is);
}

/* A key that names an entry: number or name. Fills the entry's key. */
static int entry_key(enum map map, bool source, const char *key, struct entry *entry,
                     const struct place *at, struct orb_err *err)
{
    switch (map) {
    case MAP_RULES:
    case MAP_NAT:
    case MAP_NOTRACK:
        if (!policy_rule_key(key))
            return policy_read_fail(at, err, "\"%.40s\" is no rule number; expected 1 to %d", key,
                                    POLICY_MAX_RULE_ID);
        if (map != MAP_NAT)
            entry->is.rule.id = policy_rule_key(key);
        else
            entry->is.nat = (struct policy_nat){.id = policy_rule_key(key), .source = source};
        return 0;
    case MAP_ZONES:
        if (!policy_read_name_valid(key, POLICY_NAME) || !strcmp(key, "local") ||
            !strcmp(key, "any"))
            return policy_read_fail(
                at, err,
                "\"%.40s\" is no zone name; expected 1 to %d letters, digits and "
                "- _ . : @, not \"local\" or \"any\"",
                key, POLICY_NAME - 1);
        strcpy(entry->is.zone.name, key);
        return 0;
    default:
        if (!policy_read_name_valid(key, sizeof(entry->is.port.name)))
            return policy_read_fail(
                at, err,
                "\"%.40s\" is no interface name; expected 1 to 15 letters, digits "
                "and - _ . : @",
                key);
        strcpy(entry->is.port.name, key);
        return 0;
    }
}

static int entry_read(enum map map, const struct policy_groups *groups, const char *key,
                      const json_t *value, struct entry *entry, const struct place *at,
                      struct orb_err *err)
{
    switch (map) {
    case MAP_RULES:
        return policy_rule_read(&entry->is.rule, groups, key, value, at, err);
    case MAP_NOTRACK:
        return policy_rule_read_notrack(&entry->is.rule, groups, key, value, at, err);
    case MAP_ZONES:
        return policy_zone_read(&entry->is.zone, value, at, err);
    case MAP_PORTS:
        return policy_zone_read_port(&entry->is.port, value, at, err);
    default:
        return policy_nat_read(&entry->is.nat, groups, key, entry->is.nat.source, value, at, err);
    }
}

static int read_map(struct draft *draft, enum map map, bool source, const json_t *value,
                    const struct place *at, struct orb_err *err)
{
    struct entries *entries = &draft->maps[map];
    struct entry *items;
    const char *key;
    json_t *item;

    if (!json_is_object(value))
        return policy_read_expected(at, "an object", value, err);
    items =
        realloc(entries->items, (entries->count + json_object_size(value) + 1) * sizeof(*items));
    if (!items)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu entries", json_object_size(value));
    entries->items = items;
    json_object_foreach ((json_t *)value, key, item) {
        struct entry *entry = &items[entries->count];
        struct place here = {at, key, 0};
        int r;

        memset(entry, 0, sizeof(*entry));
        r = entry_key(map, source, key, entry, &here, err);
        if (r < 0)
            return r;
        entries->count++;
        entry->deleted = json_is_null(item);
        r = entry->deleted ? 0 : entry_read(map, &draft->groups, key, item, entry, &here, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_ports(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return read_map(to, MAP_PORTS, false, value, at, err);
}

static int read_zones(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return read_map(to, MAP_ZONES, false, value, at, err);
}

static int read_rules(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return read_map(to, MAP_RULES, false, value, at, err);
}

static int read_source_nat(void *to, const json_t *value, const struct place *at,
                           struct orb_err *err)
{
    return read_map(to, MAP_NAT, true, value, at, err);
}

static int read_destination_nat(void *to, const json_t *value, const struct place *at,
                                struct orb_err *err)
{
    return read_map(to, MAP_NAT, false, value, at, err);
}

static int read_notracks(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return read_map(to, MAP_NOTRACK, false, value, at, err);
}

static int read_default(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return policy_default_read(&((struct draft *)to)->defaults, value, at, err);
}

static int skip_groups(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return 0;
}

static int read_tx(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    int64_t tx;

    return policy_read_integer(value, 0, INT64_MAX, &tx, at, err);
}

/* Merges sorted entries into a sorted array; later entries of equal key win. merged has room for
 * all. Returns the new count. */
static unsigned merge(const struct kind *kind, char *merged, char *items, unsigned count,
                      struct entries *entries)
{
    unsigned out = 0, i = 0;
    size_t k = 0;

    while (i < count || k < entries->count) {
        struct entry *entry = k < entries->count ? &entries->items[k] : NULL;
        char *item = i < count ? items + (size_t)i * kind->size : NULL;
        int order = i == count ? 1 : !entry ? -1 : kind->compare(item, &entry->is);

        if (order < 0) {
            memcpy(merged + (size_t)out++ * kind->size, item, kind->size);
            i++;
            continue;
        }
        if (order == 0) {
            kind->fini(item);
            i++;
        }
        if (!entry->deleted)
            memcpy(merged + (size_t)out++ * kind->size, &entry->is, kind->size);
        else
            kind->fini(&entry->is);
        k++;
    }
    free(items);
    return out;
}

static int merge_all(struct policy *policy, struct draft *draft, struct orb_err *err)
{
    void *items[MAP_COUNT] = {policy->rules, policy->zones, policy->ports, policy->nat,
                              policy->notracks};
    unsigned counts[MAP_COUNT] = {policy->rule_count, policy->zone_count, policy->port_count,
                                  policy->nat_count, policy->notrack_count};
    static const unsigned limits[MAP_COUNT] = {2 * POLICY_MAX_RULES, POLICY_MAX_ZONES,
                                               POLICY_MAX_PORTS, 2 * POLICY_MAX_NAT,
                                               POLICY_MAX_NOTRACK};
    void *merged[MAP_COUNT] = {NULL};

    for (int map = 0; map < MAP_COUNT; map++) {
        /* The exact count is checked by policy_check; this bounds the memory before it. */
        if (counts[map] + draft->maps[map].count > 4 * (size_t)limits[map]) {
            for (int i = 0; i < map; i++)
                free(merged[i]);
            return orb_fail(err, ORB_E_LIMIT, "%zu entries; the limit is %u",
                            counts[map] + draft->maps[map].count, limits[map]);
        }
        merged[map] = xcalloc(counts[map] + draft->maps[map].count + 1, kinds[map].size);
        if (draft->maps[map].count)
            qsort_r(draft->maps[map].items, draft->maps[map].count, sizeof(struct entry),
                    compare_entries, (void *)&kinds[map]);
    }
    for (int map = 0; map < MAP_COUNT; map++) {
        counts[map] = merge(&kinds[map], merged[map], items[map], counts[map], &draft->maps[map]);
        draft->maps[map].count = 0;
    }
    policy_group_fini(&policy->groups);
    *policy = (struct policy){.rules = merged[MAP_RULES],
                              .rule_count = counts[MAP_RULES],
                              .zones = merged[MAP_ZONES],
                              .zone_count = counts[MAP_ZONES],
                              .ports = merged[MAP_PORTS],
                              .port_count = counts[MAP_PORTS],
                              .nat = merged[MAP_NAT],
                              .nat_count = counts[MAP_NAT],
                              .notracks = merged[MAP_NOTRACK],
                              .notrack_count = counts[MAP_NOTRACK],
                              .defaults = draft->defaults,
                              .groups = draft->groups,
                              .block = policy->block};
    draft->groups = (struct policy_groups){0};
    return 0;
}

int policy_put(struct policy *policy, const char *text, size_t len, struct orb_err *err)
{
    static const struct member members[] = {{"tx", read_tx},
                                            {"groups", skip_groups},
                                            {"ports", read_ports},
                                            {"zones", read_zones},
                                            {"default", read_default},
                                            {"rules", read_rules},
                                            {"source-nat", read_source_nat},
                                            {"destination-nat", read_destination_nat},
                                            {"notrack", read_notracks}};
    static const struct json_limits limits = {JSON_MAX_DEPTH, 4 * POLICY_MAX_RULES};
    AUTO(json_t) json_t *tree = NULL;
    AUTO(draft)
    struct draft draft = {.defaults = policy->defaults};
    const json_t *groups;
    int r = tree_parse(text, len, &limits, &tree, err);

    if (r < 0)
        return r;
    draft.groups = policy_group_share(&policy->groups);
    groups = json_object_get(tree, "groups"); /* first: rules name them */
    if (groups)
        r = policy_groups_read(&draft.groups, groups, &(struct place){.token = "groups"}, err);
    if (r < 0)
        return r;
    r = policy_read_members(&draft, tree, members, ARRAY_LEN(members), NULL, err);
    if (r < 0)
        return r;
    return merge_all(policy, &draft, err);
}
