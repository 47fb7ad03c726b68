/* Read and write access of callers. For users the broker checks the role; the grants of a service
 * are sent by the broker with its first request, and nothing the service sends adds to them: it
 * reads below config.read:PATH, sees secrets below config.secret:PATH in clear, and edits below
 * config.write:PATH. */
#include <stdio.h>
#include <string.h>

#include "core/base/nameless.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/member.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/parts.h"

#define READ GRANT_READ
#define WRITE "config.write:"
#define SECRET GRANT_SECRET

void grants_identity(const struct engine_caller *caller, char *to, size_t size)
{
    static const char *const prefixes[] = {
        [CALLER_USER] = "user:",
        [CALLER_TOKEN] = "token:",
        [CALLER_SERVICE] = "service:",
        [CALLER_HOST] = "host:",
    };
    /* A local user is shown by the bare name, unless that would read as another identity. */
    bool bare = caller->kind == CALLER_USER && !strchr(caller->name, ':') &&
                strcmp(caller->name, ENGINE_ITSELF);

    snprintf(to, size, "%s%s", bare ? "" : prefixes[caller->kind], caller->name);
}

const char *grants_payer(const char *who)
{
    return nameless_is(who) ? "uid-N" : who;
}

bool grants_is_service(const char *who)
{
    return !strncmp(who, "service:", 8); /* no other identity begins so */
}

bool grants_is_user(const struct engine_caller *caller)
{
    return caller->kind == CALLER_USER || caller->kind == CALLER_TOKEN;
}

/* The pointer a grant of this kind names, NULL: it is of another kind. "" is the whole tree. */
static const char *path_of(const char *grant, const char *kind, char *to, size_t size)
{
    size_t n = strlen(kind), len;

    if (strncmp(grant, kind, n))
        return NULL;
    len = strlen(grant + n);
    if (len >= size)
        return NULL;
    memcpy(to, grant + n, len + 1);
    if (len && to[len - 1] == '/')
        to[len - 1] = '\0';
    return to;
}

static char **paths_of(const char *const *grants, const char *kind)
{
    char **list = xcalloc(1, sizeof(*list)), path[GRANT_PATH_MAX];
    size_t n = 0;

    for (; grants && *grants; grants++) {
        if (!path_of(*grants, kind, path, sizeof(path)))
            continue;
        list = xrealloc(list, (n + 2) * sizeof(*list));
        list[n++] = xstrdup(path);
        list[n] = NULL;
    }
    return list;
}

void grants_paths_free(char **paths)
{
    for (char **p = paths; p && *p; p++)
        free(*p);
    free(paths);
}

bool grants_covered(char *const *paths, const char *path)
{
    for (; paths && *paths; paths++)
        if (overlay_path_under(path, *paths))
            return true;
    return false;
}

static bool is_granted(const struct engine_caller *caller, const char *kind, const char *path)
{
    AUTO(paths) char **paths = NULL;

    if (caller->kind != CALLER_SERVICE)
        return true;
    paths = paths_of(caller->grants, kind);
    return grants_covered(paths, path);
}

bool grants_reads(const struct engine_caller *caller, const char *path)
{
    return is_granted(caller, READ, path);
}

static int refuse(const struct engine_caller *caller, const char *verb, const char *kind,
                  const char *path, struct orb_err *err)
{
    const char *shown = *path ? path : "/";

    return orb_fail_at(err, ORB_E_DENIED, shown,
                       "service %s may not %s %.120s: it lacks the capability %s%.120s",
                       caller->name, verb, shown, kind, shown);
}

int grants_check_read(const struct engine_caller *caller, const char *path, struct orb_err *err)
{
    return grants_reads(caller, path) ? 0 : refuse(caller, "read", READ, path, err);
}

int grants_check_write(const struct engine_caller *caller, const char *path, struct orb_err *err)
{
    return is_granted(caller, WRITE, path) ? 0 : refuse(caller, "change", WRITE, path, err);
}

