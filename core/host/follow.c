/* host@1 follow: the config service reports the revision each service should follow, and whether it
 * is in the middle of an operation only it can complete. */
#include "core/host/follow.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "core/host/host_internal.h"
#include "core/host/health.h"
#include "core/json/tree.h"
#include "core/sup/follow.h"

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));

    return n > 0 ? (uint64_t)n : 0;
}

int follow_request(struct orbitald *host, const char *input, size_t len, struct orb_err *err)
{
    AUTO(json_t) json_t *in = NULL;
    json_t *service;
    size_t i;
    int r = tree_parse(input, len, NULL, &in, err);

    if (r < 0)
        return r;
    host->applying = number(in, "applying");
    host->unconfirmed = number(in, "unconfirmed");
    follow_applying(host->supervisor, number(in, "applying"));
    json_array_foreach (json_object_get(in, "services"), i, service)
        follow_due(host->supervisor, json_string_value(json_object_get(service, "name")),
                   number(service, "due"), json_is_true(json_object_get(service, "configured")));
    health_changed(host->health);
    return 0;
}

int follow_may_stop(const struct orbitald *host, const char *service, struct orb_err *err)
{
    if (strcmp(service, "config"))
        return 0;
    if (host->unconfirmed)
        return orb_fail(
            err, ORB_E_STATE,
            "revision %" PRIu64 " waits for its confirmation, and without the config "
            "service it would never be undone: `orbctl config confirm` first, or let it be "
            "undone (`orbctl service restart config` does so at once)",
            host->unconfirmed);
    if (host->applying)
        return orb_fail(err, ORB_E_BUSY,
                        "revision %" PRIu64 " is being applied; try again in a moment",
                        host->applying);
    return 0;
}
