/* Helpers of the `put` reader: places, members by table, words, numbers, names. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "dataplane/policy_internal.h"

static void place_path(const struct place *at, struct buf *path)
{
    char number[24];

    if (!at)
        return;
    place_path(at->up, path);
    snprintf(number, sizeof(number), "%zu", at->index);
    buf_add_pointer(path, at->token ? at->token : number);
}

int policy_read_fail(const struct place *at, struct orb_err *err, const char *format, ...)
{
    AUTO(buf) struct buf path = {0}, text = {0};
    va_list args;

    place_path(at, &path);
    va_start(args, format);
    buf_addv(&text, format, args);
    va_end(args);
    return orb_fail_at(err, ORB_E_SCHEMA, buf_str(&path), "%s", buf_str(&text));
}

int policy_read_expected(const struct place *at, const char *want, const json_t *value,
                         struct orb_err *err)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return policy_read_fail(at, err, "expected %s; got \"%.60s\"", want,
                                json_string_value(value));
    case JSON_INTEGER:
        return policy_read_fail(at, err, "expected %s; got %" JSON_INTEGER_FORMAT, want,
                                json_integer_value(value));
    case JSON_REAL:
        return policy_read_fail(at, err, "expected %s; got %g", want, json_real_value(value));
    case JSON_OBJECT:
        return policy_read_fail(at, err, "expected %s; got an object", want);
    case JSON_ARRAY:
        return policy_read_fail(at, err, "expected %s; got an array", want);
    case JSON_TRUE:
    case JSON_FALSE:
        return policy_read_fail(at, err, "expected %s; got %s", want,
                                json_is_true(value) ? "true" : "false");
    case JSON_NULL:
        break;
    }
    return policy_read_fail(at, err, "expected %s; got null", want);
}

static int unknown_word(const struct place *at, const char *what, const char *word,
                        const char *const *words, size_t count, struct orb_err *err)
{
    AUTO(buf) struct buf list = {0};
    const char *near = suggest_nearest(word, words, count);

    for (size_t i = 0; i < count; i++)
        buf_addf(&list, "%s%s", i ? ", " : "", words[i]);
    return policy_read_fail(at, err, "%s \"%.40s\"; expected one of %s%s%s%s", what, word,
                            buf_str(&list), SUGGEST_ARGS(near));
}

int policy_read_members(void *to, const json_t *object, const struct member *members, size_t count,
                        const struct place *at, struct orb_err *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return policy_read_expected(at, "an object", object, err);
    json_object_foreach ((json_t *)object, key, value) {
        struct place here = {at, key, 0};
        size_t i = 0;
        int r;

        while (i < count && strcmp(members[i].name, key))
            i++;
        if (i == count) {
            const char *names[32];

            for (i = 0; i < count && i < ARRAY_LEN(names); i++)
                names[i] = members[i].name;
            return unknown_word(&here, "unknown member", key, names, i, err);
        }
        r = members[i].read(to, value, &here, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int policy_read_word(const json_t *value, const char *const *words, size_t count, int *ret_index,
                     const struct place *at, struct orb_err *err)
{
    if (!json_is_string(value))
        return policy_read_expected(at, "a word in quotes", value, err);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(json_string_value(value), words[i])) {
            *ret_index = (int)i;
            return 0;
        }
    return unknown_word(at, "got", json_string_value(value), words, count, err);
}

int policy_read_integer(const json_t *value, int64_t min, int64_t max, int64_t *ret_number,
                        const struct place *at, struct orb_err *err)
{
    char want[80];

    if (json_is_integer(value) && json_integer_value(value) >= min &&
        json_integer_value(value) <= max) {
        *ret_number = json_integer_value(value);
        return 0;
    }
    snprintf(want, sizeof(want), "an integer from %" PRId64 " to %" PRId64, min, max);
    return policy_read_expected(at, want, value, err);
}

bool policy_read_name_valid(const char *name, size_t size)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "-_.:@");

    return len && len < size && !name[len] && strcmp(name, ".") && strcmp(name, "..");
}

int policy_read_name(const json_t *value, char *to, size_t size, const struct place *at,
                     struct orb_err *err)
{
    char want[96];

    snprintf(want, sizeof(want), "a name of 1 to %zu letters, digits and - _ . : @", size - 1);
    if (!json_is_string(value) || !policy_read_name_valid(json_string_value(value), size))
        return policy_read_expected(at, want, value, err);
    snprintf(to, size, "%s", json_string_value(value));
    return 0;
}

int policy_read_action(const json_t *value, enum policy_action *ret_action, const struct place *at,
                       struct orb_err *err)
{
    static const char *const words[] = {"accept", "drop", "reject"};
    int index = 0, r = policy_read_word(value, words, ARRAY_LEN(words), &index, at, err);

    if (r == 0)
        *ret_action = (enum policy_action)index;
    return r;
}
