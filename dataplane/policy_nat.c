/* Reading NAT rules of a `put` payload. One target address decides the rule's family. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/policy_internal.h"

struct nat_draft {
    struct policy_nat *nat;
    const struct policy_groups *groups;
    bool has_action, has_target;
    bool fold; /* several ports may go to one */
};

static int read_zone(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return policy_read_name(value, ((struct nat_draft *)to)->nat->zone, POLICY_NAME, at, err);
}

static int read_protocol(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return policy_lists_read_protocol(value, &((struct nat_draft *)to)->nat->protocol, at, err);
}

static int read_sources(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    const struct nat_draft *draft = to;
    struct policy_nat *nat = draft->nat;

    return policy_lists_read_ranges(value, draft->groups, NULL, &nat->sources, &nat->source_count,
                                    at, err);
}

static int read_destinations(void *to, const json_t *value, const struct place *at,
                             struct orb_err *err)
{
    const struct nat_draft *draft = to;
    struct policy_nat *nat = draft->nat;

    return policy_lists_read_ranges(value, draft->groups, NULL, &nat->destinations,
                                    &nat->destination_count, at, err);
}

static int read_source_ports(void *to, const json_t *value, const struct place *at,
                             struct orb_err *err)
{
    const struct nat_draft *draft = to;
    struct policy_nat *nat = draft->nat;

    return policy_lists_read_ports(value, draft->groups, false, &nat->source_ports,
                                   &nat->source_port_count, at, err);
}

static int read_destination_ports(void *to, const json_t *value, const struct place *at,
                                  struct orb_err *err)
{
    const struct nat_draft *draft = to;
    struct policy_nat *nat = draft->nat;

    return policy_lists_read_ports(value, draft->groups, false, &nat->destination_ports,
                                   &nat->destination_port_count, at, err);
}

static int read_port(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    const struct nat_draft *draft = to;
    struct policy_nat *nat = draft->nat;
    int r = policy_lists_read_ports(value, draft->groups, true, &nat->destination_ports,
                                    &nat->destination_port_count, at, err);

    if (r == 0 && nat->destination_port_count && !nat->destination_ports[0].lo)
        return policy_read_expected(at, "a port or range of 1 to 65535", value, err);
    return r;
}

static int read_fold(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    if (!json_is_boolean(value))
        return policy_read_expected(at, "true or false", value, err);
    ((struct nat_draft *)to)->fold = json_is_true(value);
    return 0;
}

static int read_source_action(void *to, const json_t *value, const struct place *at,
                              struct orb_err *err)
{
    static const char *const words[] = {"snat", "masquerade", "none"};
    struct nat_draft *draft = to;
    int index = 0, r = policy_read_word(value, words, ARRAY_LEN(words), &index, at, err);

    draft->has_action = true;
    draft->nat->action = (enum policy_nat_action)index;
    return r;
}

static int read_destination_action(void *to, const json_t *value, const struct place *at,
                                   struct orb_err *err)
{
    static const char *const words[] = {"dnat", "none"};
    int index = 0, r = policy_read_word(value, words, ARRAY_LEN(words), &index, at, err);

    ((struct nat_draft *)to)->nat->action = index ? POLICY_NAT_NONE : POLICY_NAT_TRANSLATE;
    return r;
}

/* "10.1.0.2", "10.1.0.2:80", "10.1.0.2:80-89", "2001:db8::2", "[2001:db8::2]:80". */
static bool parse_target(const char *text, struct policy_nat *nat)
{
    const char *end = NULL, *port = NULL, *why;
    char address[INET6_ADDRSTRLEN];
    size_t len;

    if (*text == '[') {
        text++;
        end = strchr(text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        port = end[1] ? end + 2 : NULL;
    } else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
        end = strchr(text, ':');
        port = end + 1;
    }
    len = end ? (size_t)(end - text) : strlen(text);
    if (len >= sizeof(address))
        return false;
    memcpy(address, text, len);
    address[len] = 0;
    if (strpbrk(address, "/-") || !policy_text_parse_range(address, &nat->to_address, &why))
        return false;
    if (!port)
        return true;
    return policy_text_parse_ports(port, &nat->to_ports, &why) && nat->to_ports.lo;
}

