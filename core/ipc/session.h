/* Sessions: the users a service with the capability session.delegate acts for. */
#ifndef CORE_IPC_SESSION_H
#define CORE_IPC_SESSION_H

#include <stdint.h>

#include "orbital/error.h"

struct broker;
struct ipc_peer;

/* Opens a session of user/role that peer (an id) may use as src. It ends with the peer. made_us:
 * when the user's token was made: another one of the same name is another user.
 * ORB_E_NOT_FOUND: no such peer; ORB_E_DENIED: it lacks session.delegate; ORB_E_INVALID: role or
 * name; ORB_E_LIMIT. */
int session_open(struct broker *broker, uint32_t peer, const char *user, const char *role,
                 int64_t made_us, uint32_t *ret_session, struct orb_err *err);
/* Ends one: its requests in flight fail, the next one is refused (unauthenticated).
 * ORB_E_NOT_FOUND: the peer (an id) has no such session. */
int session_close(struct broker *broker, uint32_t peer, uint32_t session, struct orb_err *err);
/* Ends every session of the user. */
void session_end_user(struct broker *broker, const char *user);

/* A peer disconnects: ends all of its sessions, and frees them once they are unreferenced. */
void session_close_all(struct ipc_peer *peer);
void session_free_all(struct ipc_peer *peer);

#endif
