/* Zones and ports of a `put` payload. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/policy_internal.h"

static int read_interfaces(void *to, const json_t *value, const struct place *at,
                           struct orb_err *err)
{
    struct policy_zone *zone = to;
    size_t size = json_array_size(value);

    if (!json_is_array(value))
        return policy_read_expected(at, "an array of interface names", value, err);
    if (size > POLICY_MAX_PORTS)
        return policy_read_fail(at, err, "%zu interfaces in one zone; the limit is %d", size,
                                POLICY_MAX_PORTS);
    zone->interfaces = calloc(size + 1, sizeof(*zone->interfaces));
    if (!zone->interfaces)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu names", size);
    for (size_t i = 0; i < size; i++) {
        struct place here = {at, NULL, i};
        int r = policy_read_name(json_array_get(value, i), zone->interfaces[i],
                                 sizeof(zone->interfaces[i]), &here, err);

        if (r < 0)
            return r;
        for (size_t k = 0; k < i; k++)
            if (!strcmp(zone->interfaces[k], zone->interfaces[i]))
                return policy_read_fail(&here, err, "interface %s is listed twice",
                                        zone->interfaces[i]);
        zone->interface_count = (unsigned)i + 1;
    }
    return 0;
}

static int read_mss(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct policy_zone *zone = to;
    int64_t mss = 0;
    int r;

    if (json_is_string(value) && !strcmp(json_string_value(value), "pmtu")) {
        zone->mss = POLICY_MSS_PMTU;
        return 0;
    }
    if (json_is_string(value))
        return policy_read_expected(at, "\"pmtu\" or an integer from 536 to 65495", value, err);
    r = policy_read_integer(value, POLICY_MSS_MIN, POLICY_MSS_MAX, &mss, at, err);
    zone->mss = (int)mss;
    return r;
}

static int read_fast_path(void *to, const json_t *value, const struct place *at,
                          struct orb_err *err)
{
    static const char *const words[] = {"auto", "xdp", "tcx", "off"};
    int index, r = policy_read_word(value, words, ARRAY_LEN(words), &index, at, err);

    if (r == 0)
        ((struct policy_port *)to)->fast = (enum policy_fast)index;
    return r;
}

int policy_zone_read(struct policy_zone *to, const json_t *value, const struct place *at,
                     struct orb_err *err)
{
    static const struct member members[] = {{"interfaces", read_interfaces},
                                            {"mss-clamp", read_mss}};

    return policy_read_members(to, value, members, ARRAY_LEN(members), at, err);
}

int policy_zone_read_port(struct policy_port *to, const json_t *value, const struct place *at,
                          struct orb_err *err)
{
    static const struct member members[] = {{"fast-path", read_fast_path}};

    return policy_read_members(to, value, members, ARRAY_LEN(members), at, err);
}
