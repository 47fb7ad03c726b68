/* The compiled form of a pattern: regex.c writes it, regex_match.c runs it. */
#ifndef CORE_JSON_REGEX_INTERNAL_H
#define CORE_JSON_REGEX_INTERNAL_H

#include <stdint.h>

#include "core/json/regex.h"

enum regex_op {
    RE_CHAR,  /* value: the code point */
    RE_ANY,   /* all but line ends */
    RE_CLASS, /* value: number of the class */
    RE_SPLIT, /* continue at value and at other */
    RE_JUMP,  /* continue at value */
    RE_START,
    RE_END,
    RE_BOUNDARY,
    RE_NO_BOUNDARY,
    RE_MATCH,
};

struct regex_step {
    uint8_t op;
    uint32_t value, other;
};

struct regex_class {
    uint64_t low[2]; /* bits of the code points below 128 */
    bool inverted;
    uint32_t *ranges; /* from, to, from, to, … */
    size_t count;     /* of pairs */
};

struct regex {
    struct regex_step *steps;
    size_t count;
    struct regex_class *classes;
    size_t class_count;
};

#endif
