/* See users.h. */
#include "core/auth/users.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

#define GROUP "orbital"
#define NSS_BYTES (1u << 20) /* of an entry: a group of very many members */

/* The reentrant functions, since other threads call these, too. */
static bool find_group(struct group *ret_group, char *bytes)
{
    struct group *found = NULL;

    return getgrnam_r(GROUP, ret_group, bytes, NSS_BYTES, &found) == 0 && found;
}

bool users_group(gid_t *ret_gid)
{
    AUTO_FREE char *bytes = xcalloc(1, NSS_BYTES);
    struct group group;

    if (!find_group(&group, bytes))
        return false;
    *ret_gid = group.gr_gid;
    return true;
}

static bool in_group(gid_t gid, const char *user)
{
    AUTO_FREE char *bytes = xcalloc(1, NSS_BYTES);
    struct group group;

    if (!find_group(&group, bytes))
        return false;
    if (group.gr_gid == gid)
        return true;
    for (char **m = group.gr_mem; user && *m; m++)
        if (!strcmp(*m, user))
            return true;
    return false;
}

bool users_look_up(uid_t uid, gid_t gid, char name[64], char role[16])
{
    AUTO_FREE char *bytes = xcalloc(1, NSS_BYTES);
    struct passwd entry, *user = NULL;

    bool sure = getpwuid_r(uid, &entry, bytes, NSS_BYTES, &user) == 0;

    if (!sure)
        user = NULL;
    if (user)
        snprintf(name, 64, "%s", user->pw_name);
    else
        snprintf(name, 64, "uid-%u", (unsigned)uid);
    snprintf(role, 16, "%s",
             uid == 0 || uid == geteuid()                 ? "admin"
             : in_group(gid, user ? user->pw_name : NULL) ? "operator"
                                                          : "viewer");
    return sure;
}
