/* Users and sources. There are few: no more than connections and requests under way together. */
#include "api/principal.h"

#include <netinet/in.h>
#include <string.h>

#include "core/base/xalloc.h"

#define RECORD_EVERY_MS 20 /* of the requests of one */
#define RECORDS_AT_ONCE 100u

/* FNV-1a: spreads, and a collision gains no more than a share of what two have. */
static uint64_t hash(uint64_t h, const void *data, size_t len)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static uint64_t hash_of(const char *kind, const void *data, size_t len)
{
    return hash(hash(0xcbf29ce484222325u, kind, 1), data, len);
}

uint64_t principal_of_user(const char *user)
{
    return hash_of("u", user, strlen(user));
}

uint64_t principal_of_source(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    const unsigned char *a;

    if (address->sa_family == AF_INET) {
        a = (const unsigned char *)&v4->sin_addr;
        return hash_of("4", a, a[0] == 127 ? 1 : 4); /* all of 127/8 is this machine */
    }
    if (address->sa_family != AF_INET6)
        return hash_of("0", "", 0);
    a = v6->sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return hash_of("4", a + 12, a[12] == 127 ? 1 : 4);
    return hash_of("6", a, 8); /* a client has a /64 to choose from */
}

struct principal *principal_take(struct api *api, uint64_t key)
{
    struct principal *p = api->principals;

    while (p && p->key != key)
        p = p->next;
    if (!p) {
        p = xcalloc(1, sizeof(*p));
        p->api = api;
        p->key = key;
        p->next = api->principals;
        api->principals = p;
    }
    p->uses++;
    return p;
}

void principal_give_back(struct principal *p)
{
    struct principal **at = &p->api->principals;

    if (--p->uses)
        return;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    free(p);
}

/* ---- records ---- */

bool principal_may_record(struct principal *p, uint64_t *ret_lost)
{
    uint64_t now = orb_now_ms(), from = now - RECORDS_AT_ONCE * RECORD_EVERY_MS;

    if (p->record_ms > now) {
        p->not_recorded++;
        return false;
    }
    if (p->record_ms < from)
        p->record_ms = from;
    p->record_ms += RECORD_EVERY_MS;
    *ret_lost = p->not_recorded;
    p->not_recorded = 0;
    return true;
}
