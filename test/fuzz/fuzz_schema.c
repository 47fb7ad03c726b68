/* The schema compiler and checker. Input: a schema, a NUL byte, a value. A value that passes must
 * pass again as the canonical text of the same value; nothing may pass a schema and its `not`; and
 * none of it may take long, or become long. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/schema.h"
#include "core/json/tree.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 400.0
#define MOST_REFS 100000 /* a walk has the budget of a check, which grows by 2 with each byte */
#define SPELLED 24       /* bytes of a value's canonical or masked text for each of its own */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_ref(void *arg, const char *path, const char *target, const char *value)
{
    ++*(size_t *)arg;
    must(target[0] == '/' && (!path[0] || path[0] == '/') && value, "a reference without words");
    return 0;
}

/* Whatever front ends may ask about the schema of the first member. */
static void ask(const struct schema *schema, const json_t *value)
{
    AUTO(buf) struct buf path = {0};
    const struct schema *at;
    struct orb_err err = {0};
    const char *key = json_object_iter_key(json_object_iter((json_t *)value));

    if (key)
        buf_add_pointer(&path, key);
    at = schema_facts_at(schema, buf_str(&path), &err);
    must(at || err.text[0], "no schema and no word why");
}

/* The same schema turned around: exactly one of the two may let the value pass. */
static void turn(const char *schema_text, size_t len, const char *text, size_t text_len, int r)
{
    AUTO(buf) struct buf both = {0};
    AUTO(schema) struct schema *schema = NULL;
    int other;

    buf_adds(&both, "{\"not\":");
    buf_add(&both, schema_text, len);
    buf_addc(&both, '}');
    if (memmem(schema_text, len, "$ref", 4) ||
        schema_compile(both.data, both.len, false, &schema, NULL) < 0)
        return; /* references start at the top: they would mean something else */
    other = schema_check(schema, text, text_len, "", NULL);
    must((r == 0) != (other == 0) || (r != 0 && r != ORB_E_SCHEMA) ||
             (other != 0 && other != ORB_E_SCHEMA),
         "a schema and its opposite agree");
}

static void one(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double before = cpu_ms();

    one(data, size);
    must_end(before, MOST_MS, size);
    return 0;
}

/* What users are shown of it: no longer than masks make it, and the same when masked again. */
static void mask(const struct schema *schema, json_t *tree, size_t len)
{
    AUTO(json_t) json_t *shown = schema_secret_mask(schema, "", json_incref(tree), "********");
    AUTO(json_t) json_t *again = schema_secret_mask(schema, "", json_incref(shown), "********");
    AUTO(buf) struct buf text = {0};

    tree_dump(shown, &text);
    must_fit(text.len, SPELLED, SPELLED, len);
    must(json_equal(shown, again), "masked again it shows something else");
}

static void one(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    const char *text = nul ? (const char *)nul + 1 : "";
    size_t schema_len = nul ? (size_t)(nul - data) : size;
    size_t len = nul ? size - schema_len - 1 : 0;
    AUTO(schema) struct schema *schema = NULL;
    AUTO(json_t) json_t *tree = NULL;
    AUTO(buf) struct buf again = {0};
    struct orb_err err = {0};
    size_t refs = 0;
    int r;

    if (schema_compile((const char *)data, schema_len, false, &schema, &err) < 0) {
        must(err.text[0] != '\0', "refused without a word");
        return;
    }
    schema_check(schema, text, len, "", NULL); /* unscanned: any answer, but no read too far */
    if (tree_parse(text, len, NULL, &tree, NULL) < 0)
        return;
    r = schema_check(schema, text, len, "/base", &err);
    must(r == 0 || (err.text[0] && !strncmp(err.path, "/base", 5)), "no words, no path");
    tree_dump(tree, &again);
    must_fit(again.len, SPELLED, SPELLED, len);
    mask(schema, tree, len);
    if (r == 0 || r == ORB_E_SCHEMA)
        must(schema_check(schema, again.data, again.len, "", &err) == r ||
                 (err.code != ORB_E_SCHEMA && err.code != 0),
             "another spelling of the value, another answer");
    turn((const char *)data, schema_len, text, len, r);
    schema_refs_each(schema, text, len, "", on_ref, &refs);
    must_fit(refs, MOST_REFS, 2, len);
    ask(schema, tree);
}
