/* auth@1: sessions and tokens. */
#ifndef CORE_HOST_AUTH_INTERFACE_H
#define CORE_HOST_AUTH_INTERFACE_H

struct orb_err;
struct orbitald;

/* Provides the interface. Errors: those of host_provide. */
int auth_interface_provide(struct orbitald *host, struct orb_err *err);
/* Sets or clears the problem of an unusable file of tokens: call after it was read or written. */
void auth_interface_check_tokens(struct orbitald *host);
/* Ends the sessions of tokens that have expired; called once a second. */
void auth_interface_expire_tokens(struct orbitald *host);

#endif
