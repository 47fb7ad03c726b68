/* /system of the configuration: its contract and its reader. */
#ifndef CORE_HOST_LOGCONF_H
#define CORE_HOST_LOGCONF_H

struct confpart;
struct contract;
struct orb_err;
struct orbitald;
struct package_list;

/* The contract of /system/logging and /system/tokens. */
int logconf_contract(const struct package_list *packages, struct contract **ret_contract,
                     struct orb_err *err);
/* Follows /system. Errors: as confpart_new. */
int logconf_new(struct orbitald *host, struct confpart **ret_part, struct orb_err *err);

#endif
