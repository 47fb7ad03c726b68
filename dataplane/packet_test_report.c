/* The result of a test as JSON (docs/dataplane.md). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "dataplane/packet_test_internal.h"
#include "dataplane/port.h"

static void write_address(struct json_write *w, const char *key, int family, const uint8_t *address)
{
    char text[INET6_ADDRSTRLEN];

    json_write_string(w, key, inet_ntop(family, address, text, sizeof(text)));
}

static const char *zone_of(const struct policy *policy, const struct link_info *link)
{
    int zone = policy_interface_zone(policy, link->name);

    return zone > 0 ? policy->zones[zone - 1].name : NULL;
}

static void write_link(struct json_write *w, const char *key, const struct packet_result *result,
                       const struct link_info *link)
{
    json_write_object(w, key);
    if (!link) {
        json_write_string(w, "zone", "local");
    } else {
        json_write_string(w, "interface", link->name);
        if (zone_of(result->policy, link))
            json_write_string(w, "zone", zone_of(result->policy, link));
        if (link == result->out && result->route.gateway_family)
            write_address(w, "next-hop", result->route.gateway_family, result->route.gateway);
    }
    json_write_end(w);
}

/* ---- the kernel drops it before any rule ---- */

static const char *route_reason(const struct packet_result *result)
{
    const struct packet_route *route = &result->route;

    /* Kernels since 6.14 have one error for all checks of the source. */
    if ((route->error == -EINVAL || route->error == -EXDEV) && result->back &&
        result->back != result->in)
        return "the route back to the source does not lead to this interface (rp_filter)";
    switch (route->error ? route->error : route->type) {
    case -ENETUNREACH:
    case -EHOSTUNREACH:
    case RTN_UNREACHABLE:
        return "there is no route to the destination, or forwarding is off";
    case -EINVAL:
        return "the kernel takes no packet with this source from there (a martian, or rp_filter)";
    case -EACCES:
    case RTN_PROHIBIT:
        return "a route or a routing rule prohibits it";
    case RTN_BLACKHOLE:
        return "a blackhole route drops it";
    default:
        return "the kernel does not route it";
    }
}

/* ---- what decides ---- */

static const char *action_name(enum policy_action action)
{
    return action == POLICY_ACCEPT ? "accept" : action == POLICY_DROP ? "drop" : "reject";
}

static void write_verdict(struct json_write *w, const struct packet_result *result)
{
    static const char *const hooks[] = {"forward", "input", "output"};

    if (result->loopback) {
        json_write_string(w, "verdict", "accept");
        json_write_string(w, "reason",
                          "the appliance sends it to itself; no rule applies to loopback");
    } else if (!result->routed) {
        json_write_string(w, "verdict", "no-route");
        json_write_string(w, "reason", route_reason(result));
    } else {
        json_write_string(w, "verdict", action_name(result->action));
        json_write_string(w, "hook", hooks[result->hook]);
        if (result->rule)
            json_write_integer(w, "rule", result->rule->id);
        else
            json_write_string(w, "default", hooks[result->hook]);
    }
}

static void write_nat(struct json_write *w, const char *key, const struct flow_nat *nat,
                      const struct packet_test *packet, const struct packet_route *route)
{
    static const uint8_t none[16];

    if (!nat->id)
        return;
    json_write_object(w, key);
    json_write_integer(w, "entry", nat->id);
    json_write_string(w, "action",
                      nat->kind == FLOW_NAT_TO           ? "translate"
                      : nat->kind == FLOW_NAT_MASQUERADE ? "masquerade"
                                                         : "none");
    if (nat->kind == FLOW_NAT_TO)
        write_address(w, "address", packet->family, nat->address);
    else if (nat->kind == FLOW_NAT_MASQUERADE && memcmp(route->source, none, sizeof(none)) != 0)
        write_address(w, "address", packet->family, route->source);
    if (nat->port)
        json_write_integer(w, "port", nat->port);
    json_write_end(w);
}

static void write_depends(struct json_write *w, const struct packet_result *result)
{
    if (!result->depend_count)
        return;
    json_write_array(w, "depends");
    for (unsigned i = 0; i < result->depend_count; i++) {
        json_write_object(w, NULL);
        json_write_integer(w, "rule", result->depends[i].rule);
        json_write_string(w, "on", result->depends[i].on);
        json_write_end(w);
    }
    json_write_end(w);
}

