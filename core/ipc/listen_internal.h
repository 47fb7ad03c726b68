/* The state of the control socket, part of the broker. */
#ifndef CORE_IPC_LISTEN_INTERNAL_H
#define CORE_IPC_LISTEN_INTERNAL_H

#include <stdbool.h>

#include "core/ipc/listen.h"
#include "core/loop/loop_watch.h"

#define LISTEN_CLIENTS 128 /* connected at once */
#define LISTEN_WAITING 32  /* connections that wait to be identified */

struct listen_state {
    bool on;
    bool keep_file; /* the socket is systemd's */
    struct loop_watch poll;
    int fd;
    int reserve; /* a descriptor for when there is none left */
    char path[108];
    dev_t dev; /* of its file */
    ino_t ino;
    unsigned clients; /* connected */
    struct {
        int fd;
        uid_t uid;
    } waiting[LISTEN_WAITING];
    unsigned waiting_count;
    bool rights; /* clients can send descriptors along: rights.h */
    listen_identify *identify;
    void *arg;
};

#endif
