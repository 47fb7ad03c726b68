/* /services of the configuration: its contract, made of what is installed, and its reader. */
#ifndef CORE_HOST_SVCCONF_H
#define CORE_HOST_SVCCONF_H

struct buf;
struct confpart;
struct contract;
struct orb_err;
struct orbitald;
struct package_list;

/* The contract of /services, made of what is installed: a name that no package has, or
 * a grant that none asks for, is refused when it is set. ret_short: names of packages that ask for
 * more than there is room for; their grants are taken unchecked. */
int svcconf_contract(const struct package_list *packages, struct contract **ret_contract,
                     struct buf *ret_short, struct orb_err *err);
/* Follows /services. Errors: as confpart_new. */
int svcconf_new(struct orbitald *host, struct confpart **ret_part, struct orb_err *err);

#endif
