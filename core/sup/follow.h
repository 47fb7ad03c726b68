/* What the config service says of revisions: which one each service should follow. Names that are
 * not installed are ignored. */
#ifndef CORE_SUP_FOLLOW_H
#define CORE_SUP_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

struct service;
struct supervisor;

/* Of a service revision, due or what is being applied may have changed: is it behind now? */
void follow_check(struct service *service);

/* applying: the revision a transaction is bringing services to just now, 0: none. follow_due comes
 * afterwards for each service the configuration has something for. */
void follow_applying(struct supervisor *sup, uint64_t applying);
/* due: the newest revision that changed what the service reads, 0: not known, what was known stays.
 * configured: its own part of the configuration is not empty. */
void follow_due(struct supervisor *sup, const char *name, uint64_t due, bool configured);

#endif
