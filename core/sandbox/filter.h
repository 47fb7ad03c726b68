/* The seccomp filters, built once in the host (0.3 ms each) and passed to workers as sealed files.
 * */
#ifndef CORE_SANDBOX_FILTER_H
#define CORE_SANDBOX_FILTER_H

#include "orbital/error.h"

enum filter_profile {
    FILTER_STATE = 1,   /* fs.state: files may be opened and changed after loading */
    FILTER_NETLINK = 2, /* net.configure: AF_NETLINK/NETLINK_ROUTE sockets */
    FILTER_PROFILES = 4
};

enum filter_phase {
    FILTER_A, /* while the package is loaded */
    FILTER_B, /* on top from then on: no open (but for FILTER_STATE), nothing becomes executable */
    FILTER_PHASES
};

/* Builds one filter into a sealed memfd (struct filter_file). */
int filter_make(unsigned profile, enum filter_phase phase, int *ret_fd, struct orb_err *err);

#endif