int grants_check_candidate(const struct engine_caller *caller, const struct candidate *candidate,
                           struct orb_err *err)
{
    for (size_t i = 0; candidate && i < candidate->changes.count; i++)
        if (grants_check_write(caller, candidate->changes.list[i].path, err) < 0)
            return err->code;
    return 0;
}

char **grants_read_paths(const struct engine_caller *caller)
{
    return caller->kind == CALLER_SERVICE ? paths_of(caller->grants, READ) : NULL;
}

char **grants_secrets(const struct engine_caller *caller)
{
    return caller->kind == CALLER_SERVICE ? paths_of(caller->grants, SECRET) : NULL;
}

/* ---- what is configured ---- */

/* The old grants of a process are in force until it ends, and what it attached to before this start
 * is known from a file: both may be more than /services grants now. */
bool grants_entry_covers(const struct parts *parts, const char *name, const json_t *entry,
                         const char *kind, const char *path)
{
    const json_t *grants = json_object_get(entry, "grants");
    char at[GRANT_PATH_MAX];

    if (!grants)
        return !parts_third_party(parts, name); /* shipped: all it requests */
    for (size_t i = 0; i < json_array_size(grants); i++) {
        const char *grant = json_string_value(json_array_get(grants, i));

        if (grant && path_of(grant, kind, at, sizeof(at)) && overlay_path_under(path, at))
            return true;
    }
    return false;
}

bool grants_enabled(const struct parts *parts, const char *name, const json_t *entry)
{
    const json_t *enabled = json_object_get(entry, "enabled");

    return enabled ? json_is_true(enabled) : !parts_third_party(parts, name);
}

bool grants_cover(const struct engine *engine, const struct subscriber *s, const json_t *entry)
{
    for (size_t i = 0; i < s->path_count; i++) {
        const char *path = !strcmp(s->paths[i], "/") ? "" : s->paths[i];

        if (!grants_entry_covers(&engine->parts, s->name, entry, READ, path))
            return false;
    }
    for (char **path = s->secrets; path && *path; path++)
        if (!grants_entry_covers(&engine->parts, s->name, entry, SECRET, *path))
            return false;
    return true;
}

bool grants_configured(const struct engine *engine, const char *name, const char *path)
{
    const json_t *services = json_object_get(engine->store.running, "services");

    return grants_entry_covers(&engine->parts, name, json_object_get(services, name), READ, path);
}

/* ---- what of a value, and of a patch, is shown ---- */

/* The whole tree, part by part. */
static json_t *show_parts(const struct engine *engine, char *const *secrets, json_t *value)
{
    json_t *copy = json_object(), *member;
    const char *key;

    json_object_foreach (value, key, member) {
        AUTO(buf) struct buf at = {0};

        buf_add_pointer(&at, key);
        json_object_set_new(copy, key,
                            grants_show(engine, secrets, buf_str(&at), json_incref(member)));
    }
    json_decref(value);
    return copy;
}

/* Replaces masks above rest by objects: a granted secret may be inside one. */
static json_t *open_above(json_t *shown, const json_t *clear, const char *rest)
{
    if (*rest && json_is_string(shown) && json_is_object(clear)) {
        json_decref(shown);
        shown = json_object();
    }
    for (size_t n = *rest ? 1 + strcspn(rest + 1, "/") : 0; n && rest[n];
         n += 1 + strcspn(rest + n + 1, "/")) {
        AUTO_FREE char *at = xstrndup(rest, n);

        if (json_is_string(tree_get(shown, at)) && json_is_object(tree_get(clear, at)))
            tree_set(shown, at, json_object(), NULL);
    }
    return shown;
}

