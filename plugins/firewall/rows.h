/* What the answer of `counters` says about each rule beside its numbers, kept small and sorted so
 * that one changed rule costs one row. */
#ifndef PLUGINS_FIREWALL_ROWS_H
#define PLUGINS_FIREWALL_ROWS_H

#include <cjson/cJSON.h>
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

/* Takes over rule (an entry of /firewall/rules); NULL or switched off: the row goes. */
void rows_set(struct rows *rows, const char *key, const cJSON *rule);
/* All of /firewall/rules (NULL: none). */
void rows_load(struct rows *rows, const cJSON *rules);
/* First row above number, as an index; rows->count when there is none. */
unsigned rows_after(const struct rows *rows, uint32_t number);
void rows_fini(struct rows *rows);

#endif
