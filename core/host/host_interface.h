/* host@1: requests of orbctl and the API to the host. */
#ifndef CORE_HOST_HOST_INTERFACE_H
#define CORE_HOST_HOST_INTERFACE_H

struct orb_err;
struct orbitald;

/* Provides the interface. Errors: those of host_provide. */
int host_interface_provide(struct orbitald *host, struct orb_err *err);

#endif
