/* Is a firewall configured that no service enforces? */
#ifndef CORE_HOST_FILTERCONF_H
#define CORE_HOST_FILTERCONF_H

#include <stdbool.h>

struct orb_err;
struct orbitald;

/* What is known of /firewall. */
enum filterconf { FILTERCONF_UNKNOWN, FILTERCONF_NONE, FILTERCONF_WANTED };

/* Compares what is configured with the services there are: call it at the start and when /services
 * was read (configured: until then none is disabled). Follows /firewall (host->filter) from the
 * first time on that its service is missed: it may be large. Errors: as confpart_new. */
int filterconf_check(struct orbitald *host, bool configured, struct orb_err *err);

#endif
