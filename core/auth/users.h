/* Users of the control socket: from the uid to name and role (auth.h), by the system's user
 * database. The functions block as long as the database does, and may be called on any thread. */
#ifndef CORE_AUTH_USERS_H
#define CORE_AUTH_USERS_H

#include <stdbool.h>
#include <sys/types.h>

/* SO_PEERCRED → user and role: uid 0 and the daemon's own uid are admin, members of group "orbital"
 * operator, every other user who may open the socket viewer. Reads the user database, which may
 * block without limit: not on the loop. false: the database failed, and the name is made from the
 * uid. */
bool users_look_up(uid_t uid, gid_t gid, char name[64], char role[16]);
/* Is there a group "orbital"? Blocks likewise. */
bool users_group(gid_t *ret_gid);

#endif
