/* Addresses and ports as text: parsing, printing. Ranges are kept whole, not split into prefixes:
 * nft and the classifier both use intervals. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/policy.h"

static unsigned range_bytes(const struct policy_range *range)
{
    return range->family == AF_INET ? 4 : 16;
}

/* Decimal without sign, blank or leading zero; -1 otherwise or above limit. */
static long parse_decimal(const char *text, size_t len, long limit)
{
    long value = 0;

    if (!len || len > 5 || (len > 1 && text[0] == '0'))
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value > limit ? -1 : value;
}

static int parse_address(const char *text, size_t len, uint8_t to[16])
{
    char copy[INET6_ADDRSTRLEN];
    int family;

    if (len >= sizeof(copy))
        return -1;
    memcpy(copy, text, len);
    copy[len] = 0;
    family = memchr(text, ':', len) ? AF_INET6 : AF_INET;
    memset(to, 0, 16);
    return inet_pton(family, copy, to) == 1 ? family : -1;
}

static bool parse_prefix(const char *digits, struct policy_range *range, const char **ret_why)
{
    int bits = (int)range_bytes(range) * 8;
    long prefix = parse_decimal(digits, strlen(digits), bits);

    if (prefix < 0) {
        *ret_why =
            bits == 32 ? "the prefix length must be 0 to 32" : "the prefix length must be 0 to 128";
        return false;
    }
    for (int bit = (int)prefix; bit < bits; bit++) {
        uint8_t mask = (uint8_t)(0x80 >> (bit & 7));

        if (range->lo[bit / 8] & mask) {
            *ret_why = "bits are set behind the prefix";
            return false;
        }
        range->hi[bit / 8] |= mask;
    }
    return true;
}

bool policy_text_parse_range(const char *text, struct policy_range *ret_range, const char **ret_why)
{
    size_t len = strcspn(text, "/-");
    struct policy_range range = {0};
    int family = parse_address(text, len, range.lo);

    if (family < 0) {
        *ret_why = "expected an address, a CIDR like 192.0.2.0/24 or a range a-b";
        return false;
    }
    range.family = (uint8_t)family;
    memcpy(range.hi, range.lo, sizeof(range.hi));
    if (text[len] == '/' && !parse_prefix(text + len + 1, &range, ret_why))
        return false;
    if (text[len] == '-') {
        const char *last = text + len + 1;

        if (parse_address(last, strlen(last), range.hi) != family) {
            *ret_why = "expected an address of the same family behind the \"-\"";
            return false;
        }
        if (memcmp(range.lo, range.hi, sizeof(range.lo)) > 0) {
            *ret_why = "the range ends before it begins";
            return false;
        }
    }
    *ret_range = range;
    return true;
}

bool policy_text_parse_ports(const char *text, struct policy_ports *ret_ports, const char **ret_why)
{
    size_t len = strcspn(text, "-");
    long lo = parse_decimal(text, len, 65535), hi = lo;

    if (text[len] == '-')
        hi = parse_decimal(text + len + 1, strlen(text + len + 1), 65535);
    if (lo < 0 || hi < 0) {
        *ret_why = "expected a port like 80 or a range like 1024-65535, 0 to 65535";
        return false;
    }
    if (lo > hi) {
        *ret_why = "the range ends before it begins";
        return false;
    }
    *ret_ports = (struct policy_ports){(uint16_t)lo, (uint16_t)hi};
    return true;
}

/* Prefix length when the range is one, else -1. */
static int prefix_of(const struct policy_range *range)
{
    int bits = (int)range_bytes(range) * 8, prefix = 0;

    while (prefix < bits &&
           !((range->lo[prefix / 8] ^ range->hi[prefix / 8]) & (0x80 >> (prefix & 7))))
        prefix++;
    for (int bit = prefix; bit < bits; bit++) {
        uint8_t mask = (uint8_t)(0x80 >> (bit & 7));

        if ((range->lo[bit / 8] & mask) || !(range->hi[bit / 8] & mask))
            return -1;
    }
    return prefix;
}

void policy_text_print_range(struct buf *b, const struct policy_range *range)
{
    char text[INET6_ADDRSTRLEN];
    int prefix = prefix_of(range);

    buf_adds(b, inet_ntop(range->family, range->lo, text, sizeof(text)));
    if (prefix < 0) {
        buf_addc(b, '-');
        buf_adds(b, inet_ntop(range->family, range->hi, text, sizeof(text)));
    } else if (prefix < (int)range_bytes(range) * 8) {
        buf_addf(b, "/%d", prefix);
    }
}
