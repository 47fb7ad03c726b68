/* Human output: tables, and safe reading of replies. */
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "cli/out.h"
#include "cli/table.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

void table_start(struct table *t, unsigned columns, const char *const *titles)
{
    *t = (struct table){.columns = columns};
    for (unsigned i = 0; i < columns; i++)
        table_cell(t, "%s", titles[i]);
}

void table_cell(struct table *t, const char *format, ...)
{
    va_list args;

    t->cells = xrealloc(t->cells, (t->count + 1) * sizeof(*t->cells));
    t->cells[t->count] = (struct buf){0};
    va_start(args, format);
    out_format(&t->cells[t->count++], format, args);
    va_end(args);
}

void table_print(struct table *t)
{
    AUTO_FREE int *widths = xcalloc(t->columns, sizeof(*widths));

    for (unsigned i = 0; i < t->count; i++)
        if (text_width(buf_str(&t->cells[i])) > widths[i % t->columns])
            widths[i % t->columns] = text_width(buf_str(&t->cells[i]));
    for (unsigned i = 0; i < t->count; i++) {
        bool last = i % t->columns == t->columns - 1;
        int pad = last ? 0 : widths[i % t->columns] - text_width(buf_str(&t->cells[i])) + 2;

        out("%s%*s", buf_str(&t->cells[i]), pad, "");
        if (last)
            out("\n");
        buf_fini(&t->cells[i]);
    }
    free(t->cells);
    *t = (struct table){0};
}

void table_plain(const json_t *value, struct buf *ret_text)
{
    AUTO(buf) struct buf text = {0};

    if (value)
        tree_dump(value, &text);
    text_json(buf_str(&text), ret_text);
}

const char *table_plural(long long number)
{
    return number == 1 ? "" : "s";
}

const char *table_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

long long table_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    double real;

    if (!json_is_real(value))
        return json_integer_value(value);
    real = json_real_value(value);
    return real < -9e18 ? LLONG_MIN : real > 9e18 ? LLONG_MAX : (long long)real;
}

void table_time(long long s, enum time_part part, char *to, size_t size)
{
    time_t when = (time_t)s;
    struct tm tm;
    size_t n;

    if (!localtime_r(&when, &tm))
        n = 0;
    else if (part == TIME_ZONE)
        n = strftime(to, size, "%z", &tm);
    else if (part == TIME_CLOCK)
        n = strftime(to, size, "%H:%M:%S", &tm);
    else
        n = strftime(to, size, "%Y-%m-%d %H:%M:%S", &tm);
    if (!n)
        snprintf(to, size, "?");
}

long long table_changes(const json_t *tree)
{
    const json_t *changes = json_object_get(tree, "changes");

    return json_is_array(changes) ? (long long)json_array_size(changes)
                                  : table_number(tree, "changes");
}
