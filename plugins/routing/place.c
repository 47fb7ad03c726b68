/* Paths of /routing in the configuration: see place.h. */
#include <stdio.h>

#include "plugins/routing/place.h"
#include "orbital/read.h"

void place_table(const struct table_want *table, char *to, size_t size)
{
    snprintf(to, size, "/routing");
    if (*table->name) {
        orb_pointer_add(to, size, "tables");
        orb_pointer_add(to, size, table->name);
    }
    orb_pointer_add(to, size, "static");
}

void place_route(const struct route_want *route, const struct hop_want *hop, char *to, size_t size)
{
    place_table(route->table, to, size);
    orb_pointer_add(to, size, route->key);
    if (hop && !*hop->key) {
        orb_pointer_add(to, size, "interface");
    } else if (hop) {
        orb_pointer_add(to, size, "next-hops");
        orb_pointer_add(to, size, hop->key);
    }
}

void place_source(const struct route_want *route, const struct hop_want *hop, char *to, size_t size)
{
    place_route(route, hop->own_source ? hop : NULL, to, size);
    orb_pointer_add(to, size, "preferred-source");
}

const char *place_hop_text(const struct hop_want *hop, char *to, size_t size)
{
    if (*hop->key)
        return hop->key;
    snprintf(to, size, "interface %s", hop->interface);
    return to;
}

int place_refuse(struct orb_err *err, const struct route_want *route, const struct hop_want *hop,
                 const char *text)
{
    char path[ORB_ERR_PATH];

    place_route(route, hop, path, sizeof(path));
    return orb_fail_at(err, ORB_E_VETO, path, "%s", text);
}
