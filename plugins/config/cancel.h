/* config@1 cancel. */
#ifndef CONFIG_CANCEL_H
#define CONFIG_CANCEL_H

#include "plugins/config/engine_internal.h"

/* Ends the oldest commit of the caller that is not being applied yet: it is answered with an error,
 * and nothing is changed. */
void cancel_method(struct ask *ask);
/* The error of a commit that its user, who, canceled: returns its code. */
int cancel_fail(const char *who, struct orb_err *err);

#endif
