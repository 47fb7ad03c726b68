/* Human output: tables, and safe reading of replies. */
#include <stdarg.h>
#include <string.h>

#include "cli/cli.h"
#include "core/base/own.h"

void table_start(struct table *t, unsigned columns, const char *const *titles)
{
    *t = (struct table){.columns = columns};
    for (unsigned i = 0; i < columns; i++)
        table_cell(t, "%s", titles[i]);
}

void text_plain(const char *text, struct buf *ret_text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c < 0x20 || c == 0x7f)
            buf_addf(ret_text, "\\x%02x", c);
        else if (c == 0xc2 && ((unsigned char)p[1] & 0xe0) == 0x80) /* C1 controls, too */
            buf_addf(ret_text, "\\x%02x", (unsigned char)*++p);
        else
            buf_addc(ret_text, *p);
    }
}

void table_cell(struct table *t, const char *format, ...)
{
    AUTO(buf) struct buf raw = {0};
    va_list args;

    t->cells = xrealloc(t->cells, (t->count + 1) * sizeof *t->cells);
    t->cells[t->count] = (struct buf){0};
    va_start(args, format);
    buf_addv(&raw, format, args);
    va_end(args);
    text_plain(buf_str(&raw), &t->cells[t->count++]);
}

/* Columns on the terminal: code points, near enough for what we print. */
static int width(const struct buf *cell)
{
    int n = 0;

    for (size_t i = 0; i < cell->len; i++)
        n += ((unsigned char)cell->data[i] & 0xc0) != 0x80;
    return n;
}

void table_print(struct table *t)
{
    AUTO_FREE int *widths = xcalloc(t->columns, sizeof *widths);

    for (unsigned i = 0; i < t->count; i++)
        if (width(&t->cells[i]) > widths[i % t->columns])
            widths[i % t->columns] = width(&t->cells[i]);
    for (unsigned i = 0; i < t->count; i++) {
        bool last = i % t->columns == t->columns - 1;
        int pad = last ? 0 : widths[i % t->columns] - width(&t->cells[i]) + 2;

        printf("%s%*s%s", buf_str(&t->cells[i]), pad, "", last ? "\n" : "");
        buf_fini(&t->cells[i]);
    }
    free(t->cells);
    *t = (struct table){0};
}

const char *plural(long long number)
{
    return number == 1 ? "" : "s";
}

const char *member_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

long long member_number(const json_t *object, const char *key)
{
    return (long long)json_number_value(json_object_get(object, key));
}
