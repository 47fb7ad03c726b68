#include "plugins/lib/prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* A decimal number up to max without sign, blanks or leading zeros; -1 otherwise. */
static int small_number(const char *text, int max)
{
    int n = 0;

    if (!*text || (text[0] == '0' && text[1]))
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        n = n * 10 + (*text - '0');
        if (n > max)
            return -1;
    }
    return n;
}

const char *prefix_parse(const char *text, struct prefix *ret_prefix)
{
    const char *slash = strchr(text, '/');
    char address[INET6_ADDRSTRLEN];
    struct prefix p = {0};
    int len;

    if (!slash)
        return "has no prefix length; expected ADDRESS/LENGTH";
    if ((size_t)(slash - text) >= sizeof(address))
        return "is not an address with a prefix length";
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = 0;
    if (address_parse(address, &p.address) < 0)
        return "is not an IPv4 or IPv6 address with a prefix length";
    len = small_number(slash + 1, (int)address_size(p.address.family) * 8);
    if (len < 0)
        return p.address.family == AF_INET ? "has no prefix length between 0 and 32"
                                           : "has no prefix length between 0 and 128";
    p.len = (uint8_t)len;
    *ret_prefix = p;
    return NULL;
}

/* Sets every bit after the first len ones. */
static void set_host_bits(struct address *a, unsigned len)
{
    for (unsigned bit = len; bit < address_size(a->family) * 8; bit++)
        a->bytes[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
}

static const char *span_parse(const char *text, const char *dash, struct address *ret_lo,
                              struct address *ret_hi)
{
    char first[INET6_ADDRSTRLEN];
    struct address lo, hi;

    if ((size_t)(dash - text) >= sizeof(first))
        return "is not an address range";
    memcpy(first, text, (size_t)(dash - text));
    first[dash - text] = 0;
    if (address_parse(first, &lo) < 0 || address_parse(dash + 1, &hi) < 0)
        return "is not an address range; expected FIRST-LAST";
    if (lo.family != hi.family)
        return "mixes IPv4 and IPv6 in one range";
    if (memcmp(lo.bytes, hi.bytes, address_size(lo.family)) > 0)
        return "is a range whose first address is above its last";
    *ret_lo = lo;
    *ret_hi = hi;
    return NULL;
}

const char *prefix_parse_range(const char *text, struct address *ret_lo, struct address *ret_hi)
{
    const char *dash = strchr(text, '-'), *wrong;
    struct prefix p, network;

    if (dash)
        return span_parse(text, dash, ret_lo, ret_hi);
    if (!strchr(text, '/')) {
        if (address_parse(text, ret_lo) < 0)
            return "is not an address, prefix or range";
        *ret_hi = *ret_lo;
        return NULL;
    }
    wrong = prefix_parse(text, &p);
    if (wrong)
        return wrong;
    network = prefix_network(&p);
    if (!prefix_equal(&p, &network))
        return "has bits set behind its prefix length";
    *ret_lo = *ret_hi = p.address;
    set_host_bits(ret_hi, p.len);
    return NULL;
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
    return a->len == b->len && address_equal(&a->address, &b->address);
}

/* Are the first len bits of two addresses of one family equal? */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned len)
{
    unsigned bytes = len / 8, rest = len % 8;

    if (memcmp(a, b, bytes))
        return false;
    return !rest || !((a[bytes] ^ b[bytes]) >> (8 - rest));
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
    return prefix->address.family == address->family &&
           same_bits(prefix->address.bytes, address->bytes, prefix->len);
}

bool prefix_overlap(const struct prefix *a, const struct prefix *b)
{
    return a->address.family == b->address.family &&
           same_bits(a->address.bytes, b->address.bytes, a->len < b->len ? a->len : b->len);
}

struct prefix prefix_network(const struct prefix *prefix)
{
    struct prefix network = *prefix;

    for (unsigned bit = prefix->len; bit < address_size(prefix->address.family) * 8; bit++)
        network.address.bytes[bit / 8] &= (uint8_t) ~(0x80 >> (bit % 8));
    return network;
}

const char *prefix_text(const struct prefix *prefix, char *to)
{
    size_t n;

    address_text(&prefix->address, to);
    n = strlen(to);
    snprintf(to + n, ADDRESS_TEXT - n, "/%u", prefix->len);
    return to;
}
