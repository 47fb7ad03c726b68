/* The control socket as systemd hands it over (sd_listen_fds(3)). */
#ifndef CORE_HOST_INHERIT_H
#define CORE_HOST_INHERIT_H

#include "orbital/error.h"

/* The descriptor of the socket that listens at path, close-on-exec and non-blocking; -1: none was
 * given to this process. Descriptors that are something else are closed, and err says what they are
 * (code 0: nothing to say). The variables are taken out of the environment. */
int inherit_listen(const char *path, struct orb_err *err);

#endif
