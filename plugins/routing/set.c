/* The configured tables, routes and rules together. Two keys that write one network differently
 * (10.0.0.0/8 and 10.0.0.0/08 cannot, 2001:DB8::/32 and 2001:db8::/32 can) would be one kernel
 * route: the second is a misfit. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/routing/model.h"
#include "plugins/routing/place.h"
#include "plugins/routing/policy.h"
#include "plugins/routing/set.h"
#include "orbital/read.h"

static void free_hop(struct hop_want *hop)
{
    free(hop->why);
    free(hop->no_source);
}

static void route_fini(struct route_want *route)
{
    for (unsigned i = 0; i < route->hop_count; i++)
        free_hop(&route->hops[i]);
    free(route->hops);
    free(route->why);
    memset(route, 0, sizeof(*route));
}

int set_note(struct routes_want *routes, const struct orb_err *why, struct orb_err *err)
{
    void *more = realloc(routes->misfits, (routes->misfit_count + 1) * sizeof(*routes->misfits));
    struct route_misfit *misfit;

    if (!more)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    routes->misfits = more;
    misfit = &routes->misfits[routes->misfit_count++];
    memcpy(misfit->path, why->path, sizeof(misfit->path));
    memcpy(misfit->text, why->text, sizeof(misfit->text));
    return 0;
}

static int order(const struct prefix *p, const struct prefix *q)
{
    if (p->address.family != q->address.family)
        return p->address.family < q->address.family ? -1 : 1;
    if (p->len != q->len)
        return p->len < q->len ? -1 : 1;
    return memcmp(p->address.bytes, q->address.bytes, sizeof(p->address.bytes));
}

static int order_at(uint32_t table, const struct prefix *destination, const struct route_want *q)
{
    if (table != q->table->id)
        return table < q->table->id ? -1 : 1;
    return order(destination, &q->destination);
}

/* Equal destinations keep the order of the configuration. */
static int by_destination(const void *a, const void *b)
{
    const struct route_want *p = *(struct route_want *const *)a;
    const struct route_want *q = *(struct route_want *const *)b;
    int r = order_at(p->table->id, &p->destination, q);

    return r ? r : (p > q) - (p < q);
}

/* Sorts, and takes out what writes one network a second time. */
static int sort_out(struct routes_want *routes, struct orb_err *err)
{
    int r = 0;

    routes->sorted = calloc(routes->item_count + 1, sizeof(struct route_want *));
    if (!routes->sorted)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    for (unsigned i = 0; i < routes->item_count; i++)
        routes->sorted[i] = &routes->items[i];
    qsort(routes->sorted, routes->item_count, sizeof(struct route_want *), by_destination);
    for (unsigned i = 0; r == 0 && i < routes->item_count; i++) {
        struct route_want *route = routes->sorted[i];
        struct orb_err why = {0};
        char text[160];

        if (!routes->count || order_at(route->table->id, &route->destination,
                                       routes->sorted[routes->count - 1]) != 0) {
            routes->sorted[routes->count++] = route;
            continue;
        }
        snprintf(text, sizeof(text), "%s is the same network as %s", route->key,
                 routes->sorted[routes->count - 1]->key);
        place_refuse(&why, route, NULL, text);
        r = set_note(routes, &why, err);
    }
    return r;
}

/* Takes one that cannot be read for a misfit. */
static int tolerate(struct routes_want *routes, const struct orb_err *why, struct orb_err *err)
{
    return why->code == ORB_E_NOMEM ? orb_fail(err, ORB_E_NOMEM, "%s", why->text)
                                    : set_note(routes, why, err);
}

static int read_static(struct routes_want *routes, const cJSON *all, const struct table_want *table,
                       struct orb_err *err)
{
    const cJSON *item;
    int r = 0;

    cJSON_ArrayForEach (item, all) {
        struct route_want *route = &routes->items[routes->item_count];
        struct orb_err why = {0};

        if (r < 0)
            return r;
        if (model_read_route(item, table, route, &why) == 0) {
            routes->item_count++;
            continue;
        }
        route_fini(route);
        r = tolerate(routes, &why, err);
    }
    return r;
}

/* The number and name of a table; the memory is there. */
static int read_table(struct routes_want *routes, const cJSON *item, struct orb_err *err)
{
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(item, "id");
    struct table_want table = {.id = cJSON_IsNumber(id) ? (uint32_t)id->valuedouble : 0};
    char path[ORB_ERR_PATH] = "/routing/tables";

    snprintf(table.name, sizeof(table.name), "%s", item->string);
    orb_pointer_add(path, sizeof(path), item->string);
    if (!strcmp(table.name, "main") || !strcmp(table.name, "local") ||
        !strcmp(table.name, "default"))
        return orb_fail_at(err, ORB_E_VETO, path,
                           "%s is a table of the kernel's own; expected another name", table.name);
    if (!id)
        return orb_fail_at(err, ORB_E_VETO, path,
                           "expected \"id\", the number of the table in the kernel");
    orb_pointer_add(path, sizeof(path), "id");
    if (!table.id || (table.id >= RT_TABLE_COMPAT && table.id <= RT_TABLE_LOCAL))
        return orb_fail_at(err, ORB_E_VETO, path,
                           "table %u is the kernel's; expected a number of 1 to 251, or above 255",
                           table.id);
    for (unsigned i = 1; i < routes->table_count; i++) {
        if (routes->tables[i].id == table.id)
            return orb_fail_at(err, ORB_E_VETO, path, "table %s has number %u already",
                               routes->tables[i].name, table.id);
    }
    routes->tables[routes->table_count++] = table;
    return 0;
}