/* Addresses that no routed packet has; NULL: it may be used. */
static const char *impossible(const struct policy_range *address)
{
    static const uint8_t zero[15];
    const uint8_t *a = address->lo;

    if (address->family == AF_INET && a[0] == 255 && a[1] == 255 && a[2] == 255 && a[3] == 255)
        return "the broadcast address";
    if (address->family == AF_INET)
        return a[0] == 0               ? "an unspecified address"
               : a[0] == 127           ? "a loopback address"
               : a[0] >> 4 == 224 >> 4 ? "a multicast address"
                                       : NULL;
    if (!memcmp(a, zero, 15) && a[15] <= 1)
        return a[15] ? "the loopback address" : "the unspecified address";
    return a[0] == 0xff ? "a multicast address" : NULL;
}

static int read_target(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct nat_draft *draft = to;
    const char *why;

    draft->has_target = true;
    if (!json_is_string(value) || !parse_target(json_string_value(value), draft->nat))
        return policy_read_expected(at,
                                    draft->nat->source
                                        ? "one address alone, like 192.0.2.1 or 2001:db8::1"
                                        : "one address or address:port, like 10.1.0.2:80, "
                                          "10.1.0.2:8000-8009 or [fd00::2]:80",
                                    value, err);
    why = impossible(&draft->nat->to_address);
    if (why)
        return policy_read_fail(at, err, "%s is %s; nothing can be translated to it",
                                json_string_value(value), why);
    return 0;
}

/* An address of the target's family is in each list. */
static int check_family(const struct policy_nat *nat, const struct policy_range *ranges,
                        unsigned count, const char *list, const struct place *at,
                        struct orb_err *err)
{
    struct place here = {at, list, 0};

    for (unsigned i = 0; i < count; i++)
        if (ranges[i].family == nat->to_address.family)
            return 0;
    return count ? policy_read_fail(&here, err, "no address here is of the family of translate-to")
                 : 0;
}

static int check_families(const struct policy_nat *nat, const struct place *at, struct orb_err *err)
{
    int r = 0;

    if (nat->action == POLICY_NAT_TRANSLATE)
        r = check_family(nat, nat->sources, nat->source_count, "source", at, err);
    if (r == 0 && nat->action == POLICY_NAT_TRANSLATE)
        r = check_family(nat, nat->destinations, nat->destination_count, "destination", at, err);
    return r;
}

static int check_ports(const struct policy_nat *nat, const struct place *at, struct orb_err *err)
{
    if ((nat->source_port_count || nat->destination_port_count || nat->to_ports.lo) &&
        !policy_has_ports(nat->protocol))
        return policy_read_fail(at, err, "ports need protocol tcp or udp, or tcp_udp for both");
    return 0;
}

static int check_source(const struct nat_draft *draft, const struct place *at, struct orb_err *err)
{
    const struct policy_nat *nat = draft->nat;
    struct place target = {at, "translate-to", 0};
    int r;

    if (!*nat->zone)
        return policy_read_fail(at, err, "source NAT needs \"to\", the zone packets leave to");
    if (nat->action == POLICY_NAT_MASQUERADE && draft->has_target)
        return policy_read_fail(at, err,
                                "masquerade takes the interface's address; leave translate-to "
                                "out or use action snat");
    if (nat->action == POLICY_NAT_NONE && draft->has_target)
        return policy_read_fail(at, err, "an exception translates nothing; leave translate-to out");
    if (nat->action == POLICY_NAT_TRANSLATE && !draft->has_target)
        return policy_read_fail(at, err,
                                "source NAT needs action masquerade or none, or an address in "
                                "translate-to");
    if (nat->to_ports.lo)
        return policy_read_fail(&target, err,
                                "the port of source NAT is chosen by the kernel; give an "
                                "address alone");
    r = check_ports(nat, at, err);
    return r < 0 ? r : check_families(nat, at, err);
}

