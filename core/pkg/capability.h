/* What a capability of a manifest may be. */
#ifndef CORE_PKG_CAPABILITY_H
#define CORE_PKG_CAPABILITY_H

#include "core/sandbox/sandbox.h"
#include "orbital/error.h"

#define CAPABILITY_MAX 120 /* bytes */

/* Checks that a capability is well-formed and known; the error names the expected form. */
int capability_check(const char *capability, struct orb_err *err);
/* The argument of net.bind: tcp/ADDRESS:PORT#NAME, an IPv6 address in brackets. Negative: it is
 * none. */
int capability_bind(const char *text, struct launch_bind *ret_bind);

#endif
