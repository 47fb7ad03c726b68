/* Who counts as one: for quotas, queues and turns. */
#ifndef CORE_IPC_IDENTITY_H
#define CORE_IPC_IDENTITY_H

#include "core/base/nameless.h"
#include "core/ipc/peer.h"

/* Do both pay for what the other takes? One identity, or users without a name. */
static inline bool identity_same(enum peer_kind a_kind, const char *a, enum peer_kind b_kind,
                                 const char *b)
{
    return a_kind == b_kind &&
           (!strcmp(a, b) || (a_kind == PEER_USER && nameless_is(a) && nameless_is(b)));
}

#endif
