/* What the package may call and subscribe to in a test. */
#ifndef CORE_WORKER_TESTING_GRANT_H
#define CORE_WORKER_TESTING_GRANT_H

#include "core/ipc/grant.h"
#include "core/worker/testing_internal.h"

/* Grants the capabilities of a manifest (NULL, or not as it should be: none); from then on nothing
 * else is. */
void testing_grant_manifest(struct orb_test *test, const cJSON *manifest);
/* 0, or ORB_E_DENIED as the host reports it. name: "INTERFACE/WHAT", with @version or without. All
 * is allowed while nothing was granted. */
int testing_grant_check(const struct orb_test *test, enum grant_kind kind, const char *name,
                        struct orb_err *err);
void testing_grant_fini(struct orb_test *test);

#endif
