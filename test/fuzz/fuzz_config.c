/* The algebra of changes: JSON [base, [[path, value or null], …]] must give a patch that leads from
 * base to what the overlay shows, and back. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 400.0

static size_t made; /* bytes of output */

static bool usable(const char *path)
{
    for (const char *p = path; *p; p++)
        if (*p == '~' && p[1] != '0' && p[1] != '1')
            return false;
    return *path == '/' && strlen(path) < 60;
}

/* Arrays are whole values to an overlay; a path into one is refused before it gets there. */
static bool into_array(const json_t *tree, const char *path)
{
    AUTO_FREE char *above = xstrdup(path);

    for (char *slash = strrchr(above, '/'); slash; slash = strrchr(above, '/')) {
        *slash = '\0';
        if (json_is_array(tree_get(tree, above)))
            return true;
    }
    return false;
}

static void change(json_t *base, const json_t *edits)
{
    AUTO(overlay) struct overlay o = {0};
    AUTO(json_t) json_t *tree = json_deep_copy(base);
    AUTO(json_t) json_t *patch = NULL;
    AUTO(json_t) json_t *seen = NULL;
    AUTO(buf) struct buf text = {0};
    struct orb_err err;

    for (size_t i = 0; i < json_array_size(edits) && i < 50; i++) {
        const json_t *edit = json_array_get(edits, i);
        const char *path = json_string_value(json_array_get(edit, 0));
        json_t *value = json_array_get(edit, 1);
        AUTO(json_t) json_t *now = overlay_get(&o, base, "");

        if (!path || !usable(path) || into_array(base, path) || into_array(now, path))
            continue;
        overlay_set(&o, base, path, json_is_null(value) ? NULL : json_deep_copy(value), &err);
    }
    seen = overlay_get(&o, base, "");
    patch = overlay_patch(&o, base);
    tree_dump(patch, &text);
    made += text.len;
    if (overlay_patch_apply(tree, patch, false, &err) < 0 || !json_equal(tree, seen))
        abort();
    if (overlay_patch_apply(tree, patch, true, &err) < 0 || !json_equal(tree, base))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int one(const uint8_t *data, size_t len)
{
    AUTO(json_t) json_t *in = NULL;
    struct orb_err err;

    if (tree_parse((const char *)data, len, NULL, &in, &err) == 0 &&
        json_is_object(json_array_get(in, 0)))
        change(json_array_get(in, 0), json_array_get(in, 1));
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
