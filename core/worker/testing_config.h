/* Changes of the configuration. */
#ifndef CORE_WORKER_TESTING_CONFIG_H
#define CORE_WORKER_TESTING_CONFIG_H

#include "core/worker/testing_internal.h"

/* Number of "prepare", "apply" or "abort" in WELCOME. */
uint32_t testing_config_method(const struct orb_test *test, const char *name);
/* Reads the configuration passed to orb_test_start(), NULL for none. ORB_E_SYNTAX or an error of
 * its schema. */
int testing_config_start(struct orb_test *test, const char *config, struct orb_err *err);
/* Frees the trees. */
void testing_config_fini(struct orb_test *test);

#endif
