/* scan_json against two other readers: what it accepts, jansson and cJSON must accept too, and what
 * jansson writes from it must pass again. */
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/json.h"
#include "core/json/tree.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 200.0

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void holds(bool what, const char *words)
{
    if (what)
        return;
    fprintf(stderr, "fuzz_json: %s\n", words);
    abort();
}

static void check_cjson(const char *text, size_t size)
{
    const char *end = NULL;
    cJSON *tree = cJSON_ParseWithLengthOpts(text, size, &end, 0);

    holds(tree, "cJSON refuses what scan_json accepts");
    holds(json_space(end, text + size) == text + size, "cJSON stops before the end");
    cJSON_Delete(tree);
}

static void check_jansson(const char *text, size_t size)
{
    AUTO(json_t) json_t *tree = NULL;
    AUTO(json_t) json_t *again = NULL;
    AUTO(buf) struct buf dump = {0};
    AUTO_FREE char *theirs = NULL;
    struct orb_err err;

    holds(tree_parse(text, size, NULL, &tree, &err) == 0, "jansson refuses what scan_json accepts");
    theirs = json_dumps(tree, JSON_ENCODE_ANY);
    holds(theirs && scan_json(theirs, strlen(theirs), NULL, NULL) == 0,
          "jansson's dump does not scan");
    tree_dump(tree, &dump);
    must_fit(dump.len, 64, 8, size);
    holds(tree_parse(dump.data, dump.len, NULL, &again, &err) == 0, "the dump does not scan");
    holds(json_equal(tree, again), "the dump means something else");
}

/* The reader must see as many members as jansson does, and find each by its name. */
static void check_reader(const char *text, size_t size)
{
    AUTO(json_t) json_t *tree = NULL;
    struct json_slice slice;
    struct json_iter it;
    struct json_item item;
    const char *key;
    json_t *member;
    size_t n = 0;

    holds(tree_parse(text, size, NULL, &tree, NULL) == 0, "no tree");
    if (json_iter_init(&it, '{', text, size)) {
        while (json_iter_next(&it, &item))
            n++;
        holds(n == json_object_size(tree), "the reader counts other members");
    } else if (json_iter_init(&it, '[', text, size)) {
        while (json_iter_next(&it, &item))
            n++;
        holds(n == json_array_size(tree), "the reader counts other elements");
    }
    if (n > 64)
        return;
    json_object_foreach (tree, key, member) {
        AUTO_FREE char *to = malloc(size + 1);
        int64_t number;

        holds(json_member(text, size, key, &slice) == 1, "json_member misses a member");
        if (json_is_string(member))
            holds(json_text(&slice, to, size + 1) == 0 && !strcmp(to, json_string_value(member)),
                  "json_text reads something else");
        if (json_is_integer(member))
            holds(json_int64(&slice, &number) == 0 && number == json_integer_value(member),
                  "json_int64 reads something else");
    }
}

static int one(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct json_slice slice;
    struct orb_err err;
    char to[16];

    /* Unscanned text may give wrong answers, but must not be read beyond its end. */
    if (json_member(text, size, "a", &slice))
        json_text(&slice, to, sizeof(to));
    if (scan_json(text, size, NULL, &err) < 0) {
        holds(err.text[0] != '\0', "refused without a word");
        return 0;
    }
    check_cjson(text, size);
    check_jansson(text, size);
    check_reader(text, size);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double before = cpu_ms();

    one(data, size);
    must_end(before, MOST_MS, size);
    return 0;
}
