/* The names of users that the user database has no name for: "uid-NUMBER". One user may have
 * thousands of such numbers (subuid(5)), so they count as one for quotas, limits and turns. */
#ifndef CORE_BASE_NAMELESS_H
#define CORE_BASE_NAMELESS_H

#include <stdbool.h>
#include <string.h>

static inline bool nameless_is(const char *user)
{
    return !strncmp(user, "uid-", 4) && user[4] &&
           strspn(user + 4, "0123456789") == strlen(user + 4);
}

#endif
