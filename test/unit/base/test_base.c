/* core/base: errors, buffers, files, suggestions. */
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/pointer.h"
#include "core/base/suggest.h"
#include "orbital/error.h"
#include "test/lib/harness.h"

TEST(a_failure_carries_code_path_and_sentence)
{
    struct orb_err err;

    ck_assert_int_eq(orb_fail_at(&err, ORB_E_SCHEMA, "/a/b", "got %d", 3), ORB_E_SCHEMA);
    ck_assert_str_eq(err.path, "/a/b");
    ck_assert_int_eq(orb_wrap(&err, "commit %d", 7), ORB_E_SCHEMA);
    ck_assert_str_eq(err.text, "commit 7: got 3");
    ck_assert_str_eq(err.path, "/a/b");
}

TEST(an_errno_adds_its_own_words)
{
    struct orb_err err;

    orb_fail(&err, -ENOENT, "cannot read %s", "/x");
    ck_assert_str_eq(err.text, "cannot read /x: No such file or directory");
    ck_assert_str_eq(orb_code_name(-ENOENT), "io");
    ck_assert_int_eq(orb_code_parse("config.veto"), ORB_E_VETO);
    ck_assert_int_eq(orb_code_parse("nonsense"), ORB_E_INTERNAL);
}

TEST(json_strings_are_escaped_and_bad_bytes_replaced)
{
    AUTO(buf) struct buf b = {0};

    buf_add_json(&b, "a\"\\\n\x01\xff\xc3\xa9", 8);
    ck_assert_str_eq(buf_str(&b), "\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\"");
}

TEST(file_replace_is_whole_or_absent)
{
    char dir[] = "/tmp/orbital-test-XXXXXX";
    AUTO_FREE char *path = NULL;
    AUTO(buf) struct buf b = {0};
    struct orb_err err;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/f", dir);
    ck_assert_int_eq(file_replace(path, "one", 3, 0600, &err), 0);
    ck_assert_int_eq(file_replace(path, "two!", 4, 0600, &err), 0);
    ck_assert_int_eq(file_read(path, 100, &b, &err), 0);
    ck_assert_str_eq(buf_str(&b), "two!");
    ck_assert_int_eq(file_read(path, 3, &b, &err), ORB_E_LIMIT);
    ck_assert_str_eq(buf_str(&b), "two!");
    unlink(path);
    ck_assert_int_eq(file_replace("/nonexistent-dir/f", "x", 1, 0600, &err), -ENOENT);
    rmdir(dir);
}

TEST(what_lies_in_the_place_of_a_new_file_neither_holds_nor_leads_the_writer)
{
    char dir[] = "/tmp/orbital-test-XXXXXX";
    AUTO_FREE char *path = NULL, *new = NULL, *other = NULL;
    AUTO(buf) struct buf b = {0};
    struct orb_err err;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/f", dir);
    new = buf_format("%s/f.new", dir);
    other = buf_format("%s/other", dir);
    ck_assert_int_eq(mkfifo(new, 0600), 0);
    ck_assert_int_eq(file_replace(path, "one", 3, 0600, &err), 0);
    ck_assert_int_eq(file_replace(other, "kept", 4, 0600, &err), 0);
    ck_assert_int_eq(symlink(other, new), 0);
    ck_assert_int_eq(file_replace(path, "two", 3, 0600, &err), 0);
    ck_assert_int_eq(file_read(other, 100, &b, &err), 0);
    ck_assert_str_eq(buf_str(&b), "kept");
    ck_assert_int_eq(mkdir(new, 0700), 0);
    ck_assert_int_lt(file_replace(path, "three", 5, 0600, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, new));
    ck_assert_int_eq(file_read(path, 100, &b, &err), 0);
    ck_assert_str_eq(buf_str(&b), "two");
    ck_assert_int_eq(rmdir(new), 0);
    unlink(other);
    unlink(path);
    ck_assert_int_eq(rmdir(dir), 0);
}

TEST(a_name_with_other_separators_is_suggested_before_all_others)
{
    static const char *const names[] = {"rx_byte", "rx-bytes", "a-b-c-d-e-f"};

    ck_assert_str_eq(suggest_nearest("rx_bytes", names, 3), "rx-bytes");
    ck_assert_str_eq(suggest_nearest("a_b_c_d_e_f", names, 3), "a-b-c-d-e-f"); /* five edits */
    ck_assert_ptr_null(suggest_nearest("a_b_c_d_e_f_g", names, 3));
}

TEST(the_nearest_name_is_suggested_only_when_near)
{
    static const char *const names[] = {"tcp", "udp", "icmp", "any"};

    ck_assert_str_eq(suggest_nearest("tpc", names, 4), "tcp");
    ck_assert_str_eq(suggest_nearest("TCP", names, 4), "tcp");
    ck_assert_ptr_null(suggest_nearest("wireguard", names, 4));
    ck_assert_ptr_null(suggest_nearest("x", names, 4)); /* as many edits as the name is long */
    ck_assert_uint_eq(suggest_distance("icpm", 4, "icmp", 4), 1);
    ck_assert_uint_eq(suggest_distance("", 0, "icmp", 4), 4);
}

