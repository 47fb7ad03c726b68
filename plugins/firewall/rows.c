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

void rows_set(struct rows *rows, const char *key, const cJSON *rule)
{
    uint32_t number = (uint32_t)strtoul(key, NULL, 10);
    unsigned at = rows_after(rows, number);
    const char *note;
    struct row *row;

    if (at && rows->items[at - 1].number == number) {
        at--;
        free(rows->items[at].description);
        memmove(&rows->items[at], &rows->items[at + 1],
                (--rows->count - at) * sizeof(*rows->items));
    }
    if (!rule || cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(rule, "enabled")))
        return;
    if (rows->count == rows->size) {
        rows->size = rows->size ? rows->size * 2 : 64;
        rows->items = xrealloc(rows->items, rows->size * sizeof(*rows->items));
    }
    row = &rows->items[at];
    memmove(row + 1, row, (rows->count++ - at) * sizeof(*row));
    memset(row, 0, sizeof(*row));
    row->number = number;
    copy(rule, "from", row->from, sizeof(row->from));
    copy(rule, "to", row->to, sizeof(row->to));
    copy(rule, "action", row->action, sizeof(row->action));
    note = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(rule, "description"));
    if (note)
        row->description = xstrdup(note);
}

void rows_load(struct rows *rows, const cJSON *rules)
{
    const cJSON *rule;

    rows_fini(rows);
    cJSON_ArrayForEach (rule, rules)
        rows_set(rows, rule->string, rule);
}

void rows_fini(struct rows *rows)
{
    for (unsigned i = 0; i < rows->count; i++)
        free(rows->items[i].description);
    free(rows->items);
    *rows = (struct rows){0};
}
