/* The control socket, whose clients become peers. */
#ifndef CORE_IPC_LISTEN_H
#define CORE_IPC_LISTEN_H

#include <sys/types.h>

#include "orbital/error.h"

struct broker;

/* Determines user and role of a connection from its SO_PEERCRED. 0: both are set; positive:
 * pending, the connection waits for listen_identified(); negative: refused, err has the reason. */
typedef int listen_identify(void *arg, uid_t uid, gid_t gid, char name[64], char role[16],
                            struct orb_err *err);

/* Listens at path (mode 0660) and accepts clients. inherited: a socket that listens there already
 * (systemd's), taken on success and then left in the file system at the end; -1: none. Errors:
 * negative errno, ORB_E_STATE, ORB_E_CONFLICT another process listens there, ORB_E_INVALID the path
 * is too long. */
int listen_start(struct broker *broker, const char *path, int inherited, listen_identify *identify,
                 void *arg, struct orb_err *err);

/* Identifies those that wait again. */
void listen_identified(struct broker *broker);

/* Whether the socket's file still exists. 0: yes, or there was none; 1: it was removed or replaced
 * and has been created again (mode 0660, without its group); negative: err has the reason.
 * ORB_E_STATE: an inherited one is gone, which its owner has to create. */
int listen_check(struct broker *broker, struct orb_err *err);

/* Accepts no client any more; clients that are connected stay. */
void listen_close(struct broker *broker);

#endif
