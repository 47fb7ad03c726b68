/* The network packages' readers of configuration: whatever fits the schemas must be taken or
 * refused with a path, and what the firewall sends must be JSON that fits a frame. Input: a
 * configuration. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/json/scan.h"
#include "core/json/schema.h"
#include "core/json/tree.h"
#include "plugins/firewall/changeset.h"
#include "plugins/interfaces/misfit.h"
#include "plugins/interfaces/model.h"
#include "plugins/routing/model.h"
#include "plugins/routing/set.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 800.0

static size_t made; /* bytes of output */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INTERFACES, ROUTING, FIREWALL, PARTS };
static const char *const names[PARTS] = {"interfaces", "routing", "firewall"};

/* Compiled once: the one state of this program. */
static struct schema *schema_of(int part)
{
    static struct schema *schemas[PARTS];
    AUTO_FREE char *path = buf_format("%s/plugins/%s/schema.json", SOURCE_ROOT, names[part]);
    AUTO(buf) struct buf text = {0}, dump = {0};
    AUTO(json_t) json_t *all = NULL;
    struct orb_err err;
    json_t *config;

    if (schemas[part])
        return schemas[part];
    if (file_read(path, 1 << 20, &text, &err) < 0 ||
        tree_parse(text.data, text.len, NULL, &all, &err) < 0)
        abort();
    config = json_object_get(all, "config");
    if (json_object_get(all, "$defs"))
        json_object_set(config, "$defs", json_object_get(all, "$defs"));
    tree_dump(config, &dump);
    if (schema_compile(dump.data, dump.len, true, &schemas[part], &err) < 0)
        abort();
    return schemas[part];
}

static void refused_well(int r, const struct orb_err *err)
{
    if (r < 0 && (err->code != r || err->path[0] != '/' || !err->text[0]))
        abort();
}

static void try_firewall(const cJSON *tree)
{
    struct orb_change change = {.initial = true, .tree = tree};
    struct orb_err err = {0};
    struct changeset changes = {0};

    refused_well(changeset_build(&changes, &change, &err), &err);
    for (unsigned i = 0; i < changes.batches.count; i++) {
        AUTO(buf) struct buf text = {0};

        batch_message(&changes.batches, i, 1, &text);
        made += text.len;
        /* A refusal leaves an unfinished entry behind; it is never sent. */
        if (!err.code && (text.len > 256 * 1024 || scan_json(text.data, text.len, NULL, &err) < 0))
            abort();
    }
    changeset_fini(&changes);
}

/* What is refused in a commit is left out at the start, and named: never a refusal there. */
static void try_interfaces(const cJSON *interfaces)
{
    const struct misfits *left_out;
    struct desired_list desired = {0};
    struct orb_err err = {0};
    int r = model_read(interfaces, false, &desired, &err);

    refused_well(r, &err);
    model_fini(&desired);
    left_out = &desired.left_out;
    if (model_read(interfaces, true, &desired, NULL) < 0 || (left_out->count > 0) != (r < 0))
        abort();
    for (unsigned i = 0; i < left_out->count; i++) {
        if (left_out->items[i].path[0] != '/' || !left_out->items[i].what[0])
            abort();
    }
    model_fini(&desired);
}

static void try_routes(const cJSON *routing)
{
    struct routes_want routes = {0};
    struct orb_err err = {0};

    if (set_read(routing, &routes, &err) < 0)
        abort();
    for (unsigned i = 0; i < routes.misfit_count; i++) {
        if (routes.misfits[i].path[0] != '/' || !routes.misfits[i].text[0])
            abort();
    }
    for (unsigned i = 0; i < routes.count; i++) {
        const struct route_want *route = routes.sorted[i];

        if (set_find(&routes, route->table->id, &route->destination) != route ||
            (!route->hop_count && !route->last))
            abort();
    }
    set_fini(&routes);
}

static void try_parts(const cJSON *tree)
{
    try_interfaces(cJSON_GetObjectItemCaseSensitive(tree, "interfaces"));
    try_routes(cJSON_GetObjectItemCaseSensitive(tree, "routing"));
    try_firewall(tree);
}

static int one(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct json_slice value;
    struct orb_err err;
    cJSON *tree;

    if (size > 65536 || scan_json(text, size, NULL, &err) < 0)
        return 0;
    for (int part = 0; part < PARTS; part++) {
        if (json_member(text, size, names[part], &value) == 1 &&
            schema_check(schema_of(part), value.p, value.len, "", &err) < 0)
            return 0;
    }
    tree = cJSON_ParseWithLength(text, size);
    if (tree)
        try_parts(tree);
    cJSON_Delete(tree);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double before = cpu_ms();

    made = 0;
    one(data, size);
    must_fit(made, 16384, 256, size);
    must_end(before, MOST_MS, size);
    return 0;
}
