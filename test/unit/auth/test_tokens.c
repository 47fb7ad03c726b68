/* core/auth/tokens.c: the file of tokens, whole and damaged. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auth/tokens.h"
#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "test/lib/harness.h"

struct world {
    char dir[64];
    char path[96];
    struct tokens tokens, read;
    struct buf text;
    struct orb_err err;
};

static void begin(struct world *w)
{
    memset(w, 0, sizeof(*w));
    strcpy(w->dir, "/tmp/orbt-tokens.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(w->dir));
    snprintf(w->path, sizeof(w->path), "%s/tokens.json", w->dir);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(w->tokens.items[i].name, sizeof(w->tokens.items[i].name), "t%u", i);
        strcpy(w->tokens.items[i].role, "viewer");
        w->tokens.items[i].created_us = 1000 + i;
        memset(w->tokens.items[i].hash, (int)i + 1, TOKEN_HASH);
    }
    w->tokens.count = 3;
    w->tokens.items[1].expires_us = 5000;
    w->tokens.items[2].expires_us = 7000;
    w->tokens.items[2].expired = true;
    w->tokens.seen_us = 6000;
    tokens_text(&w->tokens, &w->text);
}

static void put(const struct world *w, const char *data, size_t len)
{
    AUTO_FD int fd = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
}

static int look(struct world *w)
{
    w->err = (struct orb_err){0};
    return tokens_read(w->path, &w->read, &w->err);
}

static void end(struct world *w)
{
    unlink(w->path);
    rmdir(w->dir);
    buf_fini(&w->text);
}

TEST(what_was_written_is_read_again_and_no_file_is_no_tokens)
{
    struct world w;

    begin(&w);
    ck_assert_int_eq(look(&w), 0);
    ck_assert_uint_eq(w.read.count, 0);
    put(&w, w.text.data, w.text.len);
    ck_assert_int_eq(look(&w), 0);
    ck_assert_uint_eq(w.read.count, 3);
    ck_assert_int_eq(memcmp(w.read.items, w.tokens.items, 3 * sizeof(*w.tokens.items)), 0);
    end(&w);
}

TEST(a_file_with_the_keys_of_earlier_versions_is_read_and_written_with_those_of_today)
{
    static const char *const keys[] = {"\"created-us\":", "\"expires-us\":", "\"seen-us\":"};
    AUTO(buf) struct buf again = {0};
    AUTO_FREE char *old = NULL;
    struct world w;

    begin(&w);
    old = xstrdup(w.text.data);
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
        for (char *at = old; (at = strstr(at, keys[i]));)
            *strchr(at, '-') = '_';
    ck_assert_str_ne(old, w.text.data);
    put(&w, old, w.text.len);
    ck_assert_msg(look(&w) == 0, "%s", w.err.text);
    tokens_text(&w.read, &again);
    ck_assert_str_eq(again.data, w.text.data);
    end(&w);
}

TEST(a_file_that_was_cut_anywhere_is_damaged)
{
    struct world w;

    begin(&w);
    for (size_t n = 0; n + 1 < w.text.len; n++) { /* the line's end alone may be missing */
        put(&w, w.text.data, n);
        ck_assert_msg(look(&w) < 0, "%zu of %zu bytes are believed", n, w.text.len);
        ck_assert_ptr_nonnull(strstr(w.err.text, w.path));
    }
    end(&w);
}

TEST(no_single_bit_makes_other_tokens)
{
    struct world w;

    begin(&w);
    for (size_t at = 0; at < w.text.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            w.text.data[at] ^= (char)(1 << bit);
            put(&w, w.text.data, w.text.len);
            if (look(&w) == 0 && w.read.count) {
                ck_assert_uint_eq(w.read.count, 3);
                ck_assert_int_eq(memcmp(w.read.items, w.tokens.items, 3 * sizeof(*w.tokens.items)),
                                 0);
            } else {
                ck_assert_msg(w.err.code < 0, "no tokens, and no error, at byte %zu", at);
            }
            w.text.data[at] ^= (char)(1 << bit);
        }
    end(&w);
}

TEST(what_others_may_write_is_not_believed)
{
    struct world w;

    begin(&w);
    put(&w, w.text.data, w.text.len);
    ck_assert_int_eq(chmod(w.path, 0620), 0);
    ck_assert_int_eq(look(&w), ORB_E_DENIED);
    ck_assert_int_eq(chmod(w.path, 0600), 0);
    ck_assert_int_eq(chmod(w.dir, 0777), 0);
    ck_assert_int_eq(look(&w), ORB_E_DENIED);
    end(&w);
}

