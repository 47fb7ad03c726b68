/* core/host/starts.c: counted starts. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/own.h"
#include "core/host/starts.h"
#include "test/lib/harness.h"

static void in_new_dir(char dir[64])
{
    strcpy(dir, "/tmp/orbt-starts.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void away(const char *dir)
{
    starts_forget(dir);
    ck_assert_int_eq(rmdir(dir), 0);
}

TEST(starts_within_a_minute_are_counted_and_older_ones_are_not)
{
    struct orb_err err;
    char dir[64];

    in_new_dir(dir);
    ck_assert_uint_eq(starts_note_at(dir, 100000, &err), 1);
    ck_assert_uint_eq(starts_note_at(dir, 130000, &err), 2);
    ck_assert_uint_eq(starts_note_at(dir, 160000, &err), 3);
    ck_assert_uint_eq(starts_note_at(dir, 191000, &err), 2);
    ck_assert_int_eq(err.code, 0);
    away(dir);
}

TEST(a_start_that_got_there_makes_those_before_forgotten)
{
    struct orb_err err;
    char dir[64];

    in_new_dir(dir);
    starts_note_at(dir, 1000, &err);
    starts_note_at(dir, 2000, &err);
    starts_forget(dir);
    ck_assert_uint_eq(starts_note_at(dir, 3000, &err), 1);
    away(dir);
}

TEST(a_fifo_in_the_place_of_the_file_does_not_hold_the_start)
{
    static const char *const names[] = {"starts", "starts.new"};
    struct orb_err err;
    char dir[64];

    in_new_dir(dir);
    for (size_t i = 0; i < 2; i++) {
        AUTO_FREE char *path = buf_format("%s/%s", dir, names[i]);

        ck_assert_int_eq(mkfifo(path, 0600), 0);
        ck_assert_uint_eq(starts_note_at(dir, 1000, &err), 1);
        ck_assert_int_eq(err.code, i == 0 ? ORB_E_INVALID : 0); /* replaced, and reported */
        starts_forget(dir);
    }
    away(dir);
}

TEST(a_thousand_starts_and_times_to_come_do_no_harm)
{
    struct orb_err err;
    char dir[64];

    in_new_dir(dir);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_uint_ge(starts_note_at(dir, 500000 + i, &err),
                          i < STARTS_SAFE ? i + 1 : STARTS_SAFE);
    ck_assert_uint_eq(starts_note_at(dir, 1000, &err), 1); /* another boot */
    away(dir);
}

TEST(a_file_of_anything_is_as_none)
{
    static const char *const things[] = {"", "x\n\n-5\n", "99999999999999999999999\n",
                                         "7 7 7 nonsense"};
    struct orb_err err;
    char dir[64];

    in_new_dir(dir);
    for (size_t i = 0; i < ARRAY_LEN(things); i++) {
        AUTO_FREE char *path = buf_format("%s/starts", dir);

        ck_assert_int_eq(file_replace(path, things[i], strlen(things[i]), 0600, NULL), 0);
        ck_assert_uint_eq(starts_note_at(dir, 70000, &err), 1);
        ck_assert_int_eq(err.code, 0);
    }
    away(dir);
}

TEST(a_place_that_cannot_be_written_is_reported)
{
    struct orb_err err;

    ck_assert_uint_eq(starts_note_at("/nonexistent/dir", 1000, &err), 1);
    ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/dir/starts"));
}
