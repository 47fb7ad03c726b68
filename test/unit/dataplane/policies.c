/* See policies.h. Addresses come from few networks so that rules nest, touch and hide each other.
 */
#include "test/unit/dataplane/policies.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

uint64_t random_next(struct random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545f4914f6cdd1du;
}

uint32_t random_below(struct random *random, uint32_t below)
{
    return (uint32_t)((random_next(random) >> 32) * below >> 32);
}

static void put32(uint8_t address[16], uint32_t value)
{
    value = htonl(value);
    memset(address, 0, 16);
    memcpy(address, &value, 4);
}

static void range4(struct policy_range *range, bool narrow, struct random *random)
{
    static const unsigned prefixes[] = {0,  8,  12, 15, 16, 17, 20, 23,
                                        24, 25, 28, 30, 31, 32, 32, 32};
    uint32_t base, mask, last;

    switch (random_below(random, 8)) {
    case 0:
        base = (uint32_t)random_next(random);
        break;
    case 1:
        base = 0xffffff00u | random_below(random, 256);
        break;
    case 2:
        base = random_below(random, 256);
        break;
    case 3:
        base = 0x0a000000u | random_below(random, 1024) << 6; /* many in one /16 */
        break;
    case 4:
        base = 0xc0a80100u | random_below(random, 256); /* many in one /24 */
        break;
    default:
        base = 0x0a000000u | random_below(random, 1 << 20);
        break;
    }
    mask = prefixes[narrow ? 8 + random_below(random, ARRAY_LEN(prefixes) - 8)
                           : random_below(random, ARRAY_LEN(prefixes))];
    mask = mask ? ~0u << (32 - mask) : 0;
    last = base | ~mask;
    base &= mask;
    if (random_below(random, 6) == 0) {
        uint32_t extra = random_below(random, 300);

        last = last > UINT32_MAX - extra ? UINT32_MAX : last + extra; /* no prefix any more */
    }
    range->family = AF_INET;
    put32(range->lo, base);
    put32(range->hi, last);
}

static void range6(struct policy_range *range, bool narrow, struct random *random)
{
    static const unsigned prefixes[] = {0, 3, 16, 32, 48, 56, 63, 64, 65, 96, 127, 128, 128, 128};
    unsigned prefix = prefixes[narrow ? 5 + random_below(random, ARRAY_LEN(prefixes) - 5)
                                      : random_below(random, ARRAY_LEN(prefixes))];
    static const uint8_t net[4] = {0x20, 0x01, 0x0d, 0xb8};

    memset(range, 0, sizeof(*range));
    range->family = AF_INET6;
    memcpy(range->lo, net, sizeof(net));
    range->lo[5] = (uint8_t)random_below(random, 4);
    range->lo[7] = (uint8_t)random_below(random, 8);
    if (random_below(random, 3))
        range->lo[15] = (uint8_t)random_below(random, 64);
    else
        for (int i = 8; i < 16; i++)
            range->lo[i] = (uint8_t)random_next(random);
    if (random_below(random, 16) == 0)
        memset(range->lo, 0xff, 16);
    memcpy(range->hi, range->lo, 16);
    for (unsigned bit = prefix; bit < 128; bit++) {
        range->lo[bit / 8] &= (uint8_t) ~(0x80 >> (bit & 7));
        range->hi[bit / 8] |= (uint8_t)(0x80 >> (bit & 7));
    }
}

/* As "!" does: without one of its own addresses, or everything but it. */
static void take_out(struct policy_range **list, unsigned *count, struct random *random)
{
    struct policy_range out = (*list)[random_below(random, *count)];
    struct policy_range *kept = xcalloc(*count + 4, sizeof(*kept));
    bool all = random_below(random, 2);
    unsigned left;

    if (!all)
        memcpy(out.hi, out.lo, sizeof(out.hi));
    left = policy_set_exclude_ranges(*list, all ? 0 : *count, &out, 1, kept);
    if (!left) {
        free(kept);
        return;
    }
    free(*list);
    *list = kept;
    *count = left;
}

static void ranges(struct policy_range **list, unsigned *count, int family, bool narrow,
                   struct random *random)
{
    unsigned n = random_below(random, 4) ? 1 : 1 + random_below(random, 12);

