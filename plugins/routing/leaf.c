/* Leaves that more than one kind of entry has: see leaf.h. */
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "plugins/routing/leaf.h"

int leaf_last(const cJSON *item, const char *path, uint8_t *ret_last, struct orb_err *err)
{
    static const struct {
        const char *name;
        uint8_t type;
    } kinds[] = {
        {"blackhole", RTN_BLACKHOLE}, {"unreachable", RTN_UNREACHABLE}, {"reject", RTN_PROHIBIT}};
    uint8_t last = 0;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, kinds[i].name)))
            continue;
        if (last)
            return orb_fail_at(
                err, ORB_E_VETO, path,
                "expected at most one of \"blackhole\", \"unreachable\" and \"reject\"");
        last = kinds[i].type;
    }
    *ret_last = last;
    return 0;
}

int leaf_source(const cJSON *item, uint8_t family, const char *path, struct address *ret_source,
                struct orb_err *err)
{
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "preferred-source"));
    struct address source;

    if (!text)
        return 0;
    if (address_parse(text, &source) < 0)
        return orb_fail_at(err, ORB_E_VETO, path, "\"%s\" is not an IPv4 or IPv6 address", text);
    if (source.family != family)
        return orb_fail_at(err, ORB_E_VETO, path,
                           "preferred source %s is %s, the destination is not", text,
                           source.family == AF_INET ? "IPv4" : "IPv6");
    if (address_is_multicast(&source) || address_is_zero(&source) ||
        (family == AF_INET6 && address_is_link_local(&source)))
        return orb_fail_at(err, ORB_E_VETO, path,
                           "%s cannot be a source; expected one of this machine's own addresses",
                           text);
    *ret_source = source;
    return 0;
}
