/* The compiled form of a schema, shared by the files of the validator only. All nodes of one
 * compile hang in one unit, which the root frees; references may form cycles, so no node owns
 * another. */
#ifndef CORE_JSON_SCHEMA_INTERNAL_H
#define CORE_JSON_SCHEMA_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/json/regex.h"
#include "core/json/schema.h"
#include "core/json/tree.h"

/* What a value can be. A number with no fraction is an integer however it is spelled (1.0). */
enum schema_types {
    SCHEMA_OBJECT = 1,
    SCHEMA_ARRAY = 2,
    SCHEMA_STRING = 4,
    SCHEMA_INTEGER = 8,
    SCHEMA_REAL = 16,
    SCHEMA_BOOLEAN = 32,
    SCHEMA_NULL = 64,
    SCHEMA_NUMBER = SCHEMA_INTEGER | SCHEMA_REAL,
    SCHEMA_ANY = 127,
};

#define SCHEMA_INSTEAD_BYTES 64 /* longest value that x-orb-instead is looked at for */

enum schema_kind { SCHEMA_NORMAL, SCHEMA_ALWAYS, SCHEMA_NEVER };

struct number {
    bool integer;
    int64_t i;
    double d; /* nearest double, also for integers */
};

struct member {
    const char *name;
    size_t len;
    struct schema *schema; /* NULL: only required, not described */
    bool required;
};

struct pattern {
    const char *text;
    struct regex *regex;
    struct schema *schema; /* of patternProperties */
};

/* One allowed value: strings decoded, everything else as tree_dump_equal writes it. */
struct choice {
    enum schema_types type;
    char *text;
    size_t len;
};

struct schema_list {
    struct schema **all;
    size_t count;
};

struct dependency {
    uint32_t member; /* number among members; so are those of needs */
    uint16_t *needs; /* each once */
    size_t count;
};

struct format {
    const char *name;
    bool (*test)(const char *text);
    const char *words; /* what is expected, with an example */
    bool numbers;      /* integers are tested too, by their spelling */
};

struct schema {
    struct unit *unit;
    const json_t *json; /* annotations are read from here */
    enum schema_kind kind;
    unsigned types;     /* 0: no type keyword */
    unsigned all_types; /* references and combinations included */
    bool all_types_known;
    uint32_t number; /* among the nodes of its unit */

    struct member *members;
    size_t member_count;
    uint16_t *member_index; /* hash table of member number + 1 */
    uint32_t member_mask;
    uint64_t member_seed[2]; /* of its hash */
    size_t required_count;
    struct pattern *patterns; /* patternProperties */
    size_t pattern_count;
    struct schema *additional;
    struct schema *names;
    struct dependency *dependencies;
    size_t dependency_count;
    uint64_t min_members, max_members;

    struct schema *items;
    uint64_t min_items, max_items;
    bool unique;

    uint64_t min_length, max_length;
    struct pattern pattern;
    const struct format *format;

    struct number minimum, maximum, above, below, multiple;
    bool has_minimum, has_maximum, has_above, has_below, has_multiple;
    bool has_number; /* any of them */

    struct choice *choices; /* enum: texts first, sorted; then the others */
    size_t choice_count, text_count;
    struct choice *shown; /* enum in the order of the file; texts belong to choices */
    bool has_choices, has_const;
    struct choice only; /* const */

    struct schema *ref;
    struct schema_list all_of, any_of, one_of;
    struct schema *not_this;
    bool only_ref;     /* nothing but $ref decides */
    bool has_more;     /* ref or one of the combinations */
    bool leads_to_ref; /* an x-orb-ref applies here or below */
    const char *ref_target;
};

struct unit {
    json_t *document;
    struct schema **nodes;
    size_t node_count;
    struct schema **by_json; /* hash table on the address of the node in the document */
    size_t by_json_slots;
    uint64_t budget;    /* left for compiling */
    struct schema *any; /* accepts everything; what schema_facts_at gives in open objects */
    bool strict_objects;
    bool has_secrets; /* x-orb-secret applies here or below */
};

/* The member entry of a name, NULL when properties and required do not have it. */
const struct member *schema_member(const struct schema *schema, const char *name, size_t len);
/* Types that the schema accepts, references and combinations included (schema_finish.c). */
unsigned schema_finish_types_of(const struct schema *schema);
/* The format of that name, NULL: not known. */
const struct format *schema_format(const char *name);
/* The name nearest to a wrong format. */
const char *schema_format_nearest(const char *name);

/* Reads a scanned number. */
struct number schema_number(const char *p, size_t len);
/* -1, 0 or 1: the order of two numbers, exactly. */
int schema_number_compare(const struct number *a, const struct number *b);
/* Is n a multiple of the other one? Exactly. */
bool schema_number_multiple(const struct number *n, const struct number *of);

/* 1 matches, 0 not, ORB_E_LIMIT when the text is too long. */
int schema_value_match(const struct pattern *pattern, const char *text, size_t len);
/* -1, 0 or 1: the order of the texts of an enum. */
int schema_facets_text_order(const char *a, size_t a_len, const char *b, size_t b_len);

/* Appends texts for errors (schema_words.c). */
void schema_words_types(unsigned types, struct buf *to);
/* The values of an enum. */
void schema_words_choices(const struct schema *schema, struct buf *to);
/* `; did you mean tcp?` when word is near one of the choices. */
void schema_words_near(const struct schema *schema, const char *word, size_t len, struct buf *to);
/* Describes the schema's pattern: x-orb-expected, else its examples, else the pattern. */
void schema_words_pattern(const struct schema *schema, struct buf *to);
/* What its format asks for, in its own words if it has some. */
void schema_words_format(const struct schema *schema, struct buf *to);
/* What a value of another type should have been: its own words behind the types, for an object or
 * array alone. */
void schema_words_value(const struct schema *schema, struct buf *to);
/* Whether a text whose words each fit should have been a list of them. */
void schema_words_list(const struct schema *schema, const char *text, struct buf *to);
/* As schema_words_near, for a text that is like one of its examples. */
void schema_words_near_example(const struct schema *schema, const char *word, struct buf *to);
/* The range of a number, or of a length or count. */
void schema_words_range(const struct schema *schema, struct buf *to);
/* Describes the schemas of a list, joined by "or". */
void schema_words_alternatives(const struct schema_list *list, struct buf *to);
/* The value that was found, shortened; of a secret one no more than that it is secret. */
void schema_words_got(const struct json_slice *value, bool secret, struct buf *to);
/* What to write instead of the word, by x-orb-instead; false: it has no entry for the word
 * (schema_instead.c). */
bool schema_instead_word(const struct schema *schema, const char *word, struct buf *to);
/* The same for a wrong value, also where it is the name of a member of the object expected. */
bool schema_instead_value(const struct schema *schema, const struct json_slice *value,
                          struct buf *to);
/* The whole sentence about a member that may not be there. */
void schema_words_unknown(const struct schema *schema, const char *name, struct buf *to);

#endif
