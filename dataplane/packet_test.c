/* A test of a packet: the kernel's route, then the policy in the order of its hooks (notrack,
 * destination NAT, route, rules, source NAT), then the programs. The rules are evaluated one by one
 * and not by the classifier's data, so that a difference between the two shows. */
#include "dataplane/packet_test.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "core/base/xalloc.h"
#include "dataplane/link.h"
#include "dataplane/nft_match.h"
#include "dataplane/packet_test_internal.h"

#define SYN 0x02 /* the flags of a first packet of TCP */

static const struct link_info *find_index(const struct link_list *links, uint32_t ifindex)
{
    for (unsigned i = 0; i < links->count; i++)
        if (links->items[i].ifindex == ifindex)
            return &links->items[i];
    return NULL;
}

static const char *name_of(const struct link_info *link)
{
    return link ? link->name : "";
}

/* ---- where it comes in ---- */

static int unknown_from(const struct packet_result *result, const char *from, struct orb_err *err)
{
    const struct policy *policy = result->policy;
    AUTO_FREE const char **names =
        xcalloc(policy->zone_count + result->links.count + 1, sizeof(*names));
    unsigned count = 0;
    const char *near;

    for (unsigned i = 0; i < policy->zone_count; i++)
        names[count++] = policy->zones[i].name;
    for (unsigned i = 0; i < result->links.count; i++)
        names[count++] = result->links.items[i].name;
    names[count++] = "local";
    near = suggest_nearest(from, names, count);
    return orb_fail_at(err, ORB_E_NOT_FOUND, "/from",
                       "there is no zone and no interface \"%s\"; expected one of them, or local "
                       "for a packet of the appliance%s%s%s",
                       from, SUGGEST_ARGS(near));
}

/* The interface of a zone: the one by which the source is routed, if it is in that zone, else the
 * first that exists. */
static const struct link_info *of_zone(const struct packet_result *result, unsigned zone,
                                       const struct link_info *back)
{
    const struct policy_zone *z = &result->policy->zones[zone];

    if (back && policy_interface_zone(result->policy, back->name) == (int)zone + 1)
        return back;
    for (unsigned i = 0; i < z->interface_count; i++) {
        const struct link_info *link = link_find(&result->links, z->interfaces[i]);

        if (link)
            return link;
    }
    return NULL;
}

static int find_in(const struct packet_test *packet, struct packet_result *result,
                   struct orb_err *err)
{
    const struct link_info *back;
    struct packet_route route;
    int zone;

    if (!strcmp(packet->from, "local"))
        return 0;
    packet_test_route_find(packet, NULL, packet->source, 0, 0, &route);
    back = route.type == RTN_UNICAST ? find_index(&result->links, route.oif) : NULL;
    result->back = back;
    zone = policy_zone_number(result->policy, packet->from);
    if (!*packet->from)
        result->in = back;
    else if (zone > 0)
        result->in = of_zone(result, (unsigned)zone - 1, back);
    else
        result->in = link_find(&result->links, packet->from);
    if (result->in)
        return 0;
    if (zone > 0)
        return orb_fail_at(err, ORB_E_NOT_FOUND, "/from",
                           "none of the interfaces of zone %s exists now", packet->from);
    if (*packet->from)
        return unknown_from(result, packet->from, err);
    return orb_fail_at(err, ORB_E_NOT_FOUND, "/source",
                       "there is no route to the source, so the interface it comes in by is not "
                       "known; name it with \"from\"");
}

/* ---- the policy ---- */

static struct classify_header header_of(const struct packet_test *packet,
                                        const struct packet_result *result,
                                        const struct flow_end *destination)
{
    struct classify_header header = {.family = packet->family,
                                     .protocol = packet->protocol,
                                     .source_port = packet->source_port,
                                     .destination_port = destination->port};

    memcpy(header.source, packet->source, 16);
    memcpy(header.destination, destination->address, 16);
    if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6)
        header.destination_port = (uint16_t)(packet->icmp_type << 8 | packet->icmp_code);
    if (result->in)
        header.zone_from = (uint8_t)policy_interface_zone(result->policy, result->in->name);
    return header;
}

