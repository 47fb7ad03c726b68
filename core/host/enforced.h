/* host@1 enforced: which revision is in force. */
#ifndef CORE_HOST_ENFORCED_H
#define CORE_HOST_ENFORCED_H

#include <stddef.h>

struct buf;
struct orb_err;
struct orbitald;

/* Notes the revision and the transaction that input names, if any, and answers with what is known.
 * Errors: ORB_E_SCHEMA. */
int enforced_request(struct orbitald *host, const char *input, size_t len, struct buf *out,
                     struct orb_err *err);

#endif
