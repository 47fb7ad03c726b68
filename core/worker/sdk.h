/* The worker's event loop and the functions of include/orbital/orbital.h. The trusted stub (stub.c)
 * enters the sandbox, loads the package and calls sdk_run(). */
#ifndef CORE_WORKER_SDK_H
#define CORE_WORKER_SDK_H

#include "orbital/orbital.h"

struct sdk_socket {
    char name[16];
    int fd;
};

struct sdk_setup {
    const char *service;
    int ipc_fd; /* blocking or not; the SDK makes it non-blocking */
    const struct sdk_socket *sockets;
    unsigned socket_count;
    const char *state_dir; /* "/state" or NULL */
};

/* Runs until STOP, end of file or a failure; returns the process's exit code. Opens nothing, reads
 * no environment; beyond memory and clocks it needs epoll, eventfd2, pipe2, poll, read, write,
 * sendto, recvfrom, ioctl(FIONBIO) and close, so it runs behind the second system call filter. */
int sdk_run(const struct sdk_setup *setup, const struct orb_plugin *plugin);

#endif