TEST(names_that_come_one_by_one_are_searched_like_a_list)
{
    struct suggest search;

    suggest_init(&search, "a_b_c_d");
    suggest_offer(&search, "a_b_c_e");
    ck_assert_str_eq(search.best, "a_b_c_e");
    suggest_offer(&search, "a-b-c-d"); /* three edits, but the spelling of today */
    suggest_offer(&search, "a_b_c_f");
    ck_assert_str_eq(search.best, "a-b-c-d");
    suggest_init(&search, "!lan");
    suggest_offer(&search, "lan"); /* the opposite */
    ck_assert_ptr_null(search.best);
}

TEST(an_empty_file_is_an_empty_text)
{
    char path[] = "/tmp/orbital-test-XXXXXX";
    AUTO(buf) struct buf data = {0};
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    mallopt(M_PERTURB, 'x'); /* memory is never zero by chance */
    ck_assert_int_eq(file_read_regular(path, 100, &data, NULL), 0);
    ck_assert_uint_eq(data.len, 0);
    ck_assert_str_eq(buf_str(&data), "");
    unlink(path);
}

TEST(a_symbolic_link_to_nothing_is_told_as_one)
{
    char dir[] = "/tmp/orb-base-XXXXXX";
    AUTO_FREE char *path = NULL;
    struct orb_err err;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = buf_format("%s/journal-0", dir);
    ck_assert_int_eq(file_open_regular(path, 100, NULL, &err), -ENOENT);
    ck_assert_ptr_null(strstr(err.text, "symbolic"));
    ck_assert_int_eq(symlink("/nonexistent/elsewhere", path), 0);
    ck_assert_int_eq(file_open_regular(path, 100, NULL, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "a symbolic link to /nonexistent/elsewhere, which"));
    unlink(path);
    rmdir(dir);
}

static const char *most(struct buf *b, const char *text, size_t bytes)
{
    buf_clear(b);
    buf_add_json_most(b, text, strlen(text), bytes);
    return buf_str(b);
}

TEST(a_json_string_with_a_limit_is_cut_between_two_characters)
{
    AUTO(buf) struct buf b = {0};

    ck_assert_str_eq(most(&b, "twelve bytes", 12), "\"twelve bytes\"");
    ck_assert_str_eq(most(&b, "twelve bytes", 11), "\"twelve b\xe2\x80\xa6\"");
    ck_assert_str_eq(most(&b, "\1\1\1", 18), "\"\\u0001\\u0001\\u0001\"");
    ck_assert_str_eq(most(&b, "\1\1\1", 17), "\"\\u0001\\u0001\xe2\x80\xa6\"");
    ck_assert_str_eq(most(&b, "a\xc3\xa4\xc3\xa4", 4), "\"a\xe2\x80\xa6\"");
    ck_assert_str_eq(most(&b, "abc", 2), "\"\"");
}

TEST(a_token_of_a_pointer_is_escaped_and_unescaped_alike)
{
    static const char *const tokens[] = {"", "a", "/", "~", "~1", "a/b~c", "~~//"};
    static const char *const wrong[] = {"~", "a~2", "~0~", "a/~x"};
    char path[80] = "", to[16], small[3];
    AUTO(buf) struct buf b = {0};
    const char *at = path;

    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        ck_assert(pointer_append(path, sizeof(path), tokens[i]));
        buf_add_pointer(&b, tokens[i]);
    }
    ck_assert_str_eq(path, buf_str(&b));
    ck_assert(pointer_is_valid(path));
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        AUTO(buf) struct buf one = {0};

        at = pointer_next(at, to, sizeof(to));
        ck_assert_str_eq(to, tokens[i]);
        buf_add_pointer(&one, tokens[i]);
        ck_assert(pointer_unescape(one.data + 1));
        ck_assert_str_eq(one.data + 1, tokens[i]);
    }
    ck_assert_str_eq(at, "");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        snprintf(path, sizeof(path), "/%s", wrong[i]);
        ck_assert(!pointer_is_valid(path) && !pointer_unescape(path));
        snprintf(to, sizeof(to), "/%s", wrong[i]);
        ck_assert_str_eq(path, to); /* as it was */
    }
    ck_assert(!pointer_is_valid("a") && pointer_is_valid(""));
    ck_assert_ptr_null(pointer_next("a", to, sizeof(to)));
    ck_assert_ptr_null(pointer_next("/~2", to, sizeof(to)));
    ck_assert_ptr_nonnull(pointer_next("/~1b", small, sizeof(small)));
    ck_assert_str_eq(small, "/b");
    ck_assert_ptr_null(pointer_next("/abc", small, sizeof(small)));
}
