/* Secrets that are given as their mask, in lists: see masks.h. */
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/masks.h"

bool masks_is_mask(const json_t *value)
{
    return json_is_string(value) && !strcmp(json_string_value(value), SECRET_MASK);
}

static bool has_mask(const struct parts *parts, const json_t *value)
{
    const char *key;
    json_t *one;
    size_t i;

    parts_pause(parts);
    json_object_foreach ((json_t *)value, key, one)
        if (has_mask(parts, one))
            return true;
    json_array_foreach (value, i, one)
        if (has_mask(parts, one))
            return true;
    return masks_is_mask(value);
}

/* A list with masks in it. */
struct masked {
    const struct parts *parts;
    json_t *stored; /* NULL: there is none yet */
    json_t *shown;  /* stored, masked */
    json_t *places; /* {text of a shown element: its place, null where several differ in secrets} */
    json_t *given;  /* the given value without its masks, masked again: where secrets are */
};

static void own_masked(struct masked *m)
{
    parts_drop(m->parts, m->stored);
    parts_drop(m->parts, m->shown);
    parts_drop(m->parts, m->places);
    parts_drop(m->parts, m->given);
}

/* Found by its text, as comparing each with each takes a minute for long lists. */
static void note_places(struct masked *m)
{
    json_t *one, *was;
    size_t i;

    m->places = json_object();
    json_array_foreach (m->shown, i, one) {
        AUTO(buf) struct buf text = {0};

        parts_pause(m->parts);
        parts_dump(m->parts, one, &text);
        was = json_object_get(m->places, buf_str(&text));
        if (!was)
            json_object_set_new(m->places, buf_str(&text), json_integer((json_int_t)i));
        else if (json_is_integer(was) &&
                 !parts_equal(m->parts, json_array_get(m->stored, (size_t)json_integer_value(was)),
                              json_array_get(m->stored, i)))
            json_object_set_new(m->places, buf_str(&text), json_null());
    }
}

/* The stored element that shows as given, the one at its own place before others. NULL: none, or
 * several that differ in their secrets. */
static json_t *stored_as(struct masked *m, const json_t *given, size_t at)
{
    AUTO(buf) struct buf text = {0};
    json_t *place;

    if (at < json_array_size(m->shown) &&
        parts_equal(m->parts, json_array_get(m->shown, at), given))
        return json_array_get(m->stored, at);
    if (!m->places)
        note_places(m);
    parts_dump(m->parts, given, &text);
    place = json_object_get(m->places, buf_str(&text));
    return json_is_integer(place) ? json_array_get(m->stored, (size_t)json_integer_value(place))
                                  : NULL;
}

static json_t *without_masks(const struct parts *parts, const json_t *value)
{
    json_t *copy, *one;
    const char *key;
    size_t i;

    parts_pause(parts);
    if (masks_is_mask(value))
        return json_string("");
    copy = json_copy((json_t *)value);
    json_object_foreach ((json_t *)value, key, one)
        json_object_set_new(copy, key, without_masks(parts, one));
    json_array_foreach (value, i, one)
        json_array_set_new(copy, i, without_masks(parts, one));
    return copy;
}

/* Whether a mask in this element replaces a secret. */
static bool masks_secret(const struct parts *parts, const char *path, const json_t *list, size_t at,
                         struct masked *m)
{
    if (!m->given)
        m->given = parts_mask(parts, path, without_masks(parts, list));
    return !json_is_array(m->given) || has_mask(parts, json_array_get(m->given, at));
}

int masks_keep_secrets(const struct parts *parts, const struct overlay *overlay, const json_t *base,
                       const char *path, json_t **list, struct orb_err *err)
{
    AUTO(masked) struct masked m = {.parts = parts};
    AUTO(json_t) json_t *copy = NULL;
    json_t *one;
    size_t i;

    if (!has_mask(parts, *list))
        return 0;
    m.stored = overlay_get(overlay, base, path);
    m.shown = m.stored ? parts_mask(parts, path, json_incref(m.stored)) : NULL;
    copy = json_copy(*list);
    json_array_foreach (*list, i, one) {
        bool masked = has_mask(parts, one);
        json_t *kept = masked ? stored_as(&m, one, i) : NULL;

        parts_pause(parts);
        if (kept)
            json_array_set(copy, i, kept);
        else if (masked && masks_secret(parts, path, *list, i, &m))
            return orb_fail_at(err, ORB_E_SCHEMA, path,
                               "\"" SECRET_MASK "\" in element %zu replaces a secret that is "
                               "already configured, and no element there looks like this one; "
                               "give the secret itself",
                               i);
    }
    *list = take_ptr(copy);
    return 0;
}
