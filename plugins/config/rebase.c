/* Candidates and what others committed since: see rebase.h. */
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/candidate_file.h"
#include "plugins/config/grants.h"
#include "plugins/config/history.h"
#include "plugins/config/member.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"
#include "plugins/config/rebase.h"

struct rebase {
    const struct engine *engine;
    const struct candidate *candidate;
    const struct revision *revision;
    const json_t *op; /* of that revision */
    struct buf paths;
    unsigned count;
};

/* The op is an ancestor of the change and did not alter the value at its path, e.g. it only created
 * the parent. An op that deleted the parent did. */
static bool left_alone(const json_t *op, const char *path)
{
    const char *top = member_text(op, "path", "");
    const char *rest = path + strlen(top);
    const json_t *value = json_object_get(op, "value");
    json_t *was, *is;

    if (!value || !*rest || !overlay_path_under(path, top))
        return false;
    was = tree_get(json_object_get(op, "old"), rest);
    is = tree_get(value, rest);
    return was && is ? json_equal(was, is) : was == is;
}

static int on_touching(void *arg, const struct change *change)
{
    struct rebase *b = arg;
    json_t *now = tree_get(b->engine->store.running, change->path);
    AUTO_FREE char *path = NULL;

    if (change->base >= b->revision->revision || left_alone(b->op, change->path))
        return 0;
    if ((!now && !change->value) || (now && change->value && json_equal(now, change->value) &&
                                     !parts_has_secret(&b->engine->parts, change->path, now)))
        return 0; /* both want the same */
    path = grants_path(b->engine, NULL, change->path);
    if (b->count < 5 && !strstr(buf_str(&b->paths), path))
        buf_addf(&b->paths, "%s%s (revision %" PRIu64 " by %s)", b->count++ ? ", " : "", path,
                 b->revision->revision, b->revision->user);
    return 0;
}

int rebase_conflicts(struct engine *engine, const struct candidate *candidate, struct orb_err *err)
{
    struct rebase b = {.engine = engine, .candidate = candidate};
    AUTO(buf) struct buf first = {0};
    uint64_t base = engine->store.revision;

    for (size_t i = 0; i < candidate->changes.count; i++)
        if (candidate->changes.list[i].base < base)
            base = candidate->changes.list[i].base;
    for (uint64_t n = base + 1; n <= engine->store.revision; n++) {
        AUTO(json_t) json_t *patch = NULL;

        b.revision = history_find(&engine->store, n);
        if (!b.revision || history_patch(&engine->store, n, &patch, err) < 0) {
            buf_fini(&b.paths);
            return orb_fail(err, ORB_E_CONFLICT,
                            "your changes start from revision %" PRIu64
                            ", which the history no longer holds; discard them",
                            base);
        }
        for (size_t i = 0; i < json_array_size(patch); i++) {
            b.op = json_array_get(patch, i);
            overlay_touching(&candidate->changes, member_text(b.op, "path", "/"), on_touching, &b);
        }
    }
    if (!b.count) {
        buf_fini(&b.paths);
        return 0;
    }
    buf_adds(&first, buf_str(&b.paths));
    if (strchr(first.data, ' '))
        *strchr(first.data, ' ') = '\0';
    orb_fail_at(err, ORB_E_CONFLICT, first.data,
                "others changed the same since you did: %s; set these again, or discard",
                buf_str(&b.paths));
    buf_fini(&b.paths);
    return ORB_E_CONFLICT;
}

void rebase_moved_all(struct engine *engine, uint64_t from, uint64_t to)
{
    for (struct candidate *c = engine->candidates; c; c = c->next) {
        for (size_t i = 0; i < c->changes.count; i++)
            if (c->changes.list[i].base == from)
                c->changes.list[i].base = to;
        candidate_file_rewrite(engine, c);
    }
}
