/* host@1 follow: reports of the config service about its transactions. */
#ifndef CORE_HOST_FOLLOW_H
#define CORE_HOST_FOLLOW_H

#include <stddef.h>

struct orb_err;
struct orbitald;

/* Takes what the config service reports. The health report compares it
 * with what the services report. */
int follow_request(struct orbitald *host, const char *input, size_t len, struct orb_err *err);
/* Whether a user may stop this service now. Not the config service while only it can undo or
 * complete what it has begun. */
int follow_may_stop(const struct orbitald *host, const char *service, struct orb_err *err);

#endif
