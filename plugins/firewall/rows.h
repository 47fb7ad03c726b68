/* Data of each rule shown in the answer of `counters`, kept small and sorted so that a changed rule
 * costs one row. */
#ifndef PLUGINS_FIREWALL_ROWS_H
#define PLUGINS_FIREWALL_ROWS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

struct row {
    uint32_t number;
    char from[33], to[33]; /* "" any */
    char action[8];
    char *description; /* NULL: none */
};

struct rows {
    struct row *items;
    unsigned count, size;
};

/* A change of the table that can be swapped in and out. Zeroed: none. */
struct rows_change {
    bool whole; /* all is a whole table; else single rows */
    struct rows all;
    struct row_swap {
        uint32_t number;
        bool there; /* row is one; else there is none of that number */
        struct row row;
    } * swaps;
    unsigned count;
};

/* The change to rules, all of /firewall/rules (NULL: none). */
void rows_change_all(struct rows_change *change, const cJSON *rules);
/* Adds the change of one entry of /firewall/rules; NULL or disabled: removes the row. */
void rows_change_one(struct rows_change *change, const char *key, const cJSON *rule);
/* Makes room in rows for what the change may add. */
void rows_reserve(struct rows *rows, const struct rows_change *change);
/* Swaps the change with rows: done twice, everything is as before. Does not allocate. */
void rows_swap(struct rows *rows, struct rows_change *change);
void rows_change_fini(struct rows_change *change);
/* First row above number, as an index; rows->count when there is none. */
unsigned rows_after(const struct rows *rows, uint32_t number);
void rows_fini(struct rows *rows);

#endif
