/* The lock of the configuration: others than its owner do not edit or commit for an hour. */
#ifndef CONFIG_LOCK_H
#define CONFIG_LOCK_H

#include "plugins/config/engine_internal.h"

/* 0, or ORB_E_LOCKED: another than user holds it. */
int lock_check(struct engine *engine, const char *user, struct orb_err *err);
/* Methods lock and unlock. */
method_fn lock_take, lock_release;

#endif
