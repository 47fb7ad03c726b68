/* Rows of the rule table: see rows.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/xalloc.h"
#include "plugins/firewall/rows.h"

unsigned rows_after(const struct rows *rows, uint32_t number)
{
    unsigned lo = 0, hi = rows->count;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (rows->items[mid].number > number)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static void copy(const cJSON *rule, const char *name, char *to, size_t size)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(rule, name));

    snprintf(to, size, "%s", text ? text : "");
}

static bool is_on(const cJSON *rule)
{
    return rule && !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(rule, "enabled"));
}

static struct row row_of(const char *key, const cJSON *rule)
{
    const char *note = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(rule, "description"));
    struct row row = {.number = (uint32_t)strtoul(key, NULL, 10)};

    copy(rule, "from", row.from, sizeof(row.from));
    copy(rule, "to", row.to, sizeof(row.to));
    copy(rule, "action", row.action, sizeof(row.action));
    if (note)
        row.description = xstrdup(note);
    return row;
}

static void grow(struct rows *rows, unsigned more)
{
    if (rows->count + more <= rows->size)
        return;
    rows->size = rows->size * 2 > rows->count + more ? rows->size * 2 : rows->count + more;
    rows->items = xrealloc(rows->items, rows->size * sizeof(*rows->items));
}

static int by_number(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

void rows_change_all(struct rows_change *change, const cJSON *rules)
{
    const cJSON *rule;

    change->whole = true;
    grow(&change->all, (unsigned)cJSON_GetArraySize(rules));
    cJSON_ArrayForEach (rule, rules)
        if (is_on(rule))
            change->all.items[change->all.count++] = row_of(rule->string, rule);
    if (change->all.count)
        qsort(change->all.items, change->all.count, sizeof(*change->all.items), by_number);
}

void rows_change_one(struct rows_change *change, const char *key, const cJSON *rule)
{
    struct row_swap *swap;

    change->swaps = xrealloc(change->swaps, (change->count + 1) * sizeof(*change->swaps));
    swap = &change->swaps[change->count++];
    *swap = (struct row_swap){.number = (uint32_t)strtoul(key, NULL, 10), .there = is_on(rule)};
    if (swap->there)
        swap->row = row_of(key, rule);
}

void rows_reserve(struct rows *rows, const struct rows_change *change)
{
    grow(rows, change->count);
}

/* One row in, the one of its number (if any) out. */
static void swap_row(struct rows *rows, struct row_swap *swap)
{
    unsigned at = rows_after(rows, swap->number);
    bool was = at && rows->items[at - 1].number == swap->number;
    struct row old = {0};

    if (was)
        old = rows->items[--at];
    if (was && !swap->there)
        memmove(&rows->items[at], &rows->items[at + 1], (--rows->count - at) * sizeof(old));
    if (!was && swap->there)
        memmove(&rows->items[at + 1], &rows->items[at], (rows->count++ - at) * sizeof(old));
    if (swap->there)
        rows->items[at] = swap->row;
    swap->row = old;
    swap->there = was;
}

void rows_swap(struct rows *rows, struct rows_change *change)
{
    if (change->whole) {
        struct rows all = *rows;

        *rows = change->all;
        change->all = all;
    }
    for (unsigned i = 0; i < change->count; i++)
        swap_row(rows, &change->swaps[i]);
}

void rows_change_fini(struct rows_change *change)
{
    rows_fini(&change->all);
    for (unsigned i = 0; i < change->count; i++)
        free(change->swaps[i].row.description);
    free(change->swaps);
    *change = (struct rows_change){0};
}

void rows_fini(struct rows *rows)
{
    for (unsigned i = 0; i < rows->count; i++)
        free(rows->items[i].description);
    free(rows->items);
    *rows = (struct rows){0};
}
