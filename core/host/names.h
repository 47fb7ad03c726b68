/* Who a uid is. The user database may be a network away (NSS: LDAP, SSSD) and then answers after
 * seconds or never, so it is asked on a thread of its own, and no other client waits for it: root
 * needs no look-up, and a client whose name is not known yet is let in once it is. */
#ifndef CORE_HOST_NAMES_H
#define CORE_HOST_NAMES_H

#include <sys/types.h>

#include "orbital/error.h"

struct names;
struct orbitald;

/* on_known: the name of a user came; loop only. group of the socket at path, once it is known: so
 * it is opened to the members of group "orbital". path NULL: there is no socket. */
int names_new(struct orbitald *host, const char *path, void (*on_known)(void *arg), void *arg,
              struct names **ret_names, struct orb_err *err);
/* The socket's file was made anew: it needs its group again. names may be NULL. */
void names_socket_made(struct names *names);
/* Never waits for the thread: it ends by itself, or with the process. */
void names_close(struct names *names);
/* 0: name and role are filled; 1: they will be known later, on_known follows. names may be NULL:
 * then all but root are numbers that may look. */
int names_identify(struct names *names, uid_t uid, gid_t gid, char name[64], char role[16]);

#endif
