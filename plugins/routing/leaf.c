/* Leaves that more than one kind of entry has: see leaf.h. */
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "plugins/routing/leaf.h"

int leaf_last(const struct leaf_ends *ends, const char *path, uint8_t *ret_last,
              struct orb_err *err)
{
    if (ends->blackhole + ends->unreachable + ends->reject > 1)
        return orb_fail_at(err, ORB_E_VETO, path,
                           "expected at most one of \"blackhole\", \"unreachable\" and \"reject\"");
    *ret_last = ends->blackhole     ? RTN_BLACKHOLE
                : ends->unreachable ? RTN_UNREACHABLE
                : ends->reject      ? RTN_PROHIBIT
                                    : 0;
    return 0;
}

int leaf_source(const char *text, uint8_t family, const char *path, struct address *ret_source,
                struct orb_err *err)
{
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
