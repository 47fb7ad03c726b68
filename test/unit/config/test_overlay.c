/* plugins/config/overlay.c: changes over a tree. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_names.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/overlay_undo.h"
#include "test/lib/harness.h"

static json_t *parse(const char *text)
{
    json_t *tree = NULL;
    struct orb_err err;

    ck_assert_msg(tree_parse(text, strlen(text), NULL, &tree, &err) == 0, "%s", text);
    return tree;
}

static void set(struct overlay *o, const json_t *base, const char *path, const char *value)
{
    struct orb_err err;

    ck_assert_int_eq(overlay_set(o, base, path, value ? parse(value) : NULL, &err), 0);
}

static void expect(const json_t *value, const char *text)
{
    AUTO(buf) struct buf b = {0};

    if (value)
        tree_dump(value, &b);
    ck_assert_str_eq(buf_str(&b), text);
}

static void expect_at(const struct overlay *o, const json_t *base, const char *path,
                      const char *text)
{
    AUTO(json_t) json_t *value = overlay_get(o, base, path);

    expect(value, text);
    ck_assert_int_eq(overlay_has(o, base, path), value != NULL);
    ck_assert_uint_eq(overlay_names_count(o, base, path), json_object_size(value));
}

TEST(the_value_at_a_path_is_base_with_the_changes_near_it)
{
    AUTO(json_t) json_t *base = parse("{\"a\":{\"x\":1,\"y\":{\"z\":2}},\"b\":3}");
    AUTO(overlay) struct overlay o = {0};

    set(&o, base, "/a/y/w", "4");
    set(&o, base, "/a/x", NULL);
    set(&o, base, "/c/d/e", "true");
    expect_at(&o, base, "/a", "{\"y\":{\"w\":4,\"z\":2}}");
    expect_at(&o, base, "/a/y/z", "2");
    expect_at(&o, base, "/a/x", "");
    expect_at(&o, base, "/c", "{\"d\":{\"e\":true}}");
    expect_at(&o, base, "", "{\"a\":{\"y\":{\"w\":4,\"z\":2}},\"b\":3,\"c\":{\"d\":{\"e\":true}}}");
    expect(base, "{\"a\":{\"x\":1,\"y\":{\"z\":2}},\"b\":3}");
}

TEST(a_change_above_swallows_those_below_and_one_below_edits_the_one_above)
{
    AUTO(json_t) json_t *base = parse("{\"a\":{\"x\":1}}");
    AUTO(overlay) struct overlay o = {0};

    set(&o, base, "/a/x", "2");
    set(&o, base, "/a/y", "3");
    set(&o, base, "/a-b", "9");
    set(&o, base, "/a", "{\"k\":{\"l\":1}}");
    ck_assert_uint_eq(o.count, 2);
    set(&o, base, "/a/k/m", "2");
    set(&o, base, "/a/k/l", NULL);
    ck_assert_uint_eq(o.count, 2);
    expect_at(&o, base, "/a", "{\"k\":{\"m\":2}}");
    set(&o, base, "/a", NULL);
    expect_at(&o, base, "/a/k", "");
    set(&o, base, "/a/q", "5");
    expect_at(&o, base, "/a", "{\"q\":5}");
}

TEST(a_change_back_to_what_was_is_no_change)
{
    AUTO(json_t) json_t *base = parse("{\"a\":{\"x\":1}}");
    AUTO(overlay) struct overlay o = {0};

    set(&o, base, "/a/x", "2");
    set(&o, base, "/a/x", "1");
    set(&o, base, "/n", "1");
    set(&o, base, "/n", NULL);
    ck_assert_uint_eq(o.count, 0);
}

TEST(a_patch_is_minimal_starts_at_existing_parents_and_is_undone_byte_for_byte)
{
    AUTO(json_t) json_t *base = parse("{\"a\":{\"x\":1,\"y\":2},\"l\":[1,2]}");
    AUTO(json_t) json_t *tree = json_deep_copy(base);
    AUTO(overlay) struct overlay o = {0};
    AUTO(json_t) json_t *patch = NULL;
    struct orb_err err;

    set(&o, base, "/a", "{\"x\":1,\"y\":3}");
    set(&o, base, "/m/n/o", "1");
    set(&o, base, "/m/n/p", "2");
    set(&o, base, "/m/q", NULL);
    set(&o, base, "/l", "[1,3]");
    patch = overlay_patch(&o, base);
    expect(patch, "[{\"old\":2,\"op\":\"set\",\"path\":\"/a/y\",\"value\":3},"
                  "{\"old\":[1,2],\"op\":\"set\",\"path\":\"/l\",\"value\":[1,3]},"
                  "{\"op\":\"set\",\"path\":\"/m\",\"value\":{\"n\":{\"o\":1,\"p\":2}}}]");
    ck_assert_int_eq(overlay_patch_apply(tree, patch, false, &err), 0);
    expect(tree, "{\"a\":{\"x\":1,\"y\":3},\"l\":[1,3],\"m\":{\"n\":{\"o\":1,\"p\":2}}}");
    ck_assert_int_eq(overlay_patch_apply(tree, patch, true, &err), 0);
    ck_assert(json_equal(tree, base));
}

/* Names at path are those of the whole value there. */
static void check_names(const struct overlay *o, const json_t *base, const json_t *plain,
                        const char *path)
{
    const json_t *object = tree_get(plain, path);
    AUTO(json_t) json_t *names = overlay_names(o, base, path, "", 1000);
    AUTO(json_t) json_t *few = overlay_names(o, base, path, "", 1);
    AUTO(json_t) json_t *chosen = overlay_names(o, base, path, "b", 1000);
    size_t i, begun = 0;
    json_t *name;

    ck_assert_uint_eq(json_array_size(names), json_object_size(object));
    ck_assert_uint_eq(json_array_size(few), json_object_size(object) > 0);
    json_array_foreach (names, i, name) {
        ck_assert_ptr_nonnull(json_object_get(object, json_string_value(name)));
        begun += *json_string_value(name) == 'b';
    }
    ck_assert_uint_eq(json_array_size(chosen), begun);
    json_array_foreach (chosen, i, name)
        ck_assert_int_eq(*json_string_value(name), 'b');
}

