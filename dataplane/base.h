/* The closed base table, and the digest of nftables' table. */
#ifndef DATAPLANE_BASE_H
#define DATAPLANE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dataplane;
struct orb_err;
struct ruleset;

#define DIGEST_START 14695981039346656037ull
/* FNV-1a over 8 bytes at a time. */
void base_digest_mix(uint64_t *digest, const void *data, size_t size);
#define BASE_CHAIN "closed"
enum table_state {
    TABLE_UNKNOWN, /* the kernel did not answer */
    TABLE_NONE,
    TABLE_BROKEN, /* parts are missing: it may let in what it should not */
    TABLE_CLOSED, /* the base table */
    TABLE_POLICY
};
/* digest: of everything in the table that affects packets; 0 unless the table is complete. policy,
 * generation: from the comment in the table, 0: none; may be NULL. */
enum table_state base_table_look(uint64_t *ret_digest, uint64_t *ret_policy,
                                 uint32_t *ret_generation);
/* Whether there is no table at all. */
bool base_table_missing(void);
/* Saves the digest of the table as left by this daemon, also for the next one. */
void base_table_digest(struct dataplane *dp, uint64_t digest);
/* The closed base table instead of whatever is there, in one transaction. */
int base_load(struct ruleset *ruleset, struct orb_err *err);
/* The table cannot be made, or another process owns it: the same under another name. */
#define BASE_FALLBACK "orbital_closed"
int base_fallback(struct ruleset *ruleset);
/* Removes the fallback table: the table itself is in force again, or everything is removed. */
void base_fallback_end(struct ruleset *ruleset);

#endif
