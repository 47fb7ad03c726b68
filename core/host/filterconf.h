/* Is a firewall configured where none is installed? */
#ifndef CORE_HOST_FILTERCONF_H
#define CORE_HOST_FILTERCONF_H

struct confpart;
struct orb_err;
struct orbitald;

/* Follows /firewall where no package of that name is installed; elsewhere there is nothing to
 * follow, and *ret_part stays. Errors: as confpart_new. */
int filterconf_new(struct orbitald *host, struct confpart **ret_part, struct orb_err *err);

#endif
