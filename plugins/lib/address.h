/* IPv4 and IPv6 addresses as text and as bytes. Strict: one notation only, no host names. */
#ifndef PLUGINS_LIB_ADDRESS_H
#define PLUGINS_LIB_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_TEXT 52 /* longest "address/len" and the NUL */

struct address {
    uint8_t family;    /* AF_INET or AF_INET6 */
    uint8_t bytes[16]; /* network order; IPv4 uses the first 4 */
};

/* Bytes of an address of this family: 4 or 16. */
unsigned address_size(uint8_t family);
/* 0, or -1 when text is no address. */
int address_parse(const char *text, struct address *ret_address);
/* Of one family, and the same bytes. */
bool address_equal(const struct address *a, const struct address *b);
bool address_is_link_local(const struct address *address); /* fe80::/10, 169.254.0.0/16 */
/* 224.0.0.0/4 or ff00::/8? */
bool address_is_multicast(const struct address *address);
/* 0.0.0.0 or ::? */
bool address_is_zero(const struct address *address);

/* Writes into to (ADDRESS_TEXT bytes) and returns it. */
const char *address_text(const struct address *address, char *to);

#endif
