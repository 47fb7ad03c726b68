/* The revisions each service should follow, as reported by the config service. Names that are not
 * installed are ignored. */
#ifndef CORE_SUP_FOLLOW_H
#define CORE_SUP_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

struct service;
struct supervisor;

/* To be called when a service's revision, the due one or the one being applied changed: updates
 * whether it is behind. */
void follow_check(struct service *service);

/* applying: the revision a transaction is being applied for, 0: none. follow_due follows for each
 * service that reads configuration. */
void follow_applying(struct supervisor *sup, uint64_t applying);
/* due: the newest revision that changed what the service reads, 0: not known, what was known stays.
 * configured: its own part of the configuration is not empty. */
void follow_due(struct supervisor *sup, const char *name, uint64_t due, bool configured);

#endif