static bool has_mac(const struct policy_more *more, const uint8_t mac[6])
{
    for (unsigned i = 0; i < more->mac_count; i++)
        if (!memcmp(more->macs[i], mac, 6))
            return true;
    return false;
}

static void depend(struct packet_result *result, uint32_t rule, const char *on)
{
    if (result->depend_count < PACKET_TEST_DEPENDS)
        result->depends[result->depend_count++] = (struct packet_test_depends){rule, on};
}

/* What the classifier does not see: flags, MAC addresses, rates. */
static bool matches_more(const struct packet_test *packet, struct packet_result *result,
                         const struct policy_rule *rule)
{
    const struct policy_more *more = rule->more;

    if (more && more->tcp_mask && (SYN & more->tcp_mask) != more->tcp_flags)
        return false;
    if (more && more->mac_count && !packet->has_mac) {
        depend(result, rule->id, "source-mac");
        if (!more->macs_not)
            return false;
    } else if (more && more->mac_count && has_mac(more, packet->mac) == more->macs_not) {
        return false;
    }
    if (rule->limited)
        depend(result, rule->id, "limit");
    return true;
}

/* As the hook's chain evaluates the rule. */
static bool matches(const struct packet_test *packet, struct packet_result *result,
                    const struct policy_rule *rule, const struct classify_header *header)
{
    struct policy_rule here = *rule;
    struct policy_more more;

    if (!nft_match_hook(rule, result->hook == FLOW_HOOK_OUTPUT, result->hook == FLOW_HOOK_INPUT))
        return false;
    if (result->hook == FLOW_HOOK_INPUT)
        here.to[0] = 0;
    if (result->hook == FLOW_HOOK_OUTPUT)
        here.from[0] = 0;
    if (result->untracked && here.more && (here.more->states & POLICY_UNTRACKED)) {
        more = *here.more;
        more.states = 0;
        here.more = &more;
    } else if (result->untracked && here.more && here.more->states) {
        return false;
    }
    return classify_linear_matches(result->policy, &here, header) &&
           matches_more(packet, result, rule);
}

static void evaluate(const struct packet_test *packet, const struct classify_header *header,
                     struct packet_result *result)
{
    const struct policy *policy = result->policy;

    result->action = result->hook == FLOW_HOOK_FORWARD ? policy->defaults.forward
                     : result->hook == FLOW_HOOK_INPUT ? policy->defaults.input
                                                       : policy->defaults.output;
    for (unsigned i = 0; i < policy->rule_count; i++)
        if (matches(packet, result, &policy->rules[i], header)) {
            result->rule = &policy->rules[i];
            result->action = result->rule->action;
            return;
        }
}

static bool is_untracked(const struct packet_test *packet, const struct packet_result *result,
                         const struct flow_end *destination)
{
    struct classify_header header = header_of(packet, result, destination);
    int found;

    if (!result->in)
        header.zone_from = POLICY_ZONE_LOCAL;
    found = classify_linear_track(result->policy, &header);
    return found >= 0 && result->policy->notracks[found].action == POLICY_NOTRACK;
}

/* ---- the way ---- */

static void route(const struct packet_test *packet, const struct flow_end *destination,
                  struct packet_result *result)
{
    packet_test_route_find(packet, packet->source, destination->address, destination->port,
                           result->in ? result->in->ifindex : 0, &result->route);
    result->out = NULL;
    if (!result->route.error && result->route.type == RTN_UNICAST)
        result->out = find_index(&result->links, result->route.oif);
}

static void translate_target(const struct packet_test *packet, struct packet_result *result,
                             struct flow *flow, struct flow_way *way)
{
    result->target = flow_nat_of(result->policy, false, flow, way);
    if (result->target.kind != FLOW_NAT_TO)
        return;
    memcpy(flow->reply[0].address, result->target.address, 16);
    if (result->target.port)
        flow->reply[0].port = result->target.port;
    route(packet, &flow->reply[0], result);
}

