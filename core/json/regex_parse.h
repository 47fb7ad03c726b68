/* A pattern as a tree, as {n,m} makes a program repeat parts of it. */
#ifndef CORE_JSON_REGEX_PARSE_H
#define CORE_JSON_REGEX_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/json/regex_internal.h"

#define REGEX_FOREVER UINT32_MAX /* REGEX_REPEAT's max: no end */

enum regex_kind { REGEX_EMPTY, REGEX_LEAF, REGEX_CAT, REGEX_ALT, REGEX_REPEAT };

struct regex_node {
    enum regex_kind kind;
    struct regex_step leaf;
    unsigned a, b; /* numbers of nodes */
    uint32_t min, max;
};

struct regex_parser {
    struct regex *to;
    const char *start, *p, *end;
    struct regex_node *nodes;
    unsigned count;
    unsigned depth, visits;
    char *why;
    size_t size;
    bool failed;
};

/* Reads the whole pattern, start to end, into nodes and the classes of to; the number of the root.
 * nodes are the caller's to free, classes those of to. When it is none, failed is set and why
 * reports what is wrong and where. */
unsigned regex_parse_pattern(struct regex_parser *s);
/* Sets failed; the first reason stays. what: a clause, "at byte N" is appended. Returns 0. */
unsigned regex_parse_fail(struct regex_parser *s, const char *what);

#endif
