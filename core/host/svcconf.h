/* /services of the configuration: its contract, made of what is installed, and its reader. */
#ifndef CORE_HOST_SVCCONF_H
#define CORE_HOST_SVCCONF_H

struct buf;
struct confpart;
struct contract;
struct orb_err;
struct orbitald;
struct package_list;

/* The contract of /services, made from the installed packages: unknown names, and grants that no
 * package requests, are refused when set. ret_short: names of packages whose entries did not fit;
 * their grants are not checked. */
int svcconf_contract(const struct package_list *packages, struct contract **ret_contract,
                     struct buf *ret_short, struct orb_err *err);
/* Follows /services. Errors: as confpart_new. */
int svcconf_new(struct orbitald *host, struct confpart **ret_part, struct orb_err *err);

#endif