/* From the hook on: where it is routed to decides which. */
static void choose_hook(struct packet_result *result)
{
    uint8_t type = result->route.type;

    if (!result->in)
        result->hook = FLOW_HOOK_OUTPUT;
    else if (type == RTN_LOCAL || type == RTN_BROADCAST || type == RTN_MULTICAST)
        result->hook = FLOW_HOOK_INPUT;
    else
        result->hook = FLOW_HOOK_FORWARD;
    result->routed = !result->route.error &&
                     (result->hook == FLOW_HOOK_INPUT || type == RTN_UNICAST || type == RTN_LOCAL);
}

static void evaluate_all(const struct packet_test *packet, struct packet_result *result)
{
    struct flow flow = {
        .family = packet->family,
        .protocol = packet->protocol,
        .icmp_type = packet->icmp_type,
        .icmp_code = packet->icmp_code,
        .original = {{.port = packet->source_port}, {.port = packet->destination_port}}};
    struct flow_way way = {.hook = result->in ? FLOW_HOOK_FORWARD : FLOW_HOOK_OUTPUT,
                           .in = name_of(result->in),
                           .out = ""};
    struct classify_header header;
    const struct link_info *before;

    memcpy(flow.original[0].address, packet->source, 16);
    memcpy(flow.original[1].address, packet->destination, 16);
    flow.reply[0] = flow.original[1];
    flow.reply[1] = flow.original[0];
    route(packet, &flow.original[1], result);
    way.own = !result->route.error && result->route.type == RTN_LOCAL;
    result->loopback = !result->in && way.own;
    result->untracked = is_untracked(packet, result, &flow.original[1]);
    before = result->out;
    if (!result->untracked && !result->loopback)
        translate_target(packet, result, &flow, &way);
    choose_hook(result);
    if (!result->routed || result->loopback)
        return;
    header = header_of(packet, result, &flow.reply[0]);
    if (result->hook == FLOW_HOOK_OUTPUT) /* the route before translation */
        header.zone_to = (uint8_t)policy_interface_zone(result->policy, name_of(before));
    else if (result->hook == FLOW_HOOK_FORWARD)
        header.zone_to = (uint8_t)policy_interface_zone(result->policy, name_of(result->out));
    evaluate(packet, &header, result);
    way.hook = result->hook;
    way.out = name_of(result->out);
    if (!result->untracked && result->action == POLICY_ACCEPT)
        result->source = flow_nat_of(result->policy, true, &flow, &way);
    if (result->source.kind == FLOW_NAT_MASQUERADE) /* the address it would itself send with */
        packet_test_route_find(packet, NULL, flow.reply[0].address, flow.reply[0].port, 0,
                               &result->leaving);
}

static const struct port *port_of(const struct dataplane *dp, const struct link_info *in)
{
    for (unsigned i = 0; in && i < dp->ports.count; i++)
        if (dp->ports.items[i].ifindex == in->ifindex && dp->ports.items[i].mode != PORT_OFF)
            return &dp->ports.items[i];
    return NULL;
}

int packet_test_run(struct dataplane *dataplane, const struct dataplane_compiled *compiled,
                    const struct packet_test *packet, struct buf *ret_json, struct orb_err *err)
{
    struct packet_result result = {0};
    int r;

    if (!compiled)
        compiled = dataplane->current;
    if (!compiled || dataplane->detached)
        return orb_fail(err, ORB_E_STATE,
                        dataplane->detached
                            ? DETACHED
                            : "no policy is in force that could be tested: the firewall service "
                              "has not sent one since the daemon started");
    result.policy = &compiled->policy;
    r = link_read(&result.links, err);
    if (!r)
        r = find_in(packet, &result, err);
    if (!r) {
        evaluate_all(packet, &result);
        result.port = port_of(dataplane, result.in);
        if (result.port && packet_test_programs_run(dataplane, compiled, packet, &result, err) < 0)
            snprintf(result.note, sizeof(result.note), "the programs could not be run: %.280s",
                     err->text);
        packet_test_report_write(dataplane, packet, &result, ret_json);
    }
    own_link_list(&result.links);
    return r;
}