    *list = xcalloc(n + 1, sizeof(**list));
    for (unsigned i = 0; i < n; i++) {
        bool six = family == AF_INET6 || (family == 0 && random_below(random, 2));

        if (six)
            range6(&(*list)[i], narrow, random);
        else
            range4(&(*list)[i], narrow, random);
        if (i && !six && (*list)[i - 1].family == AF_INET && random_below(random, 3) == 0) {
            uint32_t hi;

            memcpy(&hi, (*list)[i - 1].hi, 4); /* adjacent to the one before */
            put32((*list)[i].lo, ntohl(hi) + (ntohl(hi) != UINT32_MAX));
            if (memcmp((*list)[i].lo, (*list)[i].hi, 4) > 0)
                memcpy((*list)[i].hi, (*list)[i].lo, 16);
        }
    }
    *count = policy_set_merge_ranges(*list, n);
    if (random_below(random, 6) == 0)
        take_out(list, count, random);
}

static void ports(struct policy_ports **list, unsigned *count, struct random *random)
{
    static const struct policy_ports edges[] = {{0, 0},     {65535, 65535}, {0, 65535}, {1, 65535},
                                                {0, 65534}, {80, 80},       {81, 81},   {79, 443},
                                                {443, 443}, {1024, 65535},  {0, 1023},  {53, 53}};
    unsigned n = random_below(random, 3) ? 1 : 1 + random_below(random, 6);

    *list = xcalloc(n, sizeof(**list));
    for (unsigned i = 0; i < n; i++) {
        if (random_below(random, 2)) {
            (*list)[i] = edges[random_below(random, ARRAY_LEN(edges))];
        } else {
            uint16_t lo = (uint16_t)random_next(random);

            (*list)[i] =
                (struct policy_ports){lo, (uint16_t)(lo + random_below(random, 65536u - lo) %
                                                              (1 + random_below(random, 99)))};
        }
    }
    *count = policy_set_merge_ports(*list, n);
}

static void zone(char name[POLICY_NAME], struct random *random)
{
    static const char *const names[] = {"", "", "lan", "wan", "dmz", "guest"};
    unsigned choice = random_below(random, ARRAY_LEN(names));

    snprintf(name, POLICY_NAME, "%s", names[choice]);
}

static void copy_addresses(const struct policy_rule *from, struct policy_rule *to)
{
    to->source_count = from->source_count;
    to->destination_count = from->destination_count;
    to->sources = xcalloc(from->source_count + 1, sizeof(*to->sources));
    to->destinations = xcalloc(from->destination_count + 1, sizeof(*to->destinations));
    if (from->source_count)
        memcpy(to->sources, from->sources, from->source_count * sizeof(*to->sources));
    if (from->destination_count)
        memcpy(to->destinations, from->destinations,
               from->destination_count * sizeof(*to->destinations));
}

/* What the classifier cannot look up, or not alone. The packets of the tests are SYNs from
 * 02:02:02:02:02:02. */
static void add_more(struct policy_rule *rule, struct random *random)
{
    static const uint8_t states[] = {POLICY_NEW, POLICY_NEW | POLICY_ESTABLISHED,
                                     POLICY_ESTABLISHED, POLICY_UNTRACKED,
                                     POLICY_NEW | POLICY_UNTRACKED};
    struct policy_more *more = xcalloc(1, sizeof(*more));

    rule->more = more;
    if (random_below(random, 2)) {
        more->mac_count = 1 + random_below(random, 3);
        more->macs = xcalloc(more->mac_count, sizeof(*more->macs));
        more->macs_not = random_below(random, 2);
        for (unsigned i = 0; i < more->mac_count; i++)
            memset(more->macs[i], (int)random_below(random, 2) * 2 + (int)i, 6);
    }
    if (rule->protocol == 6 && random_below(random, 2)) {
        more->tcp_mask = (uint8_t)(random_next(random) | 2);
        more->tcp_flags = random_below(random, 3) ? 2 : more->tcp_mask & 0x12;
    }
    if (random_below(random, 3) == 0)
        more->states = states[random_below(random, ARRAY_LEN(states))];
    rule->log = random_below(random, 3) == 0;
    if (rule->log && random_below(random, 2))
        more->log_limit = (struct policy_limit){1 + random_below(random, 100), 60, 5};
    if (rule->action == POLICY_REJECT)
        rule->reject = (enum policy_reject)(POLICY_REJECT_PORT + random_below(random, 4));
}

