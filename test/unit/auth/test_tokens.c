/* core/auth/tokens.c: the file of tokens, whole and damaged. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auth/tokens.h"
#include "core/base/own.h"
#include "test/lib/harness.h"

struct world {
    char dir[64];
    char path[96];
    struct token tokens[AUTH_TOKENS], read[AUTH_TOKENS];
    unsigned count;
    struct buf text;
    struct orb_err err;
};

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    strcpy(w->dir, "/tmp/orbt-tokens.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/tokens.json", w->dir);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(w->tokens[i].name, sizeof w->tokens[i].name, "t%u", i);
        strcpy(w->tokens[i].role, "viewer");
        w->tokens[i].created_us = 1000 + i;
        memset(w->tokens[i].hash, (int)i + 1, TOKEN_HASH);
    }
    tokens_text(w->tokens, 3, &w->text);
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
    return tokens_read(w->path, w->read, &w->count, &w->err);
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
    ck_assert_uint_eq(w.count, 0);
    put(&w, w.text.data, w.text.len);
    ck_assert_int_eq(look(&w), 0);
    ck_assert_uint_eq(w.count, 3);
    ck_assert_int_eq(memcmp(w.read, w.tokens, 3 * sizeof *w.tokens), 0);
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
            if (look(&w) == 0 && w.count) {
                ck_assert_uint_eq(w.count, 3);
                ck_assert_int_eq(memcmp(w.read, w.tokens, 3 * sizeof *w.tokens), 0);
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
        AUTO_FREE char *clean = xasprintf("test $(ls %s | wc -l) = 3 && rm %s/*", w.dir, w.dir);

        ck_assert_int_eq(system(clean), 0);
    }
    end(&w);
}
