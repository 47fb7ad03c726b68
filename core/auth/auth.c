/* Tokens in one small file, rewritten whole; identities from the kernel. */
#include "core/auth/auth.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/json/tree.h"

#define HASH_BYTES 32
#define FILE_MAX (1u << 20)

struct token {
    char name[64];
    char role[16];
    int64_t created_us;
    unsigned char hash[HASH_BYTES];
};

struct auth {
    char *dir;
    char *path;
    struct token tokens[AUTH_TOKENS];
    unsigned count;
};

static const char *const roles[] = {"viewer", "operator", "admin"};

bool auth_role_known(const char *role)
{
    for (unsigned i = 0; i < ARRAY_LEN(roles); i++)
        if (!strcmp(roles[i], role))
            return true;
    return false;
}

static int read_token(const json_t *item, struct token *t)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *role = json_string_value(json_object_get(item, "role"));
    const char *hash = json_string_value(json_object_get(item, "hash"));
    size_t len = 0;

    if (!name || !role || !hash || strlen(name) >= sizeof t->name || !auth_role_known(role))
        return -1;
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(t->role, sizeof t->role, "%s", role);
    t->created_us = json_integer_value(json_object_get(item, "created_us"));
    if (sodium_hex2bin(t->hash, sizeof t->hash, hash, strlen(hash), NULL, &len, NULL) < 0)
        return -1;
    return len == HASH_BYTES ? 0 : -1;
}

static int load(struct auth *auth, struct orb_err *err)
{
    AUTO(buf) struct buf data = {0};
    AUTO(json_t) json_t *tree = NULL;
    json_t *list;
    int r;

    if (access(auth->path, F_OK) < 0 && errno == ENOENT)
        return 0;
    r = file_read(auth->path, FILE_MAX, &data, err);
    if (r < 0)
        return r;
    r = tree_parse(buf_str(&data), data.len, NULL, &tree, err);
    if (r < 0)
        return orb_wrap(err, "%s", auth->path);
    list = json_object_get(tree, "tokens");
    for (size_t i = 0; i < json_array_size(list) && auth->count < AUTH_TOKENS; i++) {
        if (read_token(json_array_get(list, i), &auth->tokens[auth->count]) < 0)
            return orb_fail(err, ORB_E_INVALID, "%s: token %zu is not as this program writes it",
                            auth->path, i);
        auth->count++;
    }
    return 0;
}

int auth_new(const char *state_dir, struct auth **ret_auth, struct orb_err *err)
{
    struct auth *auth;
    int r;

    if (sodium_init() < 0)
        return orb_fail(err, ORB_E_INTERNAL, "libsodium cannot be initialised");
    auth = xcalloc(1, sizeof *auth);
    auth->dir = xasprintf("%s/auth", state_dir);
    auth->path = xasprintf("%s/tokens.json", auth->dir);
    r = load(auth, err);
    if (r < 0) {
        auth_free(auth);
        return r;
    }
    *ret_auth = auth;
    return 0;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    free(auth->dir);
    free(auth->path);
    free(auth);
}

static bool in_group(uid_t uid, gid_t gid, const char *name)
{
    const struct group *group = getgrnam(name);
    const struct passwd *user;

    if (!group)
        return false;
    if (group->gr_gid == gid)
        return true;
    user = getpwuid(uid);
    for (char **m = group->gr_mem; user && *m; m++)
        if (!strcmp(*m, user->pw_name))
            return true;
    return false;
}

int auth_identify(const struct auth *auth, uid_t uid, gid_t gid, char name[64], char role[16],
                  struct orb_err *err)
{
    const struct passwd *user = getpwuid(uid);

    (void)auth;
    (void)err;
    if (user)
        snprintf(name, 64, "%s", user->pw_name);
    else
        snprintf(name, 64, "uid-%u", (unsigned)uid);
    snprintf(role, 16, "%s",
             uid == 0 || uid == geteuid()    ? "admin"
             : in_group(uid, gid, "orbital") ? "operator"
                                             : "viewer");
    return 0;
}

static void hash_of(const char *token, unsigned char hash[HASH_BYTES])
{
    crypto_generichash(hash, HASH_BYTES, (const unsigned char *)token, strlen(token), NULL, 0);
}

