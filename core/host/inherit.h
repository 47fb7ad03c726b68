/* The control socket passed by systemd (sd_listen_fds(3)). */
#ifndef CORE_HOST_INHERIT_H
#define CORE_HOST_INHERIT_H

#include "orbital/error.h"

/* The descriptor of the socket that listens at path, close-on-exec and non-blocking; -1: none was
 * passed to this process. Other descriptors are closed, and err names them (code 0: nothing to
 * report). The variables are removed from the environment. */
int inherit_listen(const char *path, struct orb_err *err);

#endif
