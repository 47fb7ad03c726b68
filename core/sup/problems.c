/* The list of a service's problems: parsed from its PROBLEMS frame, and written as JSON. */
#include "core/sup/problems.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/tree.h"

/* A text that is missing or too long is the service's mistake; it is cut, not refused. */
static void text_of(const json_t *object, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));

    snprintf(to, size, "%s", text ? text : "");
}

const struct problem *problems_find(const struct problems *problems, const char *key)
{
    for (unsigned i = 0; i < problems->count; i++)
        if (!strcmp(problems->items[i].key, key))
            return &problems->items[i];
    return NULL;
}

static uint64_t since_of(const struct problems *before, const char *key, uint64_t now)
{
    const struct problem *old = problems_find(before, key);

    return old ? old->since_ms : now;
}

int problems_read(const struct problems *before, const char *text, size_t len, uint64_t now_ms,
                  struct problems *ret_problems, struct orb_err *err)
{
    struct problems fresh = {0};
    json_t *tree = NULL, *item;
    const json_t *list;
    size_t i;
    int r = tree_parse(text, len, NULL, &tree, err);

    if (r < 0)
        return r;
    list = json_object_get(tree, "problems");
    if (!json_is_array(list) || json_array_size(list) > ORB_PROBLEMS_MAX) {
        json_decref(tree);
        return orb_fail(err, ORB_E_SCHEMA, "\"problems\" must be an array of at most %d",
                        ORB_PROBLEMS_MAX);
    }
    fresh.items = xcalloc(json_array_size(list) + 1, sizeof(*fresh.items));
    json_array_foreach ((json_t *)list, i, item) {
        struct problem *p = &fresh.items[fresh.count];
        const char *level = json_string_value(json_object_get(item, "level"));

        text_of(item, "key", p->key, sizeof(p->key));
        text_of(item, "what", p->what, sizeof(p->what));
        text_of(item, "path", p->path, sizeof(p->path));
        text_of(item, "todo", p->todo, sizeof(p->todo));
        p->failed = level && !strcmp(level, "failed");
        p->since_ms = since_of(before, p->key, now_ms);
        if (p->what[0])
            fresh.count++;
    }
    if (json_integer_value(json_object_get(tree, "more")) > 0)
        fresh.more = (unsigned)json_integer_value(json_object_get(tree, "more"));
    json_decref(tree);
    *ret_problems = fresh;
    return 0;
}

void problems_fini(struct problems *problems)
{
    free(problems->items);
    *problems = (struct problems){0};
}

void problems_write(const struct problems *problems, struct json_write *w, const char *key)
{
    json_write_array(w, key);
    for (unsigned i = 0; i < problems->count; i++) {
        const struct problem *p = &problems->items[i];

        json_write_object(w, NULL);
        json_write_string(w, "level", p->failed ? "failed" : "degraded");
        json_write_string(w, "what", p->what);
        json_write_string(w, "path", p->path);
        json_write_string(w, "todo", p->todo);
        json_write_integer(w, "since-us", (int64_t)now_wall_of(p->since_ms));
        json_write_end(w);
    }
    json_write_end(w);
}
