/* While a schema is compiled: what the readers of its keywords share. */
#ifndef CORE_JSON_SCHEMA_COMPILE_H
#define CORE_JSON_SCHEMA_COMPILE_H

#include "core/json/schema_internal.h"

struct compile {
    struct unit *unit;
    struct buf path; /* of the keyword being read, in the document */
    unsigned depth;  /* schemas within schemas, references included */
    struct orb_err *err;
};

/* Reads the value of one keyword into s; field: offset of what it fills, where several keywords
 * have the same reader. */
typedef int keyword_fn(struct compile *c, struct schema *s, json_t *value, size_t field);

/* The schema at a place of the document, compiled once however often it is referred to. */
int schema_compile_node(struct compile *c, json_t *json, struct schema **ret_schema);
/* Reads the keyword of that name into s, which refers to value. ORB_E_SCHEMA: it is not
 * supported (with a suggestion), or value is not what it takes. */
int schema_keywords_read(struct compile *c, struct schema *s, const char *name, json_t *value);
/* Compiles text, which *pattern refers to and which must outlive it. ORB_E_SCHEMA: too long, or
 * no regular expression; ORB_E_LIMIT: beyond what the document may cost. */
int schema_facets_compile_pattern(struct compile *c, const char *text, struct pattern *pattern);

/* The member entry of a name, made where there is none yet. */
int schema_member_add(struct compile *c, struct schema *s, const char *name,
                      struct member **ret_member);
/* Takes so many units from what the document may cost; ORB_E_LIMIT when it is used up. */
int schema_compile_spend(struct compile *c, uint64_t units);

/* Fill the error with the present path; return its code. */
int schema_compile_wrong(struct compile *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "expected WHAT; got GOT", got as JSON, shortened to 60 bytes. */
int schema_compile_expected(struct compile *c, const char *what, const json_t *got);
/* Steps the path down; the result is for schema_compile_leave. */
size_t schema_compile_enter(struct compile *c, const char *token);
/* Back to the path as it was; before: what schema_compile_enter() returned. */
void schema_compile_leave(struct compile *c, size_t before);

/* Keywords about one value (schema_facets.c). */
keyword_fn schema_facets_read_types;
keyword_fn schema_facets_read_pattern;
keyword_fn schema_facets_read_count;
keyword_fn schema_facets_read_number;
keyword_fn schema_facets_read_format;
keyword_fn schema_facets_read_enum;
keyword_fn schema_facets_read_const;
keyword_fn schema_facets_read_unique;
keyword_fn schema_facets_read_flag;
keyword_fn schema_facets_read_words;
keyword_fn schema_facets_read_names;
keyword_fn schema_facets_read_instead;
keyword_fn schema_facets_read_apply;
keyword_fn schema_facets_read_target;
keyword_fn schema_facets_read_offer;

#endif
