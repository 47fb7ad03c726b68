/* The schemas of the configuration: one part of the tree per package, at /INTERFACE. Beside the
 * compiled schema each part keeps its document, because checking one entry of a large map needs
 * single keywords of the objects above it ("required", "maxProperties") without their values. */
#ifndef CONFIG_PARTS_H
#define CONFIG_PARTS_H

#include <stdbool.h>

#include "core/base/log.h"
#include "core/json/scan.h"
#include "core/json/schema.h"
#include "core/json/tree.h"

#define PARTS_MAX 128

struct part {
    char *name; /* of the interface: the first name of its paths */
    char *package;
    struct schema *schema;
    json_t *doc;      /* schema.json */
    bool has_secrets; /* on some level */
};

/* Of the request that is being answered. */
struct parts_request {
    /* What its look-ups may yet cost together. NULL: each has a budget of its own. */
    struct schema_shared *shared;
    bool in_slices; /* parts_pause() may stop it */
};

struct parts {
    struct part list[PARTS_MAX];
    size_t count;
    json_t *third_party; /* {package: true}: those that were not shipped */
    struct parts_request now;
    void (*pause)(void *arg); /* parts_pause(); NULL: nothing stops */
    void *pause_arg;
};

/* text: {"schemas": [{"package", "text"}], "third-party": [package]}. A schema that cannot be
 * compiled is logged and left out.
 */
int parts_load(struct parts *parts, const char *text, size_t len, struct log_sink *log,
               struct orb_err *err);
void parts_fini(struct parts *parts);
/* Was the package named as third-party by the host? */
bool parts_third_party(const struct parts *parts, const char *package);
/* For work on many values, between two of them: others have their turn (requests_pause()). parts
 * may be NULL. */
void parts_pause(const struct parts *parts);
/* Gives a large value back, in slices. */
void parts_drop(const struct parts *parts, json_t *value);
/* Limits for tree_parse() of a configuration, in slices. */
struct json_limits parts_limits(const struct parts *parts);
/* tree_integers() of a large value, in slices; value is taken. */
json_t *parts_integers(const struct parts *parts, json_t *value);
/* A deep copy of a large value, in slices; parts NULL: at once. NULL: of NULL. The caller's. */
json_t *parts_copy(const struct parts *parts, const json_t *value);
/* An object with the same members, in slices. The caller's. */
json_t *parts_copy_members(const struct parts *parts, const json_t *object);
/* json_equal() of large values, in slices; those of what is NULL or another type differ. */
bool parts_equal(const struct parts *parts, const json_t *a, const json_t *b);
/* tree_dump() of a large value, in slices; parts NULL: at once. */
void parts_dump(const struct parts *parts, const json_t *value, struct buf *ret_text);
/* Frees a long text, in slices. */
void parts_free_text(const struct parts *parts, struct buf *text);
/* The part that contains a path, or NULL. ret_rest (may be NULL): the pointer inside the part. */
const struct part *parts_of(const struct parts *parts, const char *path, const char **ret_rest);
/* The schema of the value at path; NULL with err: the first unknown name, and the known ones. path
 * is not "". */
const struct schema *parts_schema(const struct parts *parts, const char *path, struct orb_err *err);

/* Checks a value against schema, with what look-ups may cost together. */
int parts_check(const struct parts *parts, const struct schema *schema, const char *text,
                size_t len, const char *path, struct orb_err *err);
/* schema_refs_each() in the same way. */
int parts_refs(const struct parts *parts, const struct schema *schema, const char *text, size_t len,
               const char *path, schema_ref_fn *cb, void *arg);
#define PARTS_UNITS 200000 /* for a request: some 10 ms */

/* ---- shapes: single keywords of schema documents ---- */

/* The schema object of a part, `$ref` followed. NULL: none (true). */
const json_t *parts_shape_root(const struct part *part);
/* The schema object for member key of the object of node. ret_clear false: more than one keyword
 * may apply, the caller must check values instead of relying on this. */
const json_t *parts_shape_member(const struct part *part, const json_t *node, const char *key,
                                 bool *ret_clear);
/* Do keywords of node constrain the object as a whole (oneOf, not, …)? */
bool parts_shape_combines(const json_t *node);
/* The schema object that "#/$defs/NAME" names; NULL: none. */
const json_t *parts_shape_ref(const struct part *part, const char *ref);
/* That of the names of the map at path; NULL: none. */
const json_t *parts_shape_keys(const struct parts *parts, const char *path);
/* The schema object at path with members merged from $ref, for display; NULL when unknown. */
const json_t *parts_shape_at(const struct parts *parts, const char *path);

/* Replaces what is secret below path by "********" in a copy of what needs it: values under
 * x-orb-secret, values no schema describes, and parts of packages that are not there. Takes and
 * returns value. */
json_t *parts_mask(const struct parts *parts, const char *path, json_t *value);
/* Is the value at path, or something inside it, marked as secret? */
bool parts_has_secret(const struct parts *parts, const char *path, json_t *value);
/* Is the value at path secret? */
bool parts_hide(const struct parts *parts, const char *path);
#define SECRET_MASK "********"
/* Length of the prefix of path that may be shown: up to the first value on its way that parts_mask
 * replaces, because names below a secret would disclose it. */
size_t parts_shows(const struct parts *parts, const char *path);

#endif
