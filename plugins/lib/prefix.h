/* Prefixes and ranges of addresses as text and as bytes. Strict: one notation only, no short forms
 * such as "10/8". */
#ifndef PLUGINS_LIB_PREFIX_H
#define PLUGINS_LIB_PREFIX_H

#include "plugins/lib/address.h"

struct prefix {
    struct address address;
    uint8_t len;
};

/* "address/len"; host bits may be set. NULL when fine, otherwise what is wrong with text. */
const char *prefix_parse(const char *text, struct prefix *ret_prefix);
/* As prefix_parse, but a single address is a host prefix, and "a-b" is valid, too: lo and hi are
 * the first and the last address. */
const char *prefix_parse_range(const char *text, struct address *ret_lo, struct address *ret_hi);

/* Of one family, with the same bytes and length. */
bool prefix_equal(const struct prefix *a, const struct prefix *b);
/* Is address inside the network of prefix? */
bool prefix_contains(const struct prefix *prefix, const struct address *address);
/* Do two prefixes share an address? */
bool prefix_overlap(const struct prefix *a, const struct prefix *b);
/* The network: host bits cleared. */
struct prefix prefix_network(const struct prefix *prefix);

/* Writes "address/len" into to (ADDRESS_TEXT bytes) and returns it. */
const char *prefix_text(const struct prefix *prefix, char *to);

#endif