static int read_tables(struct routes_want *routes, const cJSON *tables, struct orb_err *err)
{
    const cJSON *item;
    int r = 0;

    routes->tables[routes->table_count++].id = RT_TABLE_MAIN;
    cJSON_ArrayForEach (item, tables) {
        struct orb_err why = {0};

        if (r == 0 && read_table(routes, item, &why) < 0) {
            r = tolerate(routes, &why, err);
        } else if (r == 0) {
            const struct table_want *table = &routes->tables[routes->table_count - 1];

            r = read_static(routes, cJSON_GetObjectItemCaseSensitive(item, "static"), table, err);
        }
    }
    return r;
}

static int by_number(const void *a, const void *b)
{
    const struct rule_want *p = a, *q = b;

    return (p->number > q->number) - (p->number < q->number);
}

static int read_policy(struct routes_want *routes, const cJSON *policy, struct orb_err *err)
{
    const cJSON *item;
    int r = 0;

    cJSON_ArrayForEach (item, policy) {
        struct rule_want *rule = &routes->rules[routes->rule_count];
        struct orb_err why = {0};

        if (r < 0)
            return r;
        *rule = (struct rule_want){0};
        if (policy_rule_read(item, routes, rule, &why) == 0)
            routes->rule_count++;
        else
            r = tolerate(routes, &why, err);
    }
    qsort(routes->rules, routes->rule_count, sizeof(*routes->rules), by_number);
    return r;
}

/* Memory for everything that may be read. */
static int make_room(struct routes_want *routes, const cJSON *all, const cJSON *tables,
                     const cJSON *policy, struct orb_err *err)
{
    size_t count = (size_t)cJSON_GetArraySize(all) + 1;
    const cJSON *item;

    cJSON_ArrayForEach (item, tables)
        count += (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(item, "static"));
    routes->items = calloc(count, sizeof(*routes->items));
    routes->tables = calloc((size_t)cJSON_GetArraySize(tables) + 1, sizeof(*routes->tables));
    routes->rules = calloc((size_t)cJSON_GetArraySize(policy) + 1, sizeof(*routes->rules));
    if (!routes->items || !routes->tables || !routes->rules)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    return 0;
}

int set_read(const cJSON *routing, struct routes_want *ret_routes, struct orb_err *err)
{
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(routing, "static");
    const cJSON *tables = cJSON_GetObjectItemCaseSensitive(routing, "tables");
    const cJSON *policy = cJSON_GetObjectItemCaseSensitive(routing, "policy");
    struct routes_want routes = {0};
    int r = make_room(&routes, all, tables, policy, err);

    if (r == 0)
        r = read_tables(&routes, tables, err);
    if (r == 0)
        r = read_static(&routes, all, &routes.tables[0], err);
    if (r == 0)
        r = read_policy(&routes, policy, err);
    if (r == 0)
        r = sort_out(&routes, err);
    if (r < 0)
        set_fini(&routes);
    else
        *ret_routes = routes;
    return r;
}

void set_fini(struct routes_want *routes)
{
    for (unsigned i = 0; i < routes->item_count; i++)
        route_fini(&routes->items[i]);
    for (unsigned i = 0; i < routes->rule_count; i++)
        free(routes->rules[i].why);
    free(routes->items);
    free(routes->tables);
    free(routes->rules);
    free(routes->sorted);
    free(routes->misfits);
    *routes = (struct routes_want){0};
}

struct place {
    uint32_t table;
    const struct prefix *destination;
};

static int by_place(const void *key, const void *item)
{
    const struct place *place = key;

    return order_at(place->table, place->destination, *(struct route_want *const *)item);
}

struct route_want *set_find(const struct routes_want *routes, uint32_t table,
                            const struct prefix *destination)
{
    struct place place = {table, destination};
    struct route_want **found = NULL;

    if (routes->count)
        found =
            bsearch(&place, routes->sorted, routes->count, sizeof(struct route_want *), by_place);
    return found ? *found : NULL;
}

const char *set_table_name(const struct routes_want *routes, uint32_t table, char *to, size_t size)
{
    for (unsigned i = 1; i < routes->table_count; i++) {
        if (routes->tables[i].id == table)
            return routes->tables[i].name;
    }
    if (table == RT_TABLE_MAIN || table == RT_TABLE_LOCAL || table == RT_TABLE_DEFAULT)
        return table == RT_TABLE_MAIN ? "main" : table == RT_TABLE_LOCAL ? "local" : "default";
    snprintf(to, size, "%u", table);
    return to;
}

bool set_is_first(const struct route_want *route, const struct hop_want *hop)
{
    for (const struct hop_want *other = route->hops; other < hop; other++) {
        if (other->metric == hop->metric)
            return false;
    }
    return true;
}

uint32_t set_last_metric(const struct route_want *route)
{
    return route->hop_count ? LAST_METRIC : route->metric;
}

bool set_has_metric(const struct route_want *route, uint32_t metric)
{
    if (route->last && set_last_metric(route) == metric)
        return true;
    for (unsigned i = 0; i < route->hop_count; i++) {
        if (route->hops[i].metric == metric)
            return true;
    }
    return false;
}
