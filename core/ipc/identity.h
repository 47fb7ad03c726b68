/* Who counts as one: for quotas, queues and turns. */
#ifndef CORE_IPC_IDENTITY_H
#define CORE_IPC_IDENTITY_H

#include <stdbool.h>
#include <string.h>

#include "core/ipc/peer.h"

/* A user without a name in the user database. One user may have thousands of such numbers
 * (subuid(5)). */
static inline bool identity_is_nameless(const char *user)
{
    return !strncmp(user, "uid-", 4) && user[4] &&
           strspn(user + 4, "0123456789") == strlen(user + 4);
}

/* Do both pay for what the other takes? One identity, or users without a name. */
static inline bool identity_same(enum peer_kind a_kind, const char *a, enum peer_kind b_kind,
                                 const char *b)
{
    return a_kind == b_kind && (!strcmp(a, b) || (a_kind == PEER_USER && identity_is_nameless(a) &&
                                                  identity_is_nameless(b)));
}

#endif