static unsigned count_ports(const struct policy_nat *nat)
{
    unsigned count = 0;

    if (!nat->destination_port_count)
        return 65535;
    for (unsigned i = 0; i < nat->destination_port_count; i++)
        count += nat->destination_ports[i].hi - nat->destination_ports[i].lo + 1u;
    return count;
}

/* Ports of the target: one for one, or a range for a range as long. Anything else would send
 * several ports to one, which is rarely meant. */
static int check_target_ports(const struct nat_draft *draft, const struct place *at,
                              struct orb_err *err)
{
    const struct policy_nat *nat = draft->nat;
    unsigned from = count_ports(nat), to = nat->to_ports.hi - nat->to_ports.lo + 1u;
    struct place here = {at, "translate-to", 0};

    if (!nat->to_ports.lo || (from == to && nat->destination_port_count < 2))
        return 0;
    if (to == 1 && draft->fold)
        return 0;
    if (to == 1)
        return policy_read_fail(
            &here, err,
            "%u ports would all go to port %u; give a range as long as theirs, leave "
            "the port out to keep each, or set fold to true if that is wanted",
            from, nat->to_ports.lo);
    if (nat->destination_port_count > 1)
        return policy_read_fail(
            &here, err,
            "a list of ports cannot go to a range; give one range as long, or make "
            "an entry for each part of the list");
    return policy_read_fail(
        &here, err, "%u port%s cannot go to %u; the range must be as long as the one of \"port\"",
        from, from == 1 ? "" : "s", to);
}

static int check_destination(const struct nat_draft *draft, const struct place *at,
                             struct orb_err *err)
{
    const struct policy_nat *nat = draft->nat;
    int r;

    if (nat->action == POLICY_NAT_NONE && draft->has_target)
        return policy_read_fail(at, err, "an exception translates nothing; leave translate-to out");
    if (nat->action != POLICY_NAT_NONE && !draft->has_target)
        return policy_read_fail(at, err,
                                "destination NAT needs translate-to, an address or "
                                "address:port, or action none");
    r = check_ports(nat, at, err);
    if (r == 0)
        r = check_families(nat, at, err);
    return r < 0 ? r : check_target_ports(draft, at, err);
}

int policy_nat_read(struct policy_nat *nat, const struct policy_groups *groups, const char *key,
                    bool source, const json_t *value, const struct place *at, struct orb_err *err)
{
    static const struct member source_members[] = {{"to", read_zone},
                                                   {"protocol", read_protocol},
                                                   {"source", read_sources},
                                                   {"destination", read_destinations},
                                                   {"source-ports", read_source_ports},
                                                   {"destination-ports", read_destination_ports},
                                                   {"action", read_source_action},
                                                   {"translate-to", read_target}};
    static const struct member destination_members[] = {{"from", read_zone},
                                                        {"protocol", read_protocol},
                                                        {"source", read_sources},
                                                        {"destination", read_destinations},
                                                        {"source-ports", read_source_ports},
                                                        {"port", read_port},
                                                        {"fold", read_fold},
                                                        {"action", read_destination_action},
                                                        {"translate-to", read_target}};
    struct nat_draft draft = {.nat = nat, .groups = groups};
    int r;

    nat->id = policy_rule_key(key);
    nat->source = source;
    nat->protocol = -1;
    r = source
            ? policy_read_members(&draft, value, source_members, ARRAY_LEN(source_members), at, err)
            : policy_read_members(&draft, value, destination_members,
                                  ARRAY_LEN(destination_members), at, err);
    if (r < 0)
        return r;
    return source ? check_source(&draft, at, err) : check_destination(&draft, at, err);
}
