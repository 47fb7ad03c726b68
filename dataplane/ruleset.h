/* libnftables, loaded when it is first used: workers are the same binary and need not relocate it.
 */
#ifndef DATAPLANE_RULESET_H
#define DATAPLANE_RULESET_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct orb_err;
struct ruleset;

/* ORB_E_UNAVAILABLE: the library is not there. */
int ruleset_open(struct ruleset **ret_ruleset, struct orb_err *err);
/* ruleset may be NULL. */
void ruleset_close(struct ruleset *ruleset);
/* One transaction; dry: only checks it. */
int ruleset_run(struct ruleset *ruleset, const char *text, bool dry, struct orb_err *err);
/* Output of a list command; "" if there is no such table. */
int ruleset_list(struct ruleset *ruleset, const char *command, struct buf *ret_text);
/* The number of nftables' last change in this namespace, by any program; each adds 1. 0:
 * unknown. */
uint32_t ruleset_id(void);

#endif