json_t *grants_show(const struct engine *engine, char *const *secrets, const char *path,
                    json_t *value)
{
    AUTO(json_t) json_t *clear = NULL;
    json_t *shown;
    bool own = false;

    if (!value || !secrets)
        return parts_mask(&engine->parts, path, value);
    if (grants_covered(secrets, path))
        return value;
    if (!*path)
        return show_parts(engine, secrets, value);
    if (!parts_of(&engine->parts, path, NULL))
        return value; /* nothing marks a secret there, and a mask would be no value it can read */
    clear = json_incref(value);
    shown = parts_mask(&engine->parts, path, value);
    for (; *secrets; secrets++) {
        const char *rest = *secrets + strlen(path);
        json_t *below;

        if (!overlay_path_under(*secrets, path))
            continue;
        if (!own) { /* what masking left alone is shared with the running tree */
            json_t *copy = parts_copy(&engine->parts, shown);

            json_decref(shown);
            shown = copy;
            own = true;
        }
        shown = open_above(shown, clear, rest);
        below = tree_get(clear, rest);
        if (below)
            tree_set(shown, rest, parts_copy(&engine->parts, below), NULL);
    }
    return shown;
}

char *grants_path(const struct engine *engine, char *const *secrets, const char *path)
{
    if (grants_covered(secrets, path) || (secrets && !parts_of(&engine->parts, path, NULL)))
        return xstrdup(path); /* shown in clear, by grants_show */
    for (char *const *secret = secrets; secret && *secret; secret++)
        if (overlay_path_under(*secret, path))
            return xstrdup(path); /* on the way to one that is */
    return xstrndup(path, parts_shows(&engine->parts, path));
}

/* What an op above the path means for that path. */
static void project(json_t *to, const json_t *op, const char *path, const char *sub)
{
    const char *rest = sub + strlen(path);

    overlay_patch_diff(NULL, to, sub, tree_get(json_object_get(op, "old"), rest),
                       tree_get(json_object_get(op, "value"), rest));
}

json_t *grants_patch_within(const struct parts *parts, const json_t *patch, char *const *paths,
                            size_t count)
{
    json_t *mine = json_array();

    for (size_t i = 0; i < json_array_size(patch); i++) {
        json_t *op = json_array_get(patch, i);
        const char *path = member_text(op, "path", "");

        parts_pause(parts);
        for (size_t k = 0; k < count; k++) {
            const char *top = !strcmp(paths[k], "/") ? "" : paths[k];

            if (overlay_path_under(path, top)) {
                json_array_append(mine, op);
                break;
            }
            if (overlay_path_under(top, path))
                project(mine, op, path, top);
        }
    }
    return mine;
}

json_t *grants_patch_readable(const struct parts *parts, const struct engine_caller *caller,
                              const json_t *patch)
{
    AUTO(paths) char **paths = NULL;
    size_t n = 0;

    if (caller->kind != CALLER_SERVICE)
        return json_incref((json_t *)patch);
    paths = paths_of(caller->grants, READ);
    while (paths[n])
        n++;
    return grants_patch_within(parts, patch, paths, n);
}

/* A change of nothing but a secret that is not shown is none. */
json_t *grants_patch_shown(const struct engine *engine, char *const *secrets, const json_t *patch)
{
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(patch); i++) {
        json_t *op = json_array_get(patch, i), *shown;
        const char *path = member_text(op, "path", ""), *const sides[] = {"value", "old"};
        AUTO_FREE char *seen = grants_path(engine, secrets, path);
        bool both = true;

        parts_pause(&engine->parts);
        if (strcmp(seen, path))
            continue; /* inside a secret, which is one mask before and after */
        shown = json_copy(op);
        for (size_t k = 0; k < ARRAY_LEN(sides); k++) {
            json_t *value = json_object_get(op, sides[k]);

            both = both && value;
            if (value)
                json_object_set_new(shown, sides[k],
                                    grants_show(engine, secrets, path, json_incref(value)));
        }
        if (both && parts_equal(&engine->parts, json_object_get(shown, "value"),
                                json_object_get(shown, "old")))
            json_decref(shown);
        else
            json_array_append_new(list, shown);
    }
    return list;
}