bool policies_asks(const struct policy_rule *rule, const struct classify_header *header)
{
    static const uint8_t mac[6] = {2, 2, 2, 2, 2, 2};
    const struct policy_more *more = rule->more;
    bool listed = false;

    if (!more)
        return true;
    for (unsigned i = 0; i < more->mac_count; i++)
        listed |= !memcmp(more->macs[i], mac, 6);
    return (!more->mac_count || listed != more->macs_not) &&
           (!more->tcp_mask ||
            (header->protocol == 6 && (2 & more->tcp_mask) == more->tcp_flags)) &&
           (!more->states || (more->states & POLICY_NEW));
}

static void random_rule(struct policy *policy, const struct policies_shape *shape,
                        struct random *random)
{
    static const int protocols[] = {-1, 6, 6,  POLICY_TCP_UDP, 17, 17, IPPROTO_ICMP, IPPROTO_ICMPV6,
                                    47, 0, 255};
    unsigned n = policy->rule_count;
    struct policy_rule *rule = &policy->rules[n];
    int family = !shape->six ? AF_INET : (int[]){AF_INET, AF_INET6, 0}[random_below(random, 3)];

    /* About eight wide rules in any policy, or the first would hide all others. */
    bool narrow = random_below(random, shape->rules / 8 + 1) != 0;

    rule->id = (n + 1) * 10;
    rule->icmp_type = rule->icmp_code = -1;
    rule->protocol = protocols[random_below(random, shape->plain ? 6 : ARRAY_LEN(protocols))];
    rule->action = (enum policy_action)random_below(random, shape->plain ? 2 : 3);
    if (shape->zones) {
        zone(rule->from, random);
        zone(rule->to, random);
    }
    if (n && random_below(random, 12) == 0) {
        copy_addresses(&policy->rules[random_below(random, n)], rule);
    } else {
        if (narrow || random_below(random, 4))
            ranges(&rule->sources, &rule->source_count, family, narrow, random);
        if (narrow || random_below(random, 5))
            ranges(&rule->destinations, &rule->destination_count, family, narrow, random);
    }
    if (policy_has_ports(rule->protocol)) {
        if (random_below(random, 5) == 0)
            ports(&rule->source_ports, &rule->source_port_count, random);
        if (random_below(random, 4))
            ports(&rule->destination_ports, &rule->destination_port_count, random);
    } else if (rule->protocol == IPPROTO_ICMP || rule->protocol == IPPROTO_ICMPV6) {
        rule->icmp_type = random_below(random, 3) ? (int)random_below(random, 256) : -1;
        if (rule->icmp_type >= 0 && random_below(random, 2))
            rule->icmp_code = (int)random_below(random, 4) * 85;
    }
    if (shape->more && random_below(random, 3) == 0) {
        rule->from_not = *rule->from && random_below(random, 2);
        rule->to_not = *rule->to && random_below(random, 2);
        add_more(rule, random);
    }
    policy->rule_count++;
}

void policies_random(struct policy *policy, const struct policies_shape *shape,
                     struct random *random)
{
    static const char *const names[] = {"dmz", "guest", "lan", "wan"};

    policy_init(policy);
    policy->zones = xcalloc(ARRAY_LEN(names), sizeof(*policy->zones));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct policy_zone *at = &policy->zones[policy->zone_count++];

        snprintf(at->name, sizeof(at->name), "%s", names[i]);
        at->interfaces = xcalloc(1, sizeof(*at->interfaces));
        snprintf(at->interfaces[0], sizeof(at->interfaces[0]), "%s0", names[i]);
        at->interface_count = 1;
    }
    policy->rules = xcalloc(shape->rules + 1, sizeof(*policy->rules));
    while (policy->rule_count < shape->rules)
        random_rule(policy, shape, random);
}

static void step(uint8_t address[16], unsigned bytes, int by)
{
    for (unsigned i = bytes; i-- > 0;) {
        unsigned before = address[i];

        address[i] = (uint8_t)(address[i] + by);
        if (by > 0 ? before != 255 : before != 0)
            break;
    }
}

