/* A configuration patch applied to a worker's tree: input is the tree, a newline, the patch.
 * Whatever the patch, undoing it gives the tree back, and a refused one changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_tree.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 400.0

static size_t made; /* bytes of output */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* cJSON reads duplicate keys, the scanner in front of every worker does not let them pass. */
static bool has_twins(const cJSON *node)
{
    for (const cJSON *a = node->child; a; a = a->next) {
        if (has_twins(a))
            return true;
        for (const cJSON *b = a->next; cJSON_IsObject(node) && b; b = b->next)
            if (!strcmp(a->string, b->string))
                return true;
    }
    return false;
}

static void check(const cJSON *before, const cJSON *after)
{
    if (!cJSON_Compare(before, after, true))
        abort();
}

static void try_patch(cJSON *tree, const cJSON *patch)
{
    cJSON *before = cJSON_Duplicate(tree, true);
    struct sdk_undo *undo = NULL;
    cJSON *inverse = NULL;
    size_t count = 0;
    struct orb_err err;
    char *text;

    if (sdk_tree_apply(tree, patch, &undo, &count, &err) == 0)
        sdk_tree_undo(tree, undo, count, &inverse);
    text = inverse ? cJSON_PrintUnformatted(inverse) : NULL;
    made += text ? strlen(text) : 0;
    free(text);
    check(before, tree);
    cJSON_Delete(inverse);
    cJSON_Delete(before);
}

static int one(const uint8_t *data, size_t size)
{
    const uint8_t *line = size > 0 && size < 65536 ? memchr(data, '\n', size) : NULL;
    cJSON *tree;
    cJSON *patch;

    if (!line)
        return 0;
    tree = sdk_parse((const char *)data, (size_t)(line - data));
    patch = sdk_parse((const char *)line + 1, size - (size_t)(line - data) - 1);
    if (cJSON_IsObject(tree) && patch && !has_twins(tree) && !has_twins(patch))
        try_patch(tree, patch);
    cJSON_Delete(tree);
    cJSON_Delete(patch);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double before = cpu_ms();

    made = 0;
    one(data, size);
    must_fit(made, 4096, 64, size);
    must_end(before, MOST_MS, size);
    return 0;
}
