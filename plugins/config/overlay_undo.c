/* Undo of changes set in an overlay: see overlay_undo.h. Note: values may be kept by reference,
 * because setting replaces them; only a member inside a change of an ancestor is altered in place,
 * and then the old member is kept. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/overlay_internal.h"
#include "plugins/config/overlay_undo.h"

enum undo_kind { UNDO_CHANGES, UNDO_MEMBER, UNDO_ALL };

struct undo_step {
    enum undo_kind kind;
    char *path;             /* that was set; UNDO_MEMBER: of the change above */
    char *rest;             /* UNDO_MEMBER: below it, "": its whole value */
    json_t *value;          /* UNDO_MEMBER: the previous value, NULL: none */
    struct overlay changes; /* UNDO_CHANGES: those at path and below; UNDO_ALL: all */
};

static struct undo_step *step_new(struct overlay_undo *undo, enum undo_kind kind, const char *path)
{
    struct undo_step *step;

    if (undo->count == undo->cap) {
        undo->cap = undo->cap ? 2 * undo->cap : 8;
        undo->steps = xrealloc(undo->steps, undo->cap * sizeof(*undo->steps));
    }
    step = &undo->steps[undo->count++];
    *step = (struct undo_step){.kind = kind, .path = xstrdup(path)};
    return step;
}

/* The first array on the way to rest, whose elements move; else the first place where a value will
 * be added, or rest. */
static char *place_of(const json_t *value, const char *rest)
{
    size_t broken = overlay_broken_prefix(value, rest);

    for (size_t n = 1 + strcspn(rest + 1, "/"); rest[n]; n += 1 + strcspn(rest + n + 1, "/")) {
        AUTO_FREE char *at = xstrndup(rest, n);

        if (json_is_array(tree_get(value, at)))
            return take_ptr(at);
    }
    return broken ? xstrndup(rest, broken) : xstrdup(rest);
}

static void note_member(struct overlay_undo *undo, const struct change *c, const char *rest)
{
    struct undo_step *step = step_new(undo, UNDO_MEMBER, c->path);
    json_t *was;

    step->rest = json_is_object(c->value) ? place_of(c->value, rest) : xstrdup("");
    was = *step->rest ? tree_get(c->value, step->rest) : c->value;
    step->value = json_is_array(was) ? json_deep_copy(was) : json_incref(was);
}

void overlay_undo_note(struct overlay_undo *undo, const struct overlay *o, const char *path)
{
    const char *rest = "";
    struct change *c = overlay_above(o, path, &rest);
    struct undo_step *step;
    size_t first, end;

    if (c && *rest) {
        note_member(undo, c, rest);
        return;
    }
    step = step_new(undo, UNDO_CHANGES, path);
    first = overlay_below(o, path, &end);
    for (size_t i = c ? first - 1 : first; i < end; i++) {
        struct overlay *to = &step->changes;

        overlay_insert(to, to->count, o->list[i].path, json_incref(o->list[i].value));
        to->list[to->count - 1].base = o->list[i].base;
        to->list[to->count - 1].clash = o->list[i].clash;
    }
}

void overlay_undo_replace(struct overlay_undo *undo, struct overlay *o, struct overlay *next)
{
    struct undo_step *step = step_new(undo, UNDO_ALL, "");

    step->changes = *o;
    *o = *next;
    *next = (struct overlay){.parts = next->parts};
}

static void changes_back(struct undo_step *step, struct overlay *o)
{
    const char *rest = "";
    struct change *c = overlay_above(o, step->path, &rest);
    size_t end, first = overlay_below(o, step->path, &end);

    overlay_drop(o, c ? first - 1 : first, end);
    first = overlay_lower(o, step->path);
    for (size_t i = 0; i < step->changes.count; i++) {
        const struct change *was = &step->changes.list[i];

        overlay_insert(o, first + i, was->path, json_incref(was->value));
        o->list[first + i].base = was->base;
        o->list[first + i].clash = was->clash;
    }
}

static void member_back(const struct undo_step *step, struct overlay *o)
{
    const char *rest = "";
    struct change *c = overlay_above(o, step->path, &rest);

    if (!*step->rest) {
        json_decref(c->value);
        c->value = json_incref(step->value);
    } else if (step->value) {
        tree_set(c->value, step->rest, json_incref(step->value), NULL);
    } else {
        tree_delete(c->value, step->rest, false);
    }
}

static void step_fini(struct undo_step *step)
{
    free(step->path);
    free(step->rest);
    json_decref(step->value);
    overlay_fini(&step->changes);
}

void overlay_undo_back(struct overlay_undo *undo, struct overlay *o)
{
    while (undo->count) {
        struct undo_step *step = &undo->steps[--undo->count];

        if (step->kind == UNDO_CHANGES) {
            changes_back(step, o);
        } else if (step->kind == UNDO_MEMBER) {
            member_back(step, o);
        } else {
            overlay_fini(o);
            *o = step->changes;
            step->changes = (struct overlay){0};
        }
        step_fini(step);
    }
}

void overlay_undo_fini(struct overlay_undo *undo)
{
    while (undo->count)
        step_fini(&undo->steps[--undo->count]);
    free(undo->steps);
    *undo = (struct overlay_undo){0};
}
