/* JSON Schema 2020-12 subset (docs/config.md lists it), compiled once, checked against text. One
 * compiled form serves configuration, IPC contracts and everything generated from them. */
#ifndef CORE_JSON_SCHEMA_H
#define CORE_JSON_SCHEMA_H

#include <stddef.h>

#include "core/base/buf.h"
#include "orbital/error.h"

struct schema; /* immutable after compile */

/* Compiles a schema given as JSON text. strict_objects: an object schema with properties and
 * without additionalProperties refuses unknown members (our own files); false: the standard's
 * default (test suite). An unsupported keyword is an error with its path. */
int schema_compile(const char *text, size_t len, bool strict_objects, struct schema **ret_schema,
                   struct orb_err *err);
void schema_free(struct schema *schema);
static inline void own_schema(struct schema **schema)
{
    schema_free(*schema);
}

/* Checks a value. base_path: JSON pointer put before the path in errors, e.g. "/firewall". The text
 * must have passed json_scan. Errors: ORB_E_SCHEMA, path set, text like
 * `expected one of tcp, udp, icmp; got "tpc"; did you mean tcp?` */
int schema_check(const struct schema *schema, const char *text, size_t len, const char *base_path,
                 struct orb_err *err);

/* The subschema that governs the value at a JSON pointer below this schema ("" is the schema
 * itself), following properties, patternProperties, additionalProperties, items and $ref. NULL with
 * err (ORB_E_SCHEMA: what is not known, what is, did you mean) when nothing may stand there. The
 * result belongs to schema. */
const struct schema *schema_at(const struct schema *schema, const char *pointer,
                               struct orb_err *err);
/* Checks that key may be a member name of the object schema governs (propertyNames, known
 * properties); as above. */

/* Facts for front ends. NULL / false when not given. */
const char *schema_title(const struct schema *schema);
const char *schema_description(const struct schema *schema);
const char *schema_type(const struct schema *schema); /* "object", "string", …; NULL any */
bool schema_flag(const struct schema *schema, const char *keyword); /* x-orb-secret, x-orb-risk */
/* x-orb-ref: JSON pointer of the map whose keys this value must be; NULL when none. */
const char *schema_ref_target(const struct schema *schema);
/* Calls cb for every value in text that stands under an x-orb-ref: its path below base_path, the
 * target pointer and the string value. Stops and returns what cb returns when that is not 0. */
typedef int schema_ref_fn(void *arg, const char *path, const char *target, const char *value);
int schema_each_ref(const struct schema *schema, const char *text, size_t len,
                    const char *base_path, schema_ref_fn *cb, void *arg);
/* Converts a word typed at a CLI into JSON text of the type the schema wants there (numbers and
 * booleans unquoted, "a b" arrays left to the caller). Always gives some JSON text. */
void schema_word(const struct schema *schema, const char *word, struct buf *ret_text);

#endif
