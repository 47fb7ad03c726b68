/* Addresses as text and bytes: see address.h. inet_pton is strict already (no octal, no short
 * forms), so it is the one parser used. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "plugins/lib/address.h"

unsigned address_size(uint8_t family)
{
    return family == AF_INET ? 4 : 16;
}

int address_parse(const char *text, struct address *ret_address)
{
    struct address a = {0};

    a.family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(a.family, text, a.bytes) != 1)
        return -1;
    *ret_address = a;
    return 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && !memcmp(a->bytes, b->bytes, address_size(a->family));
}

bool address_is_link_local(const struct address *address)
{
    const uint8_t *b = address->bytes;

    if (address->family == AF_INET)
        return b[0] == 169 && b[1] == 254;
    return b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
}

bool address_is_multicast(const struct address *address)
{
    if (address->family == AF_INET)
        return address->bytes[0] >= 224 && address->bytes[0] < 240;
    return address->bytes[0] == 0xff;
}

bool address_is_zero(const struct address *address)
{
    static const uint8_t zero[16];

    return !memcmp(address->bytes, zero, address_size(address->family));
}

const char *address_text(const struct address *address, char *to)
{
    if (!inet_ntop(address->family, address->bytes, to, ADDRESS_TEXT))
        snprintf(to, ADDRESS_TEXT, "?");
    return to;
}
