/* Tokens of the API and changes of them. With a damaged file all tokens are refused, but the daemon
 * starts. */
#include "core/auth/auth.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/auth/tokens.h"
#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

struct auth {
    char *path;
    struct tokens tokens;
    uint64_t seen_ms;      /* when tokens.seen_us was true, by the time since boot */
    struct orb_err damage; /* code 0: the file is fine */
    bool changing;
};

struct auth_change {
    char *path;
    struct buf text; /* of the file to come */
    bool set_aside;  /* the file is damaged */
    struct tokens tokens;
    char token[64]; /* the new one, "" when one is revoked */
    int64_t expires_us;
};

/* Includes time the machine was suspended. */
static uint64_t boot_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void auth_reload(struct auth *auth)
{
    if (!auth->damage.code || auth->changing)
        return;
    auth->damage = (struct orb_err){0};
    tokens_read(auth->path, &auth->tokens, &auth->damage);
    auth->seen_ms = boot_ms();
}

/* A monotonic wall clock: setting it back does not extend a token's life, and a clock not set at
 * boot is never before the last time stored in the file. */
static int64_t now_of(struct auth *auth)
{
    uint64_t now = boot_ms();
    int64_t wall = (int64_t)now_wall_us();

    auth->tokens.seen_us += (int64_t)(now - auth->seen_ms) * 1000;
    auth->seen_ms = now;
    if (auth->tokens.seen_us < wall)
        auth->tokens.seen_us = wall;
    return auth->tokens.seen_us;
}

static bool is_over(struct auth *auth, const struct token *t)
{
    return t->expired || (t->expires_us && t->expires_us <= now_of(auth));
}

int auth_new(const char *state_dir, struct auth **ret_auth, struct orb_err *err)
{
    struct auth *auth;

    if (sodium_init() < 0)
        return orb_fail(err, ORB_E_INTERNAL, "libsodium cannot be initialised");
    auth = xcalloc(1, sizeof(*auth));
    auth->path = buf_format("%s/auth/tokens.json", state_dir);
    auth->damage.code = ORB_E_INTERNAL; /* not read yet */
    auth_reload(auth);
    *ret_auth = auth;
    return 0;
}

const struct orb_err *auth_damage(const struct auth *auth)
{
    return auth->damage.code ? &auth->damage : NULL;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    free(auth->path);
    free(auth);
}

static void hash_of(const char *token, unsigned char hash[TOKEN_HASH])
{
    crypto_generichash(hash, TOKEN_HASH, (const unsigned char *)token, strlen(token), NULL, 0);
}

static int index_of(const struct auth *auth, const char *name)
{
    for (unsigned i = 0; i < auth->tokens.count; i++)
        if (!strcmp(auth->tokens.items[i].name, name))
            return (int)i;
    return -1;
}

static int damaged(const struct auth *auth, struct orb_err *err)
{
    return orb_fail(err, ORB_E_UNAVAILABLE,
                    "no token can be checked: %s. Put the file back and reload the daemon, or make "
                    "new tokens with `orbctl token create`: the old file is kept beside it",
                    auth->damage.text);
}

/* Copy of what there is, to be changed; it counts from auth_change_end on. */
static struct auth_change *change_begin(struct auth *auth)
{
    struct auth_change *change = xcalloc(1, sizeof(*change));

    change->path = xstrdup(auth->path);
    change->set_aside = auth->damage.code != 0;
    now_of(auth);
    change->tokens = auth->tokens;
    auth->changing = true;
    return change;
}

