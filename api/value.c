/* A value may be far larger than what it takes to ask for it, and a client may take it as slowly as
 * the least rate allows: without limits some twenty of them are all the memory there is. */
#include "api/value.h"

#include "api/api_internal.h"
#include "api/connection.h"
#include "api/session.h"

#define ALL_MOST (40u << 20) /* of all; of a principal API_VALUE_MAX, so that one always fits */

#define AT_ONCE 4 /* of a principal: the config service keeps no more */

int value_begin(struct request *q, struct orb_err *err)
{
    const struct connection *own = connection_of(q->connection);
    unsigned n = 0;

    for (const struct connection *c = q->api->connections; c; c = c->next)
        n += c->principal == own->principal && c->state == CONNECTION_WORK && c->request &&
             c->request->reads_value;
    if (n >= AT_ONCE)
        return orb_fail(err, ORB_E_BUSY, "%u large values are being read for %.40s already", n,
                        q->session->user);
    q->reads_value = true;
    return 0;
}

static size_t bytes_of(const struct api *api, const struct principal *p)
{
    size_t n = 0;

    for (const struct connection *c = api->connections; c; c = c->next)
        if (c->principal == p && c->request)
            n += c->request->value_bytes;
    return n;
}

/* An answer on its way to the principal that has most, and more than least. NULL: there is none. */
static struct connection *of_most(struct api *api, size_t least)
{
    struct connection *found = NULL;

    for (struct connection *c = api->connections; c; c = c->next) {
        size_t bytes;

        if (c->state != CONNECTION_ANSWER || !c->request || !c->request->value_bytes)
            continue;
        bytes = bytes_of(api, c->principal);
        if (bytes <= least)
            continue;
        least = bytes;
        found = c;
    }
    return found;
}

int value_take(struct request *q, size_t bytes, struct orb_err *err)
{
    struct api *api = q->api;
    size_t own = bytes_of(api, connection_of(q->connection)->principal) - q->value_bytes;

    if (bytes > API_VALUE_MAX)
        return orb_fail(err, ORB_E_LIMIT, "the value is larger than %u MiB; read parts of it",
                        API_VALUE_MAX >> 20);
    if (bytes <= q->value_bytes)
        return 0;
    if (own + bytes > API_VALUE_MAX)
        return orb_fail(err, ORB_E_BUSY,
                        "%zu bytes of values are on their way to %.40s; at most %u of one", own,
                        q->session->user, API_VALUE_MAX);
    while (api->value_bytes - q->value_bytes + bytes > ALL_MOST) {
        struct connection *c = of_most(api, own + bytes);

        if (!c)
            return orb_fail(err, ORB_E_BUSY, "%zu bytes of values are on their way; at most %u",
                            api->value_bytes, ALL_MOST);
        connection_cut(c, "others need the memory");
    }
    api->value_bytes += bytes - q->value_bytes;
    q->value_bytes = bytes;
    buf_reserve(&q->value, bytes - q->value.len);
    return 0;
}
