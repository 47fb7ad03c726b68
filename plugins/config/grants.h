/* What a caller may see and change. Paths are RFC 6901 pointers, "" is the whole tree. */
#ifndef CONFIG_GRANTS_H
#define CONFIG_GRANTS_H

#include "plugins/config/candidate.h"
#include "plugins/config/subscriber.h"

/* Kind and name in one word: a local user is the bare name, the others are "token:NAME",
 * "service:NAME", "host:NAME". */
void grants_identity(const struct engine_caller *caller, char *to, size_t size);
/* The identity that pays for what who does: all users without a name in the user database (uid-N)
 * are one, since one user may have thousands of such numbers (subuid(5)). */
const char *grants_payer(const char *who);
/* A user or a token. */
bool grants_is_user(const struct engine_caller *caller);
/* Is it the identity of a service? */
bool grants_is_service(const char *who);
/* Whether the caller may read the value at path, an RFC 6901 pointer ("" is the whole tree). All
 * callers but services may. The check_ forms return ORB_E_DENIED naming the capability. */
bool grants_reads(const struct engine_caller *caller, const char *path);
/* 0 or ORB_E_DENIED: may it see the value at path? */
int grants_check_read(const struct engine_caller *caller, const char *path, struct orb_err *err);
/* 0 or ORB_E_DENIED: may it change the value at path? */
int grants_check_write(const struct engine_caller *caller, const char *path, struct orb_err *err);
/* grants_check_write() of every path the candidate changes (NULL: none); the first that it may
 * not is named. */
int grants_check_candidate(const struct engine_caller *caller, const struct candidate *candidate,
                           struct orb_err *err);
/* The paths below which it sees secrets, NULL-terminated; freed with grants_paths_free. NULL: no
 * service, sees none. */
char **grants_secrets(const struct engine_caller *caller);
void grants_paths_free(char **paths);
static inline void own_paths(char ***paths)
{
    grants_paths_free(*paths);
}
/* The paths below which it reads; NULL: it reads all. Freed with grants_paths_free. */
char **grants_read_paths(const struct engine_caller *caller);
/* Is path at or below one of the paths (NULL: none)? */
bool grants_covered(char *const *paths, const char *path);
/* Does the entry of a package in /services (NULL: none) grant capability kind for path? */
#define GRANT_READ "config.read:"
#define GRANT_SECRET "config.secret:"
bool grants_entry_covers(const struct parts *parts, const char *name, const json_t *entry,
                         const char *kind, const char *path);
/* Defaults: a shipped package is enabled, with all requested capabilities; a third-party package is
 * disabled. */
bool grants_enabled(const struct parts *parts, const char *name, const json_t *entry);
/* Whether its entry of /services (NULL: none) grants what it attached to and sees in clear. */
bool grants_cover(const struct engine *engine, const struct subscriber *s, const json_t *entry);
/* Does /services grant the service to read path, as it is configured now? */
bool grants_configured(const struct engine *engine, const char *name, const char *path);
/* Takes and returns value (may be NULL), which is at path, with secrets masked that are not below
 * one of the paths. secrets NULL: as for users. */
json_t *grants_show(const struct engine *engine, char *const *secrets, const char *path,
                    json_t *value);
/* A copy of path, truncated to what a reader with these secrets may see. */
char *grants_path(const struct engine *engine, char *const *secrets, const char *path);
/* The ops of patch that lie in the subtrees; one above is cut down to them. */
json_t *grants_patch_within(const struct parts *parts, const json_t *patch, char *const *paths,
                            size_t count);
/* The same with what the caller may read. */
json_t *grants_patch_readable(const struct parts *parts, const struct engine_caller *caller,
                              const json_t *patch);
/* A copy of patch with secrets masked as in grants_show; what changes inside a secret is left out.
 */
json_t *grants_patch_shown(const struct engine *engine, char *const *secrets, const json_t *patch);

#endif