TEST(what_is_set_aside_is_never_overwritten)
{
    struct world w;

    begin(&w);
    for (int i = 0; i < 3; i++) {
        put(&w, "x", 1);
        ck_assert_int_eq(tokens_set_aside(w.path, &w.err), 0);
    }
    ck_assert_int_eq(tokens_set_aside(w.path, &w.err), 0); /* nothing there */
    {
        AUTO_FREE char *clean = buf_format("test $(ls %s | wc -l) = 3 && rm %s/*", w.dir, w.dir);

        ck_assert_int_eq(system(clean), 0);
    }
    end(&w);
}

/* ---- expiry ---- */

static struct auth *open_auth(struct world *w)
{
    AUTO_FREE char *dir = buf_format("%s/auth", w->dir);
    struct auth *auth = NULL;

    ck_assert_int_eq(file_make_dir(dir, 0700, &w->err), 0);
    snprintf(w->path, sizeof(w->path), "%s/tokens.json", dir);
    ck_assert_int_eq(auth_new(w->dir, &auth, &w->err), 0);
    return auth;
}

static void make(struct world *w, struct auth *auth, const char *name, uint64_t lifetime_s,
                 char token[64])
{
    struct auth_change *change = NULL;

    ck_assert_int_eq(auth_token_create(auth, name, "viewer", lifetime_s, &change, &w->err), 0);
    ck_assert_int_eq(auth_change_write(change, &w->err), 0);
    snprintf(token, 64, "%s", auth_change_token(change));
    auth_change_end(auth, change, true);
}

static int check(struct world *w, struct auth *auth, const char *token)
{
    char name[64], role[16];
    int64_t made_us;

    w->err = (struct orb_err){0};
    return auth_token_check(auth, token, name, role, &made_us, &w->err);
}

/* As if the daemon had not run for so long, and the wall clock had been set back meanwhile. */
static void age(struct world *w, int64_t by_us)
{
    AUTO(buf) struct buf text = {0};

    ck_assert_int_eq(tokens_read(w->path, &w->read, &w->err), 0);
    w->read.seen_us += by_us;
    tokens_text(&w->read, &text);
    ck_assert_int_eq(file_replace(w->path, text.data, text.len, 0600, &w->err), 0);
}

static void on_expired(void *arg, const char *name)
{
    strcat(arg, name);
}

static void end_auth(struct world *w)
{
    unlink(w->path);
    *strrchr(w->path, '/') = '\0';
    rmdir(w->path);
    rmdir(w->dir);
    buf_fini(&w->text);
}

TEST(a_token_that_expired_is_refused_and_told_once_and_the_others_go_on)
{
    char brief[64], forever[64], told[64] = "";
    struct world w;
    struct auth *auth;

    begin(&w);
    auth = open_auth(&w);
    make(&w, auth, "brief", 3600, brief);
    make(&w, auth, "forever", 0, forever);
    ck_assert_int_eq(check(&w, auth, brief), 0);
    ck_assert(!auth_expire(auth, on_expired, told));
    auth_free(auth);
    age(&w, 3601 * 1000000ll);
    auth = open_auth(&w);
    ck_assert_int_eq(check(&w, auth, brief), ORB_E_UNAUTHENTICATED);
    ck_assert_msg(strstr(w.err.text, "this token (brief) expired on 20"), "%s", w.err.text);
    ck_assert_int_eq(check(&w, auth, forever), 0);
    ck_assert(auth_expire(auth, on_expired, told));
    ck_assert(!auth_expire(auth, on_expired, told));
    ck_assert_str_eq(told, "brief");
    auth_free(auth);
    end_auth(&w);
}

TEST(an_expired_token_stays_so_when_the_file_forgets_how_late_it_is)
{
    struct auth_change *change = NULL;
    char brief[64], again[64], told[64] = "";
    struct world w;
    struct auth *auth;

    begin(&w);
    auth = open_auth(&w);
    make(&w, auth, "brief", 3600, brief);
    auth_free(auth);
    age(&w, 3601 * 1000000ll);
    auth = open_auth(&w);
    ck_assert(auth_expire(auth, on_expired, told));
    ck_assert_int_eq(auth_expired_keep(auth, &change, &w.err), 0);
    ck_assert_int_eq(auth_change_write(change, &w.err), 0);
    auth_change_end(auth, change, true);
    auth_free(auth);
    age(&w, -86400 * 1000000ll);
    auth = open_auth(&w);
    ck_assert_int_eq(check(&w, auth, brief), ORB_E_UNAUTHENTICATED);
    make(&w, auth, "brief", 3600, again); /* its name is free */
    ck_assert_int_eq(check(&w, auth, again), 0);
    ck_assert_int_eq(check(&w, auth, brief), ORB_E_UNAUTHENTICATED);
    auth_free(auth);
    end_auth(&w);
}
