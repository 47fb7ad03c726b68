/* A user database that is a network away: preloaded into orbitald, it answers nothing as long as
 * the file $SLOW_NAMES is there. Then uid 12345 is ada, and in the group. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static void hold(void)
{
    const char *path = getenv("SLOW_NAMES");

    while (path && access(path, F_OK) == 0)
        usleep(10000);
}

EXPORT int getpwuid_r(uid_t uid, struct passwd *entry, char *bytes, size_t size,
                      struct passwd **ret_user)
{
    hold();
    *ret_user = NULL;
    if (uid != 12345)
        return 0;
    *entry = (struct passwd){.pw_name = strcpy(bytes, "ada"), .pw_uid = uid, .pw_gid = 4321};
    *ret_user = entry;
    return 0;
}

EXPORT int getgrnam_r(const char *name, struct group *entry, char *bytes, size_t size,
                      struct group **ret_group)
{
    static char *members[] = {(char *)"ada", NULL};

    hold();
    *entry = (struct group){.gr_name = strcpy(bytes, name), .gr_gid = 4321, .gr_mem = members};
    *ret_group = entry;
    return 0;
}

/* What blocks a whole process is not to be called at all. */
EXPORT struct passwd *getpwuid(uid_t uid)
{
    abort();
}

EXPORT struct group *getgrnam(const char *name)
{
    abort();
}