static int save(const struct auth *auth, struct orb_err *err)
{
    AUTO(buf) struct buf b = {0};
    int r = dir_make(auth->dir, 0700, err);

    if (r < 0)
        return r;
    buf_adds(&b, "{\"tokens\":[");
    for (unsigned i = 0; i < auth->count; i++) {
        const struct token *t = &auth->tokens[i];
        char hex[HASH_BYTES * 2 + 1];

        sodium_bin2hex(hex, sizeof hex, t->hash, HASH_BYTES);
        buf_addf(&b, "%s{\"name\":", i ? "," : "");
        buf_add_json(&b, t->name, strlen(t->name));
        buf_addf(&b, ",\"role\":\"%s\",\"created_us\":%lld,\"hash\":\"%s\"}", t->role,
                 (long long)t->created_us, hex);
    }
    buf_adds(&b, "]}\n");
    return file_replace(auth->path, b.data, b.len, 0600, err);
}

static int index_of(const struct auth *auth, const char *name)
{
    for (unsigned i = 0; i < auth->count; i++)
        if (!strcmp(auth->tokens[i].name, name))
            return (int)i;
    return -1;
}

int auth_token_create(struct auth *auth, const char *name, const char *role, struct buf *ret_token,
                      struct orb_err *err)
{
    struct token *t = &auth->tokens[auth->count < AUTH_TOKENS ? auth->count : 0];
    unsigned char secret[32];
    char text[64];
    int r;

    if (!auth_role_known(role))
        return orb_fail_at(err, ORB_E_INVALID, "/role",
                           "expected viewer, operator or admin; got \"%s\"", role);
    if (index_of(auth, name) >= 0)
        return orb_fail_at(err, ORB_E_CONFLICT, "/name",
                           "there is a token \"%s\" already; revoke it first", name);
    if (auth->count == AUTH_TOKENS)
        return orb_fail(err, ORB_E_LIMIT, "there are %d tokens already; revoke one first",
                        AUTH_TOKENS);
    randombytes_buf(secret, sizeof secret);
    sodium_bin2base64(text, sizeof text, secret, sizeof secret,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    buf_addf(ret_token, "orb_%s", text);
    *t = (struct token){.created_us = (int64_t)wall_us()};
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(t->role, sizeof t->role, "%s", role);
    hash_of(buf_str(ret_token), t->hash);
    auth->count++;
    r = save(auth, err);
    if (r < 0)
        auth->count--;
    sodium_memzero(secret, sizeof secret);
    return r;
}

int auth_token_revoke(struct auth *auth, const char *name, struct orb_err *err)
{
    int i = index_of(auth, name);
    struct token old;
    int r;

    if (i < 0)
        return orb_fail_at(err, ORB_E_NOT_FOUND, "/name", "there is no token \"%s\"", name);
    old = auth->tokens[i];
    auth->tokens[i] = auth->tokens[--auth->count];
    r = save(auth, err);
    if (r < 0) {
        auth->tokens[auth->count++] = auth->tokens[i];
        auth->tokens[i] = old;
    }
    return r;
}

void auth_token_list(const struct auth *auth, struct buf *ret_json)
{
    buf_adds(ret_json, "{\"tokens\":[");
    for (unsigned i = 0; i < auth->count; i++) {
        buf_addf(ret_json, "%s{\"name\":", i ? "," : "");
        buf_add_json(ret_json, auth->tokens[i].name, strlen(auth->tokens[i].name));
        buf_addf(ret_json, ",\"role\":\"%s\",\"created_us\":%lld}", auth->tokens[i].role,
                 (long long)auth->tokens[i].created_us);
    }
    buf_adds(ret_json, "]}");
}

int auth_token_check(const struct auth *auth, const char *token, char name[64], char role[16],
                     struct orb_err *err)
{
    unsigned char hash[HASH_BYTES];
    int found = -1;

    hash_of(token, hash);
    for (unsigned i = 0; i < auth->count; i++)
        if (sodium_memcmp(hash, auth->tokens[i].hash, HASH_BYTES) == 0)
            found = (int)i;
    if (found < 0)
        return orb_fail(err, ORB_E_UNAUTHENTICATED,
                        "this token is not known; make one with `orbctl token create NAME ROLE`");
    snprintf(name, 64, "%s", auth->tokens[found].name);
    snprintf(role, 16, "%s", auth->tokens[found].role);
    return 0;
}