/* Against the plain way: a copy of the tree edited by tree_set and tree_delete. */
TEST(random_edits_give_the_same_tree_as_editing_a_copy)
{
    static const char *const paths[] = {"/a",     "/a/b", "/a/b/c", "/a/b/d", "/a/e",   "/a-b",
                                        "/a-b/c", "/f",   "/f/g",   "/f/g/h", "/a/b~1", "/a/b~1/x"};
    static const char *const values[] = {"1", "\"s\"", "{}", "{\"c\":1,\"d\":{\"k\":2}}", "[1]"};
    unsigned seed = (unsigned)harness_seed();

    for (int round = 0; round < 2000; round++) {
        AUTO(json_t) json_t *base = parse("{\"a\":{\"b\":{\"c\":1},\"e\":{}},\"f\":{\"g\":{}}}");
        AUTO(json_t) json_t *plain = json_deep_copy(base);
        AUTO(json_t) json_t *back = NULL;
        AUTO(overlay) struct overlay o = {0};
        AUTO(json_t) json_t *patch = NULL;
        AUTO(json_t) json_t *seen = NULL;
        struct orb_err err;

        for (int i = 0; i < 6; i++) {
            const char *path = paths[(size_t)rand_r(&seed) % ARRAY_LEN(paths)];
            const char *value = values[(size_t)rand_r(&seed) % ARRAY_LEN(values)];
            AUTO_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
            json_t *now = tree_get(plain, parent);

            if (now && !json_is_object(now)) {
                /* A schema may allow a value or an object: then the object takes the place. */
                if (json_is_array(now))
                    continue; /* refused by validation */
                ck_assert_int_eq(tree_set(plain, parent, json_object(), &err), 0);
                ck_assert_int_eq(tree_set(plain, path, parse(value), &err), 0);
                set(&o, base, path, value);
                continue;
            }
            if (rand_r(&seed) % 3 == 0) {
                tree_delete(plain, path, false);
                set(&o, base, path, NULL);
            } else if (now) {
                ck_assert_int_eq(tree_set(plain, path, parse(value), &err), 0);
                set(&o, base, path, value);
            }
        }
        seen = overlay_get(&o, base, "");
        ck_assert_msg(json_equal(seen, plain), "round %d", round);
        check_names(&o, base, plain, "");
        for (size_t i = 0; i < ARRAY_LEN(paths); i++)
            check_names(&o, base, plain, paths[i]);
        patch = overlay_patch(&o, base);
        back = json_deep_copy(base);
        ck_assert_int_eq(overlay_patch_apply(back, patch, false, &err), 0);
        ck_assert_msg(json_equal(back, plain), "round %d: patch", round);
        ck_assert_int_eq(overlay_patch_apply(back, patch, true, &err), 0);
        ck_assert_msg(json_equal(back, base), "round %d: inverse", round);
    }
}

static void random_path(char to[32])
{
    size_t n = 1 + (size_t)rand() % 4;

    *to = '\0';
    for (size_t i = 0; i < n; i++)
        sprintf(to + strlen(to), "/%c", "ab0"[rand() % 3]);
}

static json_t *random_value(void)
{
    static const char *const texts[] = {"1",
                                        "2",
                                        "{}",
                                        "{\"a\":1}",
                                        "{\"a\":{\"b\":{\"0\":3}}}",
                                        "[1,[2]]",
                                        "{\"0\":[{\"a\":1},4]}",
                                        "\"x\""};
    const char *text = texts[(size_t)rand() % ARRAY_LEN(texts)];
    json_t *value = NULL;

    ck_assert_int_eq(tree_parse(text, strlen(text), NULL, &value, NULL), 0);
    return value;
}

static void set_random(struct overlay *o, struct overlay_undo *undo, const json_t *base)
{
    char path[32];

    random_path(path);
    if (undo)
        overlay_undo_note(undo, o, path);
    overlay_set(o, base, path, rand() % 4 ? random_value() : NULL, NULL);
}

/* "PATH BASE CLASH VALUE\n" of all changes. */
static void dump_changes(const struct overlay *o, struct buf *to)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct change *c = &o->list[i];

        buf_addf(to, "%s %u %u ", c->path, (unsigned)c->base, (unsigned)c->clash);
        if (c->value)
            tree_dump(c->value, to);
        buf_addc(to, '\n');
    }
}

TEST(what_was_set_is_taken_back_exactly)
{
    AUTO(json_t) json_t *base = NULL;

    srand((unsigned)harness_seed());
    base = random_value();
    for (unsigned round = 0; round < 20000; round++) {
        AUTO(overlay) struct overlay o = {.stamp = 1};
        AUTO(buf) struct buf before = {0}, after = {0};
        struct overlay_undo undo = {0};

        for (int i = rand() % 8; i > 0; i--)
            set_random(&o, NULL, base);
        if (o.count)
            o.list[0].clash = 5;
        dump_changes(&o, &before);
        o.stamp = 2;
        for (int i = rand() % 8; i > 0; i--)
            set_random(&o, &undo, base);
        overlay_undo_back(&undo, &o);
        overlay_undo_fini(&undo);
        dump_changes(&o, &after);
        ck_assert_str_eq(buf_str(&before), buf_str(&after));
    }
}
