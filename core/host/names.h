/* Names of uids. The user database may be remote (NSS: LDAP, SSSD) and answer after seconds or
 * never, so it is queried on a thread, and no other client waits for it: root needs no lookup, and
 * a client whose name is unknown yet is admitted once it is known. */
#ifndef CORE_HOST_NAMES_H
#define CORE_HOST_NAMES_H

#include <sys/types.h>

#include "orbital/error.h"

struct names;
struct orbitald;

/* on_known: the name of a user is known; loop only. Sets the group of the socket at path once it is
 * known: members of group "orbital" may connect. path NULL: there is no socket. */
int names_new(struct orbitald *host, const char *path, void (*on_known)(void *arg), void *arg,
              struct names **ret_names, struct orb_err *err);
/* The socket's file was created again: sets its group again. names may be NULL. */
void names_socket_made(struct names *names);
/* Does not wait for the thread, which ends by itself or with the process. */
void names_close(struct names *names);
/* 0: name and role are filled; 1: they will be known later, on_known follows. names may be NULL:
 * then all but root are numbers that may look. */
int names_identify(struct names *names, uid_t uid, gid_t gid, char name[64], char role[16]);

#endif
