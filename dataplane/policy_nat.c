/* Reading NAT rules of a `put` payload. One target address decides the rule's family. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/policy_json.h"

struct nat_draft {
    struct policy_nat *nat;
    bool has_action, has_target;
};

static int read_zone(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return name_read(value, ((struct nat_draft *)to)->nat->zone, POLICY_NAME, at, err);
}

static int read_protocol(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return protocol_read(value, &((struct nat_draft *)to)->nat->protocol, at, err);
}

static int read_matches(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct policy_nat *nat = ((struct nat_draft *)to)->nat;

    return ranges_read(value, &nat->matches, &nat->match_count, at, err);
}

static int read_port(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct policy_nat *nat = ((struct nat_draft *)to)->nat;
    const char *why;

    if (!json_is_string(value))
        return place_expected(at, "a port as text like \"8080\" or \"8000-8010\"", value, err);
    if (!policy_parse_ports(json_string_value(value), &nat->port, &why) || !nat->port.lo)
        return place_expected(at, "a port or range of 1 to 65535", value, err);
    return 0;
}

static int read_action(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    static const char *const words[] = {"masquerade", "snat"};
    struct nat_draft *draft = to;
    int index, r = word_read(value, words, ARRAY_LEN(words), &index, at, err);

    if (r < 0)
        return r;
    draft->has_action = true;
    draft->nat->masquerade = index == 0;
    return 0;
}

/* "10.1.0.2", "10.1.0.2:80", "2001:db8::2", "[2001:db8::2]:80". */
static bool parse_target(const char *text, struct policy_nat *nat)
{
    const char *end = NULL, *port = NULL, *why;
    char address[INET6_ADDRSTRLEN];
    struct policy_ports ports;
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
    if (strpbrk(address, "/-") || !policy_parse_range(address, &nat->to_address, &why))
        return false;
    if (!port)
        return true;
    if (!policy_parse_ports(port, &ports, &why) || ports.lo != ports.hi || !ports.lo)
        return false;
    nat->to_port = ports.lo;
    return true;
}

/* What no packet can come from or go to on its way through; NULL: it may be used. */
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
        return place_expected(at, "one address or address:port, like 10.1.0.2:80 or [fd00::2]:80",
                              value, err);
    why = impossible(&draft->nat->to_address);
    if (why)
        return place_fail(at, err, "%s is %s; nothing can be translated to it",
                          json_string_value(value), why);
    return 0;
}

static int check_family(const struct policy_nat *nat, const char *list, const struct place *at,
                        struct orb_err *err)
{
    struct place here = {at, list, 0};

    for (unsigned i = 0; i < nat->match_count; i++)
        if (nat->matches[i].family == nat->to_address.family)
            return 0;
    return nat->match_count
               ? place_fail(&here, err, "no address here is of the family of translate-to")
               : 0;
}

static int check_source(const struct nat_draft *draft, const struct place *at, struct orb_err *err)
{
    const struct policy_nat *nat = draft->nat;

    if (!*nat->zone)
        return place_fail(at, err, "source NAT needs \"to\", the zone packets leave to");
    if (nat->masquerade && draft->has_target)
        return place_fail(at, err,
                          "masquerade takes the interface's address; leave translate-to "
                          "out or use \"action\": \"snat\"");
    if (!nat->masquerade && !draft->has_target)
        return place_fail(at, err,
                          "source NAT needs \"action\": \"masquerade\" or an address in "
                          "\"translate-to\"");
    if (nat->to_port)
        return place_fail(at, err,
                          "the port of source NAT is chosen by the kernel; give an "
                          "address alone in \"translate-to\"");
    return nat->masquerade ? 0 : check_family(nat, "source", at, err);
}

static int check_destination(const struct nat_draft *draft, const struct place *at,
                             struct orb_err *err)
{
    const struct policy_nat *nat = draft->nat;
    bool has_ports = nat->protocol == IPPROTO_TCP || nat->protocol == IPPROTO_UDP;

    if (!draft->has_target)
        return place_fail(at, err,
                          "destination NAT needs \"translate-to\", an address or "
                          "address:port");
    if ((nat->port.lo || nat->to_port) && !has_ports)
        return place_fail(at, err, "ports need \"protocol\": \"tcp\" or \"udp\"");
    return check_family(nat, "destination", at, err);
}

int nat_read(struct policy_nat *nat, const char *key, bool source, const json_t *value,
             const struct place *at, struct orb_err *err)
{
    static const struct member source_members[] = {{"to", read_zone},
                                                   {"protocol", read_protocol},
                                                   {"source", read_matches},
                                                   {"action", read_action},
                                                   {"translate-to", read_target}};
    static const struct member destination_members[] = {{"from", read_zone},
                                                        {"protocol", read_protocol},
                                                        {"destination", read_matches},
                                                        {"port", read_port},
                                                        {"translate-to", read_target}};
    struct nat_draft draft = {.nat = nat};
    int r;

    nat->id = rule_key(key);
    nat->source = source;
    nat->protocol = -1;
    r = source ? members_read(&draft, value, source_members, ARRAY_LEN(source_members), at, err)
               : members_read(&draft, value, destination_members, ARRAY_LEN(destination_members),
                              at, err);
    if (r < 0)
        return r;
    return source ? check_source(&draft, at, err) : check_destination(&draft, at, err);
}
