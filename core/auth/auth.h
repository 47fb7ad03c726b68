/* Who people are: users of the control socket by their uid, users of the API by token. Three roles
 * stand for what a method may require: viewer (observe), operator (+ operate), admin (+ configure).
 */
#ifndef CORE_AUTH_AUTH_H
#define CORE_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/base/buf.h"
#include "orbital/error.h"

#define AUTH_TOKENS 256

struct auth;

/* Reads STATE/auth/tokens.json (mode 0600; made when a token is). */
int auth_new(const char *state_dir, struct auth **ret_auth, struct orb_err *err);
void auth_free(struct auth *auth);

/* SO_PEERCRED → user and role: uid 0 and our own uid are admin, members of group "orbital"
 * operator, everybody else who may open the socket viewer. */
int auth_identify(const struct auth *auth, uid_t uid, gid_t gid, char name[64], char role[16],
                  struct orb_err *err);

bool auth_role_known(const char *role);

/* A token is shown once, when made: "orb_" and 43 base64url characters (32 random bytes). Only its
 * BLAKE2b-256 hash is kept. Errors: a name twice, an unknown role, too many. */
int auth_token_create(struct auth *auth, const char *name, const char *role, struct buf *ret_token,
                      struct orb_err *err);
int auth_token_revoke(struct auth *auth, const char *name, struct orb_err *err);
/* {"tokens":[{"name","role","created_us"}]} */
void auth_token_list(const struct auth *auth, struct buf *ret_json);
/* Constant-time look-up. ORB_E_UNAUTHENTICATED when no such token. */
int auth_token_check(const struct auth *auth, const char *token, char name[64], char role[16],
                     struct orb_err *err);

#endif