/* Replaces the expired one of that name, else appends. */
static void make_token(struct auth_change *change, int at, const char *name, const char *role,
                       uint64_t lifetime_s)
{
    struct tokens *all = &change->tokens;
    struct token *t = &all->items[at < 0 ? (int)all->count++ : at];
    unsigned char secret[32];

    randombytes_buf(secret, sizeof(secret));
    memcpy(change->token, "orb_", 4);
    sodium_bin2base64(change->token + 4, sizeof(change->token) - 4, secret, sizeof(secret),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(secret, sizeof(secret));
    *t = (struct token){.created_us = (int64_t)now_wall_us()};
    if (lifetime_s)
        t->expires_us = all->seen_us + (int64_t)lifetime_s * 1000000;
    change->expires_us = t->expires_us;
    snprintf(t->name, sizeof(t->name), "%s", name);
    snprintf(t->role, sizeof(t->role), "%s", role);
    hash_of(change->token, t->hash);
}

int auth_token_create(struct auth *auth, const char *name, const char *role, uint64_t lifetime_s,
                      struct auth_change **ret_change, struct orb_err *err)
{
    int at = index_of(auth, name);

    if (!tokens_role_known(role))
        return orb_fail_at(err, ORB_E_INVALID, "/role",
                           "expected metrics, viewer, operator or admin; got \"%s\"", role);
    if (auth->changing)
        return orb_fail(err, ORB_E_BUSY, "another token is being written; try again");
    if (at >= 0 && !is_over(auth, &auth->tokens.items[at]))
        return orb_fail_at(err, ORB_E_CONFLICT, "/name",
                           "there is a token \"%s\" already; revoke it first", name);
    if (at < 0 && auth->tokens.count == AUTH_TOKENS)
        return orb_fail(err, ORB_E_LIMIT, "there are %d tokens already; revoke one first",
                        AUTH_TOKENS);
    *ret_change = change_begin(auth);
    make_token(*ret_change, at, name, role, lifetime_s);
    tokens_text(&(*ret_change)->tokens, &(*ret_change)->text);
    return 0;
}

int auth_token_revoke(struct auth *auth, const char *name, struct auth_change **ret_change,
                      struct orb_err *err)
{
    struct auth_change *change;
    int i = index_of(auth, name);

    if (auth->damage.code)
        return damaged(auth, err);
    if (auth->changing)
        return orb_fail(err, ORB_E_BUSY, "another token is being written; try again");
    if (i < 0)
        return orb_fail_at(err, ORB_E_NOT_FOUND, "/name", "there is no token \"%s\"", name);
    change = change_begin(auth);
    change->tokens.items[i] = change->tokens.items[--change->tokens.count];
    tokens_text(&change->tokens, &change->text);
    *ret_change = change;
    return 0;
}

bool auth_expire(struct auth *auth, void (*each)(void *arg, const char *name), void *arg)
{
    bool found = false;

    for (unsigned i = 0; !auth->damage.code && i < auth->tokens.count; i++) {
        struct token *t = &auth->tokens.items[i];

        if (t->expired || !is_over(auth, t))
            continue;
        t->expired = found = true;
        each(arg, t->name);
    }
    return found;
}

int auth_expired_keep(struct auth *auth, struct auth_change **ret_change, struct orb_err *err)
{
    if (auth->damage.code)
        return damaged(auth, err);
    if (auth->changing)
        return orb_fail(err, ORB_E_BUSY, "another token is being written; try again");
    *ret_change = change_begin(auth);
    tokens_text(&(*ret_change)->tokens, &(*ret_change)->text);
    return 0;
}

int auth_change_write(const struct auth_change *change, struct orb_err *err)
{
    AUTO_FREE char *dir = xstrdup(change->path);
    int r;

    *strrchr(dir, '/') = '\0';
    r = file_make_dir(dir, 0700, err);
    if (r == 0 && change->set_aside) {
        /* The directory's owner until now could give it another file. */
        if (chown(dir, geteuid(), getegid()) < 0 || chmod(dir, 0700) < 0)
            r = orb_fail(err, -errno, "cannot take %s", dir);
        else
            r = tokens_set_aside(change->path, err);
    }
    return r < 0 ? r : file_replace(change->path, change->text.data, change->text.len, 0600, err);
}

const char *auth_change_token(const struct auth_change *change)
{
    return change->token;
}

int64_t auth_change_expires(const struct auth_change *change)
{
    return change->expires_us;
}

/* What expired while it was being written; it is written by the next change. */
static void keep_expired(const struct auth *auth, struct tokens *tokens)
{
    for (unsigned i = 0; i < tokens->count; i++) {
        struct token *t = &tokens->items[i];
        int at = index_of(auth, t->name);

        if (at >= 0 && auth->tokens.items[at].expired &&
            !memcmp(auth->tokens.items[at].hash, t->hash, TOKEN_HASH))
            t->expired = true;
    }
}

void auth_change_end(struct auth *auth, struct auth_change *change, bool written)
{
    auth->changing = false;
    if (written) {
        int64_t seen_us = now_of(auth);

        keep_expired(auth, &change->tokens);
        auth->tokens = change->tokens;
        auth->tokens.seen_us = seen_us;
        auth->damage = (struct orb_err){0};
    }
    auth_change_free(change);
}

void auth_change_free(struct auth_change *change)
{
    sodium_memzero(change->token, sizeof(change->token));
    buf_fini(&change->text);
    free(change->path);
    free(change);
}

int auth_token_list(struct auth *auth, struct buf *ret_json, struct orb_err *err)
{
    struct json_write w = json_write_to(ret_json);

    if (auth->damage.code)
        return damaged(auth, err);
    json_write_object(&w, NULL);
    json_write_array(&w, "tokens");
    for (unsigned i = 0; i < auth->tokens.count; i++) {
        const struct token *t = &auth->tokens.items[i];

        json_write_object(&w, NULL);
        json_write_string(&w, "name", t->name);
        json_write_string(&w, "role", t->role);
        json_write_integer(&w, "created-us", t->created_us);
        if (t->expires_us) {
            json_write_integer(&w, "expires-us", t->expires_us);
            json_write_boolean(&w, "expired", is_over(auth, t));
        }
        json_write_end(&w);
    }
    json_write_end(&w);
    json_write_end(&w);
    return 0;
}

static int expired(const struct token *t, struct orb_err *err)
{
    time_t at = (time_t)(t->expires_us / 1000000);
    char when[32] = "";
    struct tm tm;

    if (gmtime_r(&at, &tm))
        strftime(when, sizeof(when), " on %Y-%m-%d at %H:%M UTC", &tm);
    return orb_fail(err, ORB_E_UNAUTHENTICATED,
                    "this token (%s) expired%s; make a new one with `orbctl token create %s %s`",
                    t->name, when, t->name, t->role);
}

int auth_token_check(struct auth *auth, const char *token, char name[64], char role[16],
                     int64_t *ret_made_us, struct orb_err *err)
{
    unsigned char hash[TOKEN_HASH];
    int found = -1;

    if (auth->damage.code)
        return damaged(auth, err);
    hash_of(token, hash);
    for (unsigned i = 0; i < auth->tokens.count; i++)
        if (sodium_memcmp(hash, auth->tokens.items[i].hash, TOKEN_HASH) == 0)
            found = (int)i;
    if (found < 0)
        return orb_fail(err, ORB_E_UNAUTHENTICATED,
                        "this token is not known; make one with `orbctl token create NAME ROLE`");
    if (is_over(auth, &auth->tokens.items[found]))
        return expired(&auth->tokens.items[found], err);
    snprintf(name, 64, "%s", auth->tokens.items[found].name);
    snprintf(role, 16, "%s", auth->tokens.items[found].role);
    *ret_made_us = auth->tokens.items[found].created_us;
    return 0;
}
