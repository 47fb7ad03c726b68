/* Users of the API, by token; those of the control socket are in users.h. Three roles match what a
 * method may require: viewer (observe), operator (+ operate), admin (+ configure); a fourth,
 * metrics, is for tokens of programs that read only the metrics. */
#ifndef CORE_AUTH_AUTH_H
#define CORE_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "orbital/error.h"

#define AUTH_TOKENS 256

struct auth;

/* Reads STATE/auth/tokens.json (mode 0600; made when a token is). A file that cannot be used is no
 * error here: every token is refused until it is put right, see auth_damage. */
int auth_new(const char *state_dir, struct auth **ret_auth, struct orb_err *err);
/* Why no token can be checked, NULL when all is well. */
const struct orb_err *auth_damage(const struct auth *auth);
/* Reads the file once more if it was damaged. */
void auth_reload(struct auth *auth);
void auth_free(struct auth *auth);

/* A change of the tokens in three steps, so that no client waits for the disk: begun here, written
 * on any thread, ended where it was begun; only then it counts. One at a time: ORB_E_BUSY.
 * A token is shown once, when made: "orb_" and 43 base64url characters (32 random bytes). Only its
 * BLAKE2b-256 hash is kept. lifetime_s: it expires after so long, 0: never. Errors: a name twice
 * (but one that has expired is replaced), an unknown role, too many.
 *
 * What has expired stays so: time is the wall clock where that advances, else the time since
 * boot, and never before what the file of tokens saw last. */
struct auth_change;
/* Makes a token for a user of that role; lifetime_s 0: it does not expire. */
int auth_token_create(struct auth *auth, const char *name, const char *role, uint64_t lifetime_s,
                      struct auth_change **ret_change, struct orb_err *err);
/* ORB_E_NOT_FOUND; ORB_E_UNAVAILABLE while the file is damaged. */
int auth_token_revoke(struct auth *auth, const char *name, struct auth_change **ret_change,
                      struct orb_err *err);
/* Marks the tokens that have expired since the last call and calls each for them, once per token;
 * true: there were some, so the file must be written (auth_expired_keep). */
bool auth_expire(struct auth *auth, void (*each)(void *arg, const char *name), void *arg);
/* The change that writes what auth_expire() marked. */
int auth_expired_keep(struct auth *auth, struct auth_change **ret_change, struct orb_err *err);
/* Blocks until the disk has it. A damaged file is kept beside the new one. */
int auth_change_write(const struct auth_change *change, struct orb_err *err);
/* The new token, "" for a revocation; when it expires, microseconds since the epoch, 0: never. */
const char *auth_change_token(const struct auth_change *change);
/* When the new token expires, microseconds since the epoch, 0: never. */
int64_t auth_change_expires(const struct auth_change *change);
/* Ends and frees it; written: auth_change_write succeeded. */
void auth_change_end(struct auth *auth, struct auth_change *change, bool written);
/* Frees it without applying, for when auth no longer exists. */
void auth_change_free(struct auth_change *change);
/* {"tokens":[{"name","role","created-us","expires-us"?,"expired"?}]}; ORB_E_UNAVAILABLE while the
 * file is damaged. */
int auth_token_list(struct auth *auth, struct buf *ret_json, struct orb_err *err);
/* Constant-time look-up. ret_made_us: when the token was made, which distinguishes it from an
 * earlier one of the same name. ORB_E_UNAUTHENTICATED when no such token, or it has expired;
 * ORB_E_UNAVAILABLE when none can be checked: the file is damaged. */
int auth_token_check(struct auth *auth, const char *token, char name[64], char role[16],
                     int64_t *ret_made_us, struct orb_err *err);

#endif
