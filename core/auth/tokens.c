/* One small file, rewritten as a whole. It ends with a checksum: a changed letter in a hash would
 * otherwise make another token, refused without a visible reason. */
#include "core/auth/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/tree.h"

#define FILE_MAX (1u << 20)
#define SUM_BYTES 16
#define ASIDE_TRIES 100

static const char *const roles[] = {"metrics", "viewer", "operator", "admin"};

bool tokens_role_known(const char *role)
{
    for (unsigned i = 0; i < ARRAY_LEN(roles); i++)
        if (!strcmp(roles[i], role))
            return true;
    return false;
}

static bool has_expiry(const struct tokens *tokens)
{
    for (unsigned i = 0; i < tokens->count; i++)
        if (tokens->items[i].expires_us)
            return true;
    return false;
}

static void sum_of(const struct tokens *tokens, char hex[SUM_BYTES * 2 + 1])
{
    unsigned char sum[SUM_BYTES];
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof(sum));
    for (unsigned i = 0; i < tokens->count; i++) {
        const struct token *t = &tokens->items[i];
        AUTO_FREE char *line =
            buf_format("%s\n%s\n%lld\n", t->name, t->role, (long long)t->created_us);
        AUTO_FREE char *end =
            t->expires_us ? buf_format("%lld\n%d\n", (long long)t->expires_us, t->expired) : NULL;

        crypto_generichash_update(&state, (const unsigned char *)line, strlen(line));
        if (end)
            crypto_generichash_update(&state, (const unsigned char *)end, strlen(end));
        crypto_generichash_update(&state, t->hash, sizeof(t->hash));
    }
    if (has_expiry(tokens)) {
        AUTO_FREE char *seen = buf_format("seen %lld\n", (long long)tokens->seen_us);

        crypto_generichash_update(&state, (const unsigned char *)seen, strlen(seen));
    }
    crypto_generichash_final(&state, sum, sizeof(sum));
    sodium_bin2hex(hex, SUM_BYTES * 2 + 1, sum, sizeof(sum));
}

/* A file of an earlier version has the old key; the next change rewrites it. */
static int64_t number_of(const json_t *object, const char *key, const char *old_key)
{
    const json_t *value = json_object_get(object, key);

    return json_integer_value(value ? value : json_object_get(object, old_key));
}

static int read_token(const json_t *item, struct token *t)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *role = json_string_value(json_object_get(item, "role"));
    const char *hash = json_string_value(json_object_get(item, "hash"));
    size_t len = 0;

    if (!name || !role || !hash || strlen(name) >= sizeof(t->name) || !tokens_role_known(role))
        return -1;
    snprintf(t->name, sizeof(t->name), "%s", name);
    snprintf(t->role, sizeof(t->role), "%s", role);
    t->created_us = number_of(item, "created-us", "created_us");
    t->expires_us = number_of(item, "expires-us", "expires_us");
    t->expired = json_is_true(json_object_get(item, "expired"));
    if (sodium_hex2bin(t->hash, sizeof(t->hash), hash, strlen(hash), NULL, &len, NULL) < 0)
        return -1;
    return len == TOKEN_HASH ? 0 : -1;
}

static int take(const char *path, const json_t *tree, struct tokens *tokens, struct orb_err *err)
{
    json_t *list = json_object_get(tree, "tokens");
    json_t *sum = json_object_get(tree, "sum"); /* files of version 0.1 have none */
    char expected[SUM_BYTES * 2 + 1];
    size_t count = json_array_size(list);

    if (!json_is_array(list))
        return orb_fail(err, ORB_E_INVALID, "%s: there is no list of tokens in it", path);
    if (count > AUTH_TOKENS)
        return orb_fail(err, ORB_E_LIMIT, "%s holds %zu tokens; at most %d", path, count,
                        AUTH_TOKENS);
    for (size_t i = 0; i < count; i++)
        if (read_token(json_array_get(list, i), &tokens->items[i]) < 0)
            return orb_fail(err, ORB_E_INVALID, "%s: token %zu is not as this program writes it",
                            path, i);
    tokens->count = (unsigned)count;
    tokens->seen_us = number_of(tree, "seen-us", "seen_us");
    sum_of(tokens, expected);
    if (sum && (!json_is_string(sum) || strcmp(json_string_value(sum), expected)))
        return orb_fail(err, ORB_E_INVALID, "%s: wrong checksum", path);
    return 0;
}