/* ---- fast path ---- */

static const struct port *find_port(const struct dataplane *dp, const struct link_info *link)
{
    for (unsigned i = 0; link && i < dp->ports.count; i++)
        if (dp->ports.items[i].ifindex == link->ifindex)
            return &dp->ports.items[i];
    return NULL;
}

/* Why further packets of the connection are left to the kernel; "": the fast path forwards them. */
static void further_reason(const struct dataplane *dp, const struct packet_test *packet,
                           const struct packet_result *result, char *ret_reason, size_t size)
{
    const struct port *in = find_port(dp, result->in), *out = find_port(dp, result->out);

    *ret_reason = 0;
    if (result->hook != FLOW_HOOK_FORWARD)
        snprintf(ret_reason, size, "it is not forwarded");
    else if (!policy_has_ports(packet->protocol))
        snprintf(ret_reason, size, "the fast path forwards TCP and UDP");
    else if (result->untracked)
        snprintf(ret_reason, size, "conntrack does not see it");
    else if (!in || in->mode == PORT_OFF)
        snprintf(ret_reason, size, "%s has no fast path%s%.200s", result->in->name,
                 in && in->reason[0] ? ": " : "", in ? in->reason : "");
    else if (in->foreign)
        snprintf(ret_reason, size, "%s: %.300s", in->name, in->reason);
    else if (out && out->foreign)
        snprintf(ret_reason, size, "%s: %.300s", out->name, out->reason);
    else if (result->out == result->in)
        snprintf(ret_reason, size, "it leaves by the interface it comes in by");
}

static void write_decided(struct json_write *w, const struct dataplane *dp,
                          const struct packet_test *packet, const struct packet_result *result)
{
    char reason[400];

    json_write_string(w, "decided-by", result->dropped || result->sent ? "fast-path" : "kernel");
    if (result->port && result->ran) {
        json_write_object(w, "fast-path");
        json_write_string(w, "mode", port_mode_name(result->port->mode));
        json_write_string(w, "action",
                          result->dropped ? "drop"
                          : result->sent  ? "forward"
                                          : "pass");
        json_write_end(w);
    }
    if (!result->routed || result->loopback || result->action != POLICY_ACCEPT)
        return;
    further_reason(dp, packet, result, reason, sizeof(reason));
    json_write_object(w, "further-packets");
    json_write_string(w, "by", *reason ? "kernel" : "fast-path");
    if (*reason)
        json_write_string(w, "reason", reason);
    json_write_end(w);
}

/* The programs drop only what the rules drop. */
static void write_warning(struct json_write *w, const struct packet_result *result)
{
    bool refused = result->routed && result->action == POLICY_DROP;

    if (result->note[0])
        json_write_string(w, "warning", result->note);
    else if (result->dropped && !refused && result->routed)
        json_write_string(w, "warning",
                          "the programs in the kernel drop this packet and the rules do not: "
                          "please report this, with the configuration");
    else if (result->sent)
        json_write_string(w, "warning",
                          "a connection with these addresses and ports exists, so the packet "
                          "belongs to it and passes; choose another source port to test a new one");
}

void packet_test_report_write(const struct dataplane *dp, const struct packet_test *packet,
                              const struct packet_result *result, struct buf *ret_json)
{
    struct json_write w = json_write_to(ret_json);

    json_write_object(&w, NULL);
    write_verdict(&w, result);
    write_link(&w, "in", result, result->in);
    if (result->routed && result->hook != FLOW_HOOK_INPUT && result->out)
        write_link(&w, "out", result, result->out);
    else if (result->routed)
        write_link(&w, "out", result, NULL);
    write_nat(&w, "destination-nat", &result->target, packet, &result->leaving);
    write_nat(&w, "source-nat", &result->source, packet, &result->leaving);
    if (result->untracked)
        json_write_boolean(&w, "untracked", true);
    write_decided(&w, dp, packet, result);
    write_depends(&w, result);
    write_warning(&w, result);
    json_write_end(&w);
}
