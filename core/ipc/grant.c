/* Used by the broker, by package plans and by the test kit of package authors: one answer for all.
 */
#include "core/ipc/grant.h"

#include <string.h>

#include "core/base/own.h"

static const char *const prefixes[] = {"ipc.call:", "ipc.subscribe:"};
static const char *const verbs[] = {"call", "subscribe to"};

bool grant_covers(const char *capability, enum grant_kind kind, const char *interface,
                  const char *name)
{
    size_t n = strlen(prefixes[kind]);
    const char *p = capability + n, *slash;

    if (strncmp(capability, prefixes[kind], n))
        return false;
    slash = strchr(p, '/');
    if (!slash)
        return false;
    n = (size_t)(slash - p);
    if (n == 9 && memcmp(p, "service.*", 9) == 0) {
        if (strncmp(interface, "service.", 8))
            return false;
    } else if (strlen(interface) != n || memcmp(interface, p, n) != 0) {
        return false;
    }
    return !strcmp(slash + 1, "*") || !strcmp(slash + 1, name);
}

/* A commit is granted by its own name. */
const char *const *grant_implied(const char *capability)
{
    static const struct {
        const char *prefix, *list[4];
    } rows[] = {
        {"config.read:", {"ipc.call:config/attach", "ipc.call:config/fetch"}},
        {"config.write:",
         {"ipc.call:config/edit", "ipc.call:config/validate", "ipc.call:config/discard"}},
    };
    static const char *const none[] = {NULL};

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (!strncmp(capability, rows[i].prefix, strlen(rows[i].prefix)))
            return rows[i].list;
    return none;
}

int grant_refuse(const char *service, enum grant_kind kind, const char *interface, const char *name,
                 struct orb_err *err)
{
    return orb_fail(err, ORB_E_DENIED,
                    "service %s may not %s %s/%s: it lacks the capability %s%s/%s", service,
                    verbs[kind], interface, name, prefixes[kind], interface, name);
}