/* Write access to the file, or to its directory, is the power to make tokens. */
static int check_owner(const char *path, const struct stat *st, struct orb_err *err)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return orb_fail(err, ORB_E_DENIED,
                        "%s belongs to uid %u, who could have written any token into it; give it "
                        "to uid %u",
                        path, (unsigned)st->st_uid, (unsigned)geteuid());
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return orb_fail(err, ORB_E_DENIED,
                        "%s may be written by others (mode %04o); close it with chmod go-w", path,
                        (unsigned)st->st_mode & 07777);
    return 0;
}

static int check_owners(const char *path, struct orb_err *err)
{
    AUTO_FREE char *dir = xstrdup(path);
    struct stat st;
    int r;

    *strrchr(dir, '/') = '\0';
    if (stat(dir, &st) < 0)
        return orb_fail(err, -errno, "cannot look at %s", dir);
    r = check_owner(dir, &st, err);
    if (r < 0)
        return r;
    if (stat(path, &st) < 0)
        return orb_fail(err, -errno, "cannot look at %s", path);
    return check_owner(path, &st, err);
}

static int read_file(const char *path, struct tokens *tokens, struct orb_err *err)
{
    AUTO(buf) struct buf data = {0};
    AUTO(json_t) json_t *tree = NULL;
    struct stat st;
    int r;

    if (lstat(path, &st) < 0 && errno == ENOENT)
        return 0;
    r = file_read_regular(path, FILE_MAX, &data, err);
    if (r == 0)
        r = check_owners(path, err);
    if (r < 0)
        return r;
    if (!data.len)
        return orb_fail(err, ORB_E_INVALID, "%s is empty", path);
    r = tree_parse(buf_str(&data), data.len, NULL, &tree, err);
    return r < 0 ? orb_wrap(err, "%s", path) : take(path, tree, tokens, err);
}

int tokens_read(const char *path, struct tokens *tokens, struct orb_err *err)
{
    int r;

    memset(tokens, 0, sizeof(*tokens));
    r = read_file(path, tokens, err);
    if (r < 0)
        memset(tokens, 0, sizeof(*tokens));
    return r;
}

void tokens_text(const struct tokens *tokens, struct buf *ret_text)
{
    struct json_write w = json_write_to(ret_text);
    char sum[SUM_BYTES * 2 + 1];

    json_write_object(&w, NULL);
    json_write_array(&w, "tokens");
    for (unsigned i = 0; i < tokens->count; i++) {
        const struct token *t = &tokens->items[i];
        char hex[TOKEN_HASH * 2 + 1];

        sodium_bin2hex(hex, sizeof(hex), t->hash, sizeof(t->hash));
        json_write_object(&w, NULL);
        json_write_string(&w, "name", t->name);
        json_write_string(&w, "role", t->role);
        json_write_integer(&w, "created-us", t->created_us);
        if (t->expires_us)
            json_write_integer(&w, "expires-us", t->expires_us);
        if (t->expires_us && t->expired)
            json_write_boolean(&w, "expired", true);
        json_write_string(&w, "hash", hex);
        json_write_end(&w);
    }
    json_write_end(&w);
    sum_of(tokens, sum);
    if (has_expiry(tokens))
        json_write_integer(&w, "seen-us", tokens->seen_us);
    json_write_string(&w, "sum", sum);
    json_write_end(&w);
    buf_addc(ret_text, '\n');
}

int tokens_set_aside(const char *path, struct orb_err *err)
{
    AUTO_FREE char *to = NULL;
    time_t now = time(NULL);
    char when[32];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
    for (int i = 0; i < ASIDE_TRIES; i++) {
        free(to);
        to = i ? buf_format("%s.damaged-%s.%d", path, when, i)
               : buf_format("%s.damaged-%s", path, when);
        if (renameat2(AT_FDCWD, path, AT_FDCWD, to, RENAME_NOREPLACE) == 0 || errno == ENOENT)
            return 0;
        if (errno != EEXIST)
            break;
    }
    return orb_fail(err, -errno, "cannot set %s aside", path);
}
