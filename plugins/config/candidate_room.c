/* Limits of uncommitted changes: see candidate_room.h. Bytes are of memory, about ten times those
 * of the text. They are added up, and recounted only once they have grown by a part of the limit,
 * so that edits at the limit cost no more than others. */
#include <string.h>

#include "plugins/config/candidate_room.h"
#include "plugins/config/grants.h"
#include "plugins/config/overlay_bytes.h"

#define COUNT_AFTER 8u /* parts of the limit */

/* Of a user of this machine: no other identity is a bare name. */
static bool is_local(const char *user)
{
    return !strchr(user, ':') || !strncmp(user, "user:", 5);
}

int candidate_room_for_new(const struct engine *engine, const char *user, struct orb_err *err)
{
    bool service = grants_is_service(user);
    unsigned n = 0, of_services = 0;

    for (const struct candidate *c = engine->candidates; c; c = c->next) {
        of_services += grants_is_service(c->user);
        n++;
    }
    if (n < ENGINE_MAX_CANDIDATES - (is_local(user) ? 0 : ENGINE_CANDIDATES_LOCAL) &&
        !(service && of_services >= ENGINE_MAX_CANDIDATES / ENGINE_FOR_USERS))
        return 0;
    return orb_fail(err, ORB_E_LIMIT, "%u %s have uncommitted changes, and no more may",
                    service ? of_services : n, service ? "services" : "users and services");
}

static size_t most_of(const struct candidate *c)
{
    return grants_is_service(c->user) ? ENGINE_CANDIDATE_SERVICE : ENGINE_CANDIDATE_USER;
}

static size_t own_of(const struct candidate *c)
{
    return grants_is_service(c->user) ? ENGINE_CANDIDATE_OWN_SERVICE : ENGINE_CANDIDATE_OWN_USER;
}

void candidate_room_count(struct candidate *c)
{
    c->bytes = c->counted = overlay_bytes(&c->changes);
}

/* Of the other candidates of its kind; for a user, of all. *ret_largest: the owner of the largest.
 * */
static size_t others(const struct engine *engine, const struct candidate *c,
                     const struct candidate **ret_largest)
{
    bool service = grants_is_service(c->user);
    size_t sum = 0;

    *ret_largest = c;
    for (const struct candidate *o = engine->candidates; o; o = o->next) {
        if (o == c || (service && !grants_is_service(o->user)))
            continue;
        sum += o->bytes + o->load.len;
        if (o->bytes + o->load.len > (*ret_largest)->bytes + (*ret_largest)->load.len)
            *ret_largest = o;
    }
    return sum;
}

static int check(const struct engine *engine, const struct candidate *c, const char *path,
                 size_t bytes, struct orb_err *err)
{
    bool service = grants_is_service(c->user);
    size_t all_most = service ? ENGINE_CANDIDATE_SERVICES : ENGINE_CANDIDATE_ALL;
    const struct candidate *largest;
    size_t all = bytes + others(engine, c, &largest);

    if (bytes > most_of(c))
        return orb_fail_at(err, ORB_E_LIMIT, path,
                           "your uncommitted changes would take %zu bytes of memory; at most %zu: "
                           "commit or discard some first",
                           bytes, most_of(c));
    if (all > all_most && bytes > own_of(c))
        return orb_fail_at(
            err, ORB_E_LIMIT, path,
            "the uncommitted changes of all %s would take %zu bytes of memory; at "
            "most %zu, or %zu of yours: some have to be committed or discarded first "
            "(%s has most)",
            service ? "services" : "users and services", all, all_most, own_of(c), largest->user);
    return 0;
}

int candidate_room_take(struct engine *engine, struct candidate *c, const char *path, size_t bytes,
                        struct orb_err *err)
{
    int r;

    if (grants_is_service(c->user) && c->changes.count >= ENGINE_CHANGES_SERVICE &&
        !overlay_covers(&c->changes, path))
        return orb_fail_at(err, ORB_E_LIMIT, path,
                           "you have %zu uncommitted changes; at most %u of a service: set what "
                           "belongs together as one value, or commit or discard some first",
                           c->changes.count, ENGINE_CHANGES_SERVICE);
    r = check(engine, c, path, c->bytes + c->load.len + bytes, err);

    if (r < 0 && c->bytes - c->counted > most_of(c) / COUNT_AFTER) {
        candidate_room_count(c);
        r = check(engine, c, path, c->bytes + c->load.len + bytes, err);
    }
    if (r == 0)
        c->bytes += bytes;
    return r;
}

int candidate_room_replace(struct engine *engine, struct candidate *c, size_t bytes,
                           struct orb_err *err)
{
    return check(engine, c, "/", bytes, err);
}