static void random_address(uint8_t address[16], int family, struct random *random)
{
    memset(address, 0, 16);
    for (unsigned i = 0; i < (family == AF_INET ? 4u : 16u); i++)
        address[i] = (uint8_t)random_next(random);
}

/* Inside a range: lo with the low bits that fit below hi drawn anew. */
static void inside(const struct policy_range *range, uint8_t address[16], unsigned bytes,
                   struct random *random)
{
    memcpy(address, range->lo, 16);
    for (unsigned i = bytes; i-- > 0;) {
        uint8_t keep = address[i];

        address[i] = (uint8_t)random_next(random);
        if (memcmp(address, range->lo, bytes) < 0 || memcmp(address, range->hi, bytes) > 0)
            address[i] = keep;
    }
}

static void pick_address(const struct policy_range *list, unsigned count, int family,
                         uint8_t address[16], struct random *random)
{
    unsigned bytes = family == AF_INET ? 4 : 16;
    const struct policy_range *range = count ? &list[random_below(random, count)] : NULL;

    if (!range || range->family != family) {
        random_address(address, family, random);
        return;
    }
    switch (random_below(random, 8)) {
    case 0:
        memcpy(address, range->lo, 16);
        break;
    case 1:
        memcpy(address, range->hi, 16);
        break;
    case 2:
        memcpy(address, range->lo, 16);
        step(address, bytes, -1);
        break;
    case 3:
        memcpy(address, range->hi, 16);
        step(address, bytes, 1);
        break;
    case 4:
        inside(range, address, bytes, random);
        address[random_below(random, bytes)] ^= (uint8_t)(1 << random_below(random, 8));
        break;
    default:
        inside(range, address, bytes, random);
        break;
    }
}

static uint16_t pick_port(const struct policy_ports *list, unsigned count, struct random *random)
{
    const struct policy_ports *one = count ? &list[random_below(random, count)] : NULL;
    uint32_t choice = random_below(random, 6);

    if (!one)
        return choice == 0 ? 0 : choice == 1 ? 65535 : (uint16_t)random_next(random);
    switch (choice) {
    case 0:
        return one->lo;
    case 1:
        return one->hi;
    case 2:
        return (uint16_t)(one->lo - 1);
    case 3:
        return (uint16_t)(one->hi + 1);
    default:
        return (uint16_t)(one->lo + random_below(random, (uint32_t)(one->hi - one->lo) + 1));
    }
}

void policies_header(const struct policy *policy, struct random *random,
                     struct classify_header *ret_header)
{
    const struct policy_rule *rule = &policy->rules[random_below(random, policy->rule_count)];
    unsigned families = policy_rule_families(rule);
    struct classify_header header = {.zone_from = (uint8_t)random_below(random, 6),
                                     .zone_to = (uint8_t)random_below(random, 6)};

    header.family = families == POLICY_IPV4 || (families != POLICY_IPV6 && random_below(random, 2))
                        ? AF_INET
                        : AF_INET6;
    if (*rule->from && random_below(random, 8))
        header.zone_from = (uint8_t)policy_zone_number(policy, rule->from);
    if (*rule->to && random_below(random, 8))
        header.zone_to = (uint8_t)policy_zone_number(policy, rule->to);
    header.protocol = random_below(random, 2) ? 6 : 17;
    if (rule->protocol >= 0 && rule->protocol != POLICY_TCP_UDP && random_below(random, 16))
        header.protocol = (uint8_t)rule->protocol;
    pick_address(rule->sources, rule->source_count, header.family, header.source, random);
    pick_address(rule->destinations, rule->destination_count, header.family, header.destination,
                 random);
    header.source_port = pick_port(rule->source_ports, rule->source_port_count, random);
    header.destination_port =
        pick_port(rule->destination_ports, rule->destination_port_count, random);
    if (rule->icmp_type >= 0) {
        int code = rule->icmp_code < 0 ? (int)random_below(random, 256) : rule->icmp_code;

        header.destination_port =
            (uint16_t)((rule->icmp_type << 8 | code) + (int)random_below(random, 3) - 1);
    }
    *ret_header = header;
}
