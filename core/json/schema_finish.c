/* Computed when all nodes of a document exist. References may form cycles; each node is visited a
 * fixed number of times. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/schema_compile.h"

/* ---- types a schema accepts ---- */

static unsigned types_of(struct schema *s);

static unsigned types_some(const struct schema_list *list)
{
    unsigned types = 0;

    for (size_t i = 0; i < list->count; i++)
        types |= types_of(list->all[i]);
    return types;
}

/* A node is made after all it is deeper in than, so this nests no deeper than the compiler did. */
static unsigned types_of(struct schema *s)
{
    unsigned types = s->types ? s->types : SCHEMA_ANY, mask = 0;

    if (s->kind == SCHEMA_NEVER)
        return 0;
    if (s->all_types_known)
        return s->all_types;
    s->all_types_known = true; /* within a cycle: the type of the node itself */
    s->all_types = types;
    for (size_t i = 0; i < s->choice_count; i++)
        mask |= s->choices[i].type;
    if (s->has_choices)
        types &= mask;
    if (s->has_const)
        types &= s->only.type;
    if (s->ref)
        types &= types_of(s->ref);
    for (size_t i = 0; i < s->all_of.count; i++)
        types &= types_of(s->all_of.all[i]);
    if (s->any_of.count)
        types &= types_some(&s->any_of);
    if (s->one_of.count)
        types &= types_some(&s->one_of);
    s->all_types = types;
    return types;
}

unsigned schema_finish_types_of(const struct schema *s)
{
    return s->kind == SCHEMA_NEVER ? 0 : s->all_types_known ? s->all_types : SCHEMA_ANY;
}

/* ---- from where an x-orb-ref is reached ---- */

struct edge {
    uint32_t from, to; /* range of node numbers: from (included) to (excluded) */
};

struct edges {
    struct edge *list;
    size_t count, room;
};

static void edge(struct edges *e, const struct schema *from, const struct schema *to)
{
    if (!from)
        return;
    if (e->count == e->room) {
        e->room = e->room ? e->room * 2 : 256;
        e->list = xrealloc(e->list, e->room * sizeof(*e->list));
    }
    e->list[e->count++] = (struct edge){from->number, to->number};
}

static void edges_of(struct edges *e, const struct schema *s)
{
    const struct schema_list *lists[] = {&s->all_of, &s->any_of, &s->one_of};
    const struct schema *parts[] = {s->additional, s->names, s->items, s->ref};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        edge(e, parts[i], s);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (size_t k = 0; k < lists[i]->count; k++)
            edge(e, lists[i]->all[k], s);
    for (size_t i = 0; i < s->member_count; i++)
        edge(e, s->members[i].schema, s);
    for (size_t i = 0; i < s->pattern_count; i++)
        edge(e, s->patterns[i].schema, s);
}

static int by_from(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

static size_t first_from(const struct edges *e, uint32_t from)
{
    size_t low = 0, high = e->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (e->list[mid].from < from)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Upwards from the nodes that have the keyword. */
static void find_leads(struct unit *unit)
{
    AUTO_FREE uint32_t *todo = xcalloc(unit->node_count + 1, sizeof(*todo));
    struct edges edges = {0};
    size_t count = 0;

    for (size_t i = 0; i < unit->node_count; i++) {
        struct schema *s = unit->nodes[i];

        edges_of(&edges, s);
        s->leads_to_ref = s->ref_target != NULL;
        if (s->leads_to_ref)
            todo[count++] = s->number;
    }
    if (edges.count)
        qsort(edges.list, edges.count, sizeof(*edges.list), by_from);
    while (count) {
        uint32_t from = todo[--count];

        for (size_t i = first_from(&edges, from); i < edges.count && edges.list[i].from == from;
             i++) {
            struct schema *to = unit->nodes[edges.list[i].to];

            if (to->leads_to_ref)
                continue;
            to->leads_to_ref = true;
            todo[count++] = to->number;
        }
    }
    free(edges.list);
}

void schema_finish_unit(struct unit *unit)
{
    for (size_t i = 0; i < unit->node_count; i++) {
        struct schema *s = unit->nodes[i];

        s->has_more =
            s->ref || s->all_of.count || s->any_of.count || s->one_of.count || s->not_this;
        s->only_ref = s->ref && json_object_size(s->json) == 1;
        s->all_types_known = false;
    }
    for (size_t i = 0; i < unit->node_count; i++)
        types_of(unit->nodes[i]);
    find_leads(unit);
}
