/* Human output: text tables, values, and members of a reply with safe fallbacks. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "core/base/buf.h"
#include "core/json/tree.h"

/* Columns as wide as their longest cell; the cells are its own until it is printed. */
struct table {
    unsigned columns;
    struct buf *cells;
    unsigned count;
};
/* Begins a table with a row of titles, one for each column. */
void table_start(struct table *table, unsigned columns, const char *const *titles);
/* Adds the next cell, row by row; format as of out(). */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints it to stdout and frees it. */
void table_print(struct table *table);

/* Appends a value as JSON in one line, nothing in it for the terminal to act on. */
void table_plain(const json_t *value, struct buf *ret_text);
enum time_part { TIME_FULL, TIME_CLOCK, TIME_ZONE }; /* 2026-11-27 10:45:30, 10:45:30, +0100 */
/* Local time of s, in seconds since the epoch; "?" for a time that no calendar has. */
void table_time(long long s, enum time_part part, char *to, size_t size);
/* "s" for any number but one. */
const char *table_plural(long long number);

/* A member that is text, else "". Valid as long as object. */
const char *table_text(const json_t *object, const char *key);
/* A member that is a number, cut to an integer, else 0. */
long long table_number(const json_t *object, const char *key);
/* Number of changes in a reply: a list, or a number. */
long long table_changes(const json_t *tree);

#endif
