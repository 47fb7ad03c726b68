/* JSON Schema 2020-12 subset (docs/config.md lists it), compiled once, checked against text. One
 * compiled form serves configuration, IPC contracts and everything generated from them. */
#ifndef CORE_JSON_SCHEMA_H
#define CORE_JSON_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "orbital/error.h"

struct schema; /* immutable after compile */

/* Compiles a schema given as JSON text. strict_objects: an object schema with properties and
 * without additionalProperties refuses unknown members (Orbital's own schemas); false: the
 * standard's default (test suite). An unsupported keyword is an error with its path. */
int schema_compile(const char *text, size_t len, bool strict_objects, struct schema **ret_schema,
                   struct orb_err *err);
/* As schema_compile, for the schema at a JSON pointer of a document ("/config"); its local
 * references
 * ("#/$defs/…") are resolved in the whole document. */
int schema_compile_in(const char *doc, size_t len, const char *pointer, bool strict_objects,
                      struct schema **ret_schema, struct orb_err *err);
/* Several schemas of one document, whose parts they share: each is compiled once, and the budget is
 * that of the document. A schema at "" or any other pointer is found by schema_compile_unit; before
 * the first check schema_finish_unit is called. The unit frees its schemas. */
struct unit;
/* Parses the document; the unit owns what is compiled of it. Errors as of schema_compile(). */
int schema_compile_unit_new(const char *doc, size_t len, bool strict_objects,
                            struct unit **ret_unit, struct orb_err *err);
/* The schema at a JSON pointer of the document, compiled now or before; the unit's. */
int schema_compile_unit(struct unit *unit, const char *pointer, struct schema **ret_schema,
                        struct orb_err *err);
/* Ends compiling: what references need is worked out. Before the first check. */
void schema_finish_unit(struct unit *unit);
void schema_compile_unit_free(struct unit *unit);

/* For schema_compile and schema_compile_in: with all that was compiled for it. */
void schema_compile_free(struct schema *schema);
static inline void own_schema(struct schema **schema)
{
    schema_compile_free(*schema);
}

/* Compiling costs at most a budget (100000 schemas, names and steps of patterns a document), and so
 * does a check (some units for each byte of the value): ORB_E_LIMIT. Patterns run in
 * time proportional to text × pattern (regex.h).
 *
 * Checks a value. base_path: JSON pointer put before the path in errors, e.g. "/firewall". The text
 * must have passed scan_json. Errors: ORB_E_SCHEMA, path set, text like
 * `expected one of tcp, udp, icmp; got "tpc"; did you mean tcp?` */
int schema_check(const struct schema *schema, const char *text, size_t len, const char *base_path,
                 struct orb_err *err);

/* What several checks and look-ups of one piece of work share. */
struct schema_shared {
    uint64_t units; /* they may yet cost together, beyond some for their size */
    /* Called after each 50 us or so of a long one, which continues when it returns; NULL: none is.
     */
    void (*pause)(void *arg);
    void *arg;
};

/* As schema_check; what it costs beyond its size is taken from what is shared, and no more than
 * that: ORB_E_LIMIT. */
int schema_check_within(const struct schema *schema, const char *text, size_t len,
                        const char *base_path, struct schema_shared *shared, struct orb_err *err);

/* The same within so many units (of some 50 ns) of the budget: SCHEMA_MORE when they do not do. */
#define SCHEMA_MORE 1
int schema_check_some(const struct schema *schema, const char *text, size_t len, uint64_t units,
                      struct orb_err *err);

/* The subschema for the value at a JSON pointer below this schema ("" is the schema itself),
 * following properties, patternProperties, additionalProperties, items, $ref and the alternatives
 * of allOf/anyOf/oneOf; each name on the way must also satisfy propertyNames. NULL with err
 * (ORB_E_SCHEMA: the unknown name, the known ones, did you mean) when no value is allowed there, or
 * ORB_E_LIMIT when the budget is exceeded. The result belongs to schema. */
const struct schema *schema_facts_at(const struct schema *schema, const char *pointer,
                                     struct orb_err *err);

/* The same; what it costs beyond some units for each name on the way is taken from what is shared:
 * ORB_E_LIMIT when that does not do. */
const struct schema *schema_facts_within(const struct schema *schema, const char *pointer,
                                         struct schema_shared *shared, struct orb_err *err);

/* Annotations for front ends. NULL or false when absent; $ref is followed for those that are absent
 * here. */
const char *schema_facts_title(const struct schema *schema);
const char *
schema_facts_type(const struct schema *schema); /* "object", "string", …; NULL several */
bool schema_facts_flag(const struct schema *schema,
                       const char *keyword); /* x-orb-secret, x-orb-risk */
/* A keyword whose value is a text: x-orb-apply, x-orb-since, format, pattern, … */
const char *schema_facts_text(const struct schema *schema, const char *keyword);
/* What a format expects, "a port between 1 and 65535"; "" for one that is not known. */
const char *schema_format_words(const char *name);
/* Whether the value at pointer below schema is secret: x-orb-secret applies to it, on any level
 * around it, also through $ref, allOf, anyOf and oneOf. */
bool schema_secret_hides(const struct schema *schema, const char *pointer);
/* Length of the prefix of the pointer that may be shown: up to the first value on its way that is
 * secret or has no schema, because names below it would disclose it. */
size_t schema_secret_shows(const struct schema *schema, const char *pointer);
/* schema_secret_hides with shared units, as schema_facts_within: when they do not do, it is secret.
 */
bool schema_secret_hides_within(const struct schema *schema, const char *pointer,
                                struct schema_shared *shared);
/* schema_secret_shows in the same way: when they do not do, no further than they reached. */
size_t schema_secret_shows_within(const struct schema *schema, const char *pointer,
                                  struct schema_shared *shared);
/* x-orb-ref: JSON pointer of the map whose keys this value must be; NULL when none. */
const char *schema_facts_ref_target(const struct schema *schema);
/* Is there an x-orb-ref in the schema at all? */
bool schema_refs_any(const struct schema *schema);
/* Calls cb for every value in text to which an x-orb-ref applies: its path below base_path, the
 * target pointer and the value as a word; for an x-orb-ref inside propertyNames the name of the
 * member is the value. Of anyOf and oneOf the first alternative that matches counts. Stops at the
 * first non-zero result of cb and returns it. ORB_E_LIMIT: the budget is exceeded. */
typedef int schema_ref_fn(void *arg, const char *path, const char *target, const char *value);
/* Walks text (len bytes, which must have passed the check by schema) with a budget of its own;
 * base_path is put before the paths. Returns what cb returned, 0, or ORB_E_LIMIT. */
int schema_refs_each(const struct schema *schema, const char *text, size_t len,
                     const char *base_path, schema_ref_fn *cb, void *arg);
/* The same with shared units, as schema_check_within. */
int schema_refs_each_within(const struct schema *schema, const char *text, size_t len,
                            const char *base_path, struct schema_shared *shared, schema_ref_fn *cb,
                            void *arg);

#endif
