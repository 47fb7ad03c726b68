/* IPv4 and IPv6 addresses, prefixes and ranges as text and as bytes. Strict: exactly one way to
 * write a thing, no host names, no short forms such as "10/8". */
#ifndef PLUGINS_LIB_ADDRESS_H
#define PLUGINS_LIB_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_TEXT 52 /* longest "address/len" and the NUL */

struct address {
    uint8_t family;    /* AF_INET or AF_INET6 */
    uint8_t bytes[16]; /* network order; IPv4 uses the first 4 */
};

struct prefix {
    struct address address;
    uint8_t len;
};

/* Bytes of an address of this family: 4 or 16. */
unsigned address_size(uint8_t family);
/* 0, or -1 when text is no address. */
int address_parse(const char *text, struct address *ret_address);
/* "address/len"; host bits may be set. NULL when fine, otherwise what is wrong with text. */
const char *prefix_parse(const char *text, struct prefix *ret_prefix);
/* As prefix_parse, but an address alone stands for its host prefix, and "a-b" is also fine: lo and
 * hi are the first and the last address. */
const char *range_parse(const char *text, struct address *ret_lo, struct address *ret_hi);

/* Of one family, and the same bytes (and length). */
bool address_equal(const struct address *a, const struct address *b);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
/* Is address inside the network of prefix? */
bool prefix_contains(const struct prefix *prefix, const struct address *address);
/* Do two prefixes share an address? */
bool prefix_overlap(const struct prefix *a, const struct prefix *b);
/* The network: host bits cleared. */
struct prefix prefix_network(const struct prefix *prefix);
bool address_is_link_local(const struct address *address); /* fe80::/10, 169.254.0.0/16 */
bool address_is_multicast(const struct address *address);
bool address_is_zero(const struct address *address);

/* Writes into to (ADDRESS_TEXT bytes) and returns it. */
const char *address_text(const struct address *address, char *to);
const char *prefix_text(const struct prefix *prefix, char *to);

#endif
