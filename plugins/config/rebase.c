/* Candidates and what others committed since: see rebase.h. */
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/candidate_file.h"
#include "plugins/config/grants.h"
#include "plugins/config/history.h"
#include "plugins/config/member.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/parts.h"
#include "plugins/config/rebase.h"

struct rebase {
    const struct parts *parts;
    uint64_t revision;
    const json_t *op; /* of it */
};

/* The op is an ancestor of the change and did not alter the value at its path, e.g. it only created
 * the parent. An op that deleted the parent did. */
static bool left_alone(const struct rebase *b, const char *path)
{
    const json_t *op = b->op;
    const char *top = member_text(op, "path", "");
    const char *rest;
    const json_t *value = json_object_get(op, "value");
    json_t *was, *is;

    if (!value || !strcmp(path, top) || !overlay_path_under(path, top))
        return false;
    rest = path + strlen(top);
    was = tree_get(json_object_get(op, "old"), rest);
    is = tree_get(value, rest);
    return was && is ? parts_equal(b->parts, was, is) : was == is;
}

static int on_touching(void *arg, struct change *change)
{
    const struct rebase *b = arg;

    if (change->base < b->revision && !left_alone(b, change->path))
        change->clash = b->revision;
    return 0;
}

static uint64_t oldest_base(const struct engine *engine, const struct candidate *candidate)
{
    uint64_t base = engine->store.revision;

    for (size_t i = 0; i < candidate->changes.count; i++)
        if (candidate->changes.list[i].base < base)
            base = candidate->changes.list[i].base;
    return base;
}

int rebase_look(struct engine *engine, struct candidate *candidate, bool all, struct orb_err *err)
{
    uint64_t base = oldest_base(engine, candidate);
    uint64_t at = base > candidate->checked ? base : candidate->checked;

    for (; at < engine->store.revision; at++) {
        json_t *patch = NULL;
        struct rebase b = {.parts = &engine->parts, .revision = at + 1};

        if (history_patch(&engine->store, &engine->parts, at + 1, &patch, err) < 0)
            return orb_fail(err, ORB_E_CONFLICT,
                            "your changes start from revision %" PRIu64
                            ", which the history no longer holds; discard them",
                            base);
        for (size_t i = 0; i < json_array_size(patch); i++) {
            b.op = json_array_get(patch, i);
            overlay_touching(&candidate->changes, member_text(b.op, "path", "/"), on_touching, &b);
            parts_pause(&engine->parts);
        }
        overlay_patch_drop(&engine->parts, &patch);
        candidate->checked = at + 1;
        if (!all && at + 1 < engine->store.revision && requests_time_up(engine))
            return 1;
    }
    return 0;
}

/* Others changed the same to something else. */
static bool clashes(const struct engine *engine, const struct change *change)
{
    json_t *now = tree_get(engine->store.running, change->path);

    if (change->clash <= change->base || (!now && !change->value))
        return false;
    return !now || !change->value || !parts_equal(&engine->parts, now, change->value) ||
           parts_has_secret(&engine->parts, change->path, now);
}

int rebase_conflicts(struct engine *engine, struct candidate *candidate, struct orb_err *err)
{
    AUTO(buf) struct buf paths = {0}, first = {0};
    unsigned count = 0;
    int r = rebase_look(engine, candidate, true, err);

    for (size_t i = 0; r == 0 && count < 5 && i < candidate->changes.count; i++) {
        const struct change *c = &candidate->changes.list[i];
        AUTO_FREE char *path = NULL;
        const struct revision *by;

        if (!clashes(engine, c))
            continue;
        path = grants_path(engine, NULL, c->path);
        by = history_find(&engine->store, c->clash);
        if (!strstr(buf_str(&paths), path))
            buf_addf(&paths, "%s%s (revision %" PRIu64 " by %s)", count++ ? ", " : "", path,
                     c->clash, by ? by->user : "?");
    }
    if (r < 0 || !count)
        return r;
    buf_adds(&first, buf_str(&paths));
    if (strchr(first.data, ' '))
        *strchr(first.data, ' ') = '\0';
    orb_fail_at(err, ORB_E_CONFLICT, first.data,
                "others changed the same since you did: %s; set these again, or discard",
                buf_str(&paths));
    return ORB_E_CONFLICT;
}

void rebase_moved_all(struct engine *engine, uint64_t from, uint64_t to)
{
    for (struct candidate *c = engine->candidates; c; c = c->next) {
        for (size_t i = 0; i < c->changes.count; i++)
            if (c->changes.list[i].base == from)
                c->changes.list[i].base = to;
        if (c->checked == from)
            c->checked = to;
        candidate_file_rewrite(engine, c);
    }
}
