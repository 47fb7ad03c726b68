/* dataplane/found.c: the values found before Orbital are never lost silently, and never invented.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/found.h"
#include "test/lib/harness.h"

#define A "/proc/sys/net/ipv4/conf/a/forwarding"
#define B "/proc/sys/net/ipv4/conf/b/forwarding"

struct place {
    char dir[40];
    char file[64];
    struct dataplane dp;
};

static void begin(struct place *p)
{
    *p = (struct place){.dir = "/tmp/orbital-test-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(p->dir));
    snprintf(p->file, sizeof(p->file), "%s/found-settings", p->dir);
    p->dp.found = p->file;
}

static void end(struct place *p)
{
    AUTO_FREE char *digest = buf_format("%s/table-digest", p->dir);

    buf_fini(&p->dp.unnoted);
    unlink(digest);
    unlink(p->file);
    rmdir(p->file);
    ck_assert_int_eq(rmdir(p->dir), 0);
}

static void read_file(struct place *p, struct buf *ret_text)
{
    buf_clear(ret_text);
    ck_assert_int_eq(file_read_regular(p->file, 4096, ret_text, NULL), 0);
}

static void write_file(struct place *p, const char *text, size_t len)
{
    FILE *file = fopen(p->file, "w");

    ck_assert_uint_eq(fwrite(text, 1, len, file), len);
    fclose(file);
}

static const char *problem(struct place *p)
{
    return p->dp.problems[DATAPLANE_PROBLEM_NOTES];
}

TEST(the_first_value_is_kept)
{
    struct place p;
    AUTO(buf) struct buf text = {0};

    begin(&p);
    found_keep(&p.dp, A, "7");
    found_keep(&p.dp, B, "8");
    found_keep(&p.dp, A, "9");
    read_file(&p, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "\n" A " 7\n" B " 8\n"));
    ck_assert_ptr_null(strstr(text.data, " 9"));
    ck_assert(found_has(&p.dp, A) && found_has(&p.dp, B));
    ck_assert_str_eq(problem(&p), "");
    end(&p);
}

/* Every length that a torn write may have left. */
TEST(a_torn_line_is_cut_off_and_never_believed)
{
    struct place p;
    AUTO(buf) struct buf whole = {0};
    AUTO(buf) struct buf text = {0};
    size_t one;

    begin(&p);
    found_keep(&p.dp, A, "17");
    read_file(&p, &whole);
    one = whole.len;
    found_keep(&p.dp, B, "18");
    read_file(&p, &whole);
    for (size_t len = one; len < whole.len; len++) {
        write_file(&p, whole.data, len);
        ck_assert(found_has(&p.dp, A));
        ck_assert(!found_has(&p.dp, B));
        found_keep(&p.dp, B, "18");
        read_file(&p, &text);
        ck_assert_str_eq(buf_str(&text), buf_str(&whole));
        ck_assert_str_eq(problem(&p), "");
    }
    end(&p);
}

TEST(what_cannot_be_read_is_told_kept_in_memory_and_written_later)
{
    static const char garbage[] = "\xff\xfe no such file\n";
    struct place p;
    AUTO(buf) struct buf text = {0};

    for (unsigned kind = 0; kind < 4; kind++) {
        begin(&p);
        found_keep(&p.dp, A, "7");
        if (kind == 0)
            write_file(&p, garbage, sizeof(garbage) - 1);
        else if (kind == 1)
            write_file(&p, "", 0);
        unlink(kind > 1 ? p.file : "");
        if (kind == 2)
            ck_assert_int_eq(mkdir(p.file, 0700), 0);
        else if (kind == 3)
            ck_assert_int_eq(mkfifo(p.file, 0600), 0);
        found_keep(&p.dp, B, "8");
        ck_assert_ptr_nonnull(strstr(problem(&p), "found-settings"));
        ck_assert(found_has(&p.dp, B));
        found_retry(&p.dp);
        ck_assert_str_ne(problem(&p), "");
        if (kind == 0) {
            read_file(&p, &text);
            ck_assert_str_eq(buf_str(&text), garbage); /* a user may look at it */
        }
        ck_assert_int_eq(remove(p.file), 0);
        found_retry(&p.dp);
        ck_assert_str_eq(problem(&p), "");
        read_file(&p, &text);
        ck_assert_ptr_nonnull(strstr(text.data, "\n" B " 8\n"));
        end(&p);
    }
}

TEST(notes_of_another_boot_are_nothing)
{
    static const char other[] = "01234567-89ab-cdef-0123-456789abcdef net:[4026531840]\n" A " 3\n";
    struct place p;

    begin(&p);
    write_file(&p, other, sizeof(other) - 1);
    ck_assert(!found_has(&p.dp, A));
    found_keep(&p.dp, A, "4");
    ck_assert_str_eq(problem(&p), "");
    ck_assert(found_has(&p.dp, A));
    end(&p);
}

TEST(nothing_is_put_back_from_what_cannot_be_read)
{
    struct place p;
    struct orb_err err = {0};

    begin(&p);
    write_file(&p, "damaged\n", 8);
    ck_assert_int_lt(found_restore(&p.dp, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "found-settings"));
    ck_assert_int_eq(access(p.file, F_OK), 0);
    end(&p);
}

TEST(the_digest_of_the_table_is_whole_or_gone)
{
    struct place p;
    uint64_t digest = 0;

    begin(&p);
    p.dp.digest = 0x123456789abcdef0;
    p.dp.digest_unnoted = true;
    found_retry(&p.dp);
    ck_assert(found_table(p.file, &digest));
    ck_assert(digest == p.dp.digest);
    {
        AUTO_FREE char *path = buf_format("%s/table-digest", p.dir);
        struct stat st;

        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(truncate(path, st.st_size - 3), 0);
    }
    ck_assert(!found_table(p.file, &digest));
    end(&p);
}
