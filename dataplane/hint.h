/* Hints of the classifier (dataplane/nft_hint.h): which rules they lead to, and when the programs
 * give them. */
#ifndef DATAPLANE_HINT_H
#define DATAPLANE_HINT_H

#include <stdint.h>

struct dataplane;
struct dataplane_compiled;

/* As in struct nft_text, malloced; NULL: the policy is not to have hints, since it has few rules or
 * there is no fast path. After slot_number(). */
uint16_t *hint_slots(const struct dataplane *dp, const struct dataplane_compiled *compiled);
/* From here on the programs give hints for the table of that generation. compiled may be NULL. */
void hint_give(struct dataplane_compiled *compiled, uint32_t generation);
/* For the table it was given for last. compiled may be NULL. */
void hint_again(const struct dataplane_compiled *compiled);
/* They give none. compiled may be NULL. */
void hint_stop(const struct dataplane_compiled *compiled);

#endif
