/* host@1 enforced: which revision is in force. */
#ifndef CORE_HOST_ENFORCED_H
#define CORE_HOST_ENFORCED_H

#include <stddef.h>

struct host_req;
struct orbitald;

/* Notes the revision and the transaction that input names, if any, and answers with what is known.
 * The files are read and written on a thread; req is answered then, in the order of the requests.
 * Errors: what keeps the file from being written. */
void enforced_request(struct orbitald *host, struct host_req *req, const char *input, size_t len);

#endif
