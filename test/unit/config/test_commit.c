/* Commits: history, rollback, rebase and conflicts, the lock, costs. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

static int edit(struct fake *f, const char *user, const char *path, const char *value)
{
    return fake_ask(f, user, 1, "edit", "{\"ops\":[{\"op\":\"set\",\"path\":\"%s\",\"value\":%s}]}",
                    path, value);
}

TEST(a_commit_without_changes_makes_no_revision)
{
    struct fake f;

    fake_new(&f);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_STATE);
    ck_assert_ptr_nonnull(strstr(f.err.text, "nothing to commit"));
    fake_set(&f, "/system/hostname", "\"a\"");
    fake_commit(&f);
    fake_set(&f, "/system/hostname", "\"b\"");
    fake_set(&f, "/system/hostname", "\"a\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_STATE);
    ck_assert_uint_eq(engine_revision(f.engine), 1);
    fake_free(&f);
}

TEST(others_commits_are_rebased_over_unless_they_touch_the_same)
{
    struct fake f;

    fake_new(&f);
    fake_set(&f, "/interfaces/lan0", "{\"mtu\":1500}");
    fake_commit(&f);
    edit(&f, "bob", "/interfaces/lan0/mtu", "9000");
    edit(&f, "bob", "/interfaces/wan0", "{}");
    edit(&f, "eve", "/interfaces/lan0/description", "\"office\"");
    fake_set(&f, "/interfaces/lan0/mtu", "1400");
    fake_commit(&f);
    ck_assert_int_eq(fake_ask(&f, "eve", 3, "commit", "{}"), 0);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "validate", "{}"), ORB_E_CONFLICT);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "commit", "{}"), ORB_E_CONFLICT);
    ck_assert_str_eq(f.err.path, "/interfaces/lan0/mtu");
    ck_assert_ptr_nonnull(strstr(f.err.text, "revision 2 by ada"));
    ck_assert_ptr_null(strstr(f.err.text, "wan0"));
    /* Set again, knowing what is there now: that settles it. */
    edit(&f, "bob", "/interfaces/lan0/mtu", "9000");
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "commit", "{}"), 0);
    ck_assert_str_eq(fake_running(&f),
                     "{\"interfaces\":{\"lan0\":{\"description\":\"office\",\"mtu\":9000},"
                     "\"wan0\":{}}}");
    fake_free(&f);
}

TEST(making_the_map_around_it_is_no_conflict_taking_it_away_is)
{
    struct fake f;

    fake_new(&f);
    edit(&f, "bob", "/interfaces/b", "{}");
    fake_set(&f, "/interfaces/a", "{}");
    fake_commit(&f); /* sets /interfaces as a whole */
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "commit", "{}"), 0);
    edit(&f, "bob", "/interfaces/b/mtu", "1400");
    fake_ask(&f, "ada", 1, "edit", "{\"ops\":[{\"op\":\"delete\",\"path\":\"/interfaces/b\"}]}");
    fake_commit(&f);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "commit", "{}"), ORB_E_CONFLICT);
    fake_free(&f);
}

TEST(the_same_change_by_another_user_is_no_conflict)
{
    struct fake f;

    fake_new(&f);
    edit(&f, "bob", "/system/hostname", "\"x\"");
    edit(&f, "bob", "/interfaces/a", "{}");
    fake_set(&f, "/system/hostname", "\"x\"");
    fake_commit(&f);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "commit", "{}"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(f.reply, "changes")), 1);
    fake_free(&f);
}

TEST(history_old_revisions_and_rollback_agree)
{
    struct fake f;
    AUTO_FREE char *second = NULL;

    fake_new(&f);
    fake_set(&f, "/system/hostname", "\"one\"");
    fake_set(&f, "/interfaces/a", "{\"mtu\":100}");
    fake_commit(&f);
    fake_set(&f, "/system/hostname", "\"two\"");
    fake_commit(&f);
    second = xstrdup(fake_running(&f));
    fake_ask(&f, "ada", 1, "edit", "{\"ops\":[{\"op\":\"delete\",\"path\":\"/interfaces\"}]}");
    fake_ask(&f, "ada", 1, "commit", "{\"comment\":\"no interfaces\"}");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "get", "{\"path\":\"\",\"revision\":1}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/value/system/hostname")), "one");
    ck_assert_int_eq(json_integer_value(tree_get(f.reply, "/value/interfaces/a/mtu")), 100);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "diff", "{\"from\":1,\"to\":3}"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "changes")), 2);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "rollback", "{\"n\":1}"), 0);
    fake_commit(&f);
    ck_assert_str_eq(fake_running(&f), second);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "history", "{\"limit\":2}"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "entries")), 2);
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/entries/1/comment")), "no interfaces");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "rollback", "{\"n\":9}"), ORB_E_NOT_FOUND);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "get", "{\"revision\":77}"), ORB_E_NOT_FOUND);
    /* The same from disk. */
    fake_close(&f);
    fake_open(&f);
    ck_assert_str_eq(fake_running(&f), second);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "get", "{\"path\":\"\",\"revision\":3}"), 0);
    ck_assert_ptr_null(tree_get(f.reply, "/value/interfaces"));
    fake_free(&f);
}

TEST(a_lock_excludes_others_and_shows_its_owner_and_end)
{
    struct fake f;

    fake_new(&f);
    edit(&f, "bob", "/system/hostname", "\"x\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "lock", "{}"), 0);
    f.now += 95000;
    ck_assert_int_eq(edit(&f, "bob", "/system/hostname", "\"y\""), ORB_E_LOCKED);
    ck_assert_ptr_nonnull(strstr(f.err.text, "ada"));
    ck_assert_ptr_nonnull(strstr(f.err.text, "95 s"));
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "commit", "{}"), ORB_E_LOCKED);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "unlock", "{}"), ORB_E_LOCKED);
    ck_assert_int_eq(edit(&f, "ada", "/system/hostname", "\"z\""), 0);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "unlock", "{\"force\":true}"), 0);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "commit", "{}"), 0);
    fake_free(&f);
}

TEST(a_reference_may_move_with_what_it_points_at)
{
    struct fake f;

    fake_new(&f);
    fake_set(&f, "/firewall",
             "{\"zones\":{\"lan\":{}},\"rules\":{\"1\":{\"action\":\"drop\","
             "\"from\":\"lan\"},\"2\":{\"action\":\"drop\",\"from\":\"lan\"}}}");
    fake_commit(&f);
    /* Both rules go on to another zone: then lan may go, in one commit. */
    ck_assert_int_eq(
        fake_ask(&f, "ada", 1, "edit",
                 "{\"ops\":[{\"op\":\"delete\",\"path\":\"/firewall/zones/lan\"},{\"op\":\"set\","
                 "\"path\":\"/firewall/zones/dmz\",\"value\":{}},{\"op\":\"set\",\"path\":"
                 "\"/firewall/rules/1/from\",\"value\":\"dmz\"}]}"),
        0);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_SCHEMA);
    ck_assert_ptr_nonnull(strstr(f.err.text, "/firewall/rules/2/from"));
    ck_assert_ptr_null(strstr(f.err.text, "/firewall/rules/1/from"));
    fake_ask(&f, "ada", 1, "edit",
             "{\"ops\":[{\"op\":\"delete\",\"path\":\"/firewall/rules/2\"}]}");
    fake_commit(&f);
    /* The index followed: now dmz is held by rule 1 alone. */
    fake_ask(&f, "ada", 1, "edit", "{\"ops\":[{\"op\":\"delete\",\"path\":\"/firewall/zones\"}]}");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_SCHEMA);
    ck_assert_ptr_nonnull(strstr(f.err.text, "/firewall/rules/1/from"));
    /* A whole entry set anew with the same reference still holds it. */
    fake_set(&f, "/firewall/rules/1", "{\"action\":\"accept\",\"from\":\"dmz\"}");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_SCHEMA);
    fake_free(&f);
}

TEST(a_stored_part_that_no_schema_fits_is_kept_and_reported)
{
    struct fake f;
    struct orb_err err;
    const char none[] = "{\"schemas\":[]}";

    fake_new(&f);
    fake_set(&f, "/system/hostname", "\"keep-me\"");
    fake_commit(&f);
    fake_close(&f);
    ck_assert_int_eq(engine_open(&f.host, f.dir, none, strlen(none), &f.engine, &f.fresh, &err), 0);
    ck_assert_ptr_nonnull(strstr(fake_problem(&f, "part:system"), "no installed package has it"));
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "get", "{\"path\":\"/system\"}"), 0);
    /* It may contain secrets that only its schema would mark. */
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/value")), "********");
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "keep-me"));
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/problems/0/path")), "/system");
    ck_assert_int_eq(edit(&f, "ada", "/system/hostname", "\"x\""), ORB_E_SCHEMA);
    /* Taking it out on purpose is possible, and heals. */
    ck_assert_int_eq(
        fake_ask(&f, "ada", 1, "edit", "{\"ops\":[{\"op\":\"delete\",\"path\":\"/system\"}]}"), 0);
    fake_commit(&f);
    ck_assert_ptr_null(fake_problem(&f, "part:system"));
    fake_free(&f);
}

TEST(the_first_configuration_is_revision_one_or_nothing)
{
    struct fake f;
    struct orb_err err;
    const char bad[] = "{\"system\":{\"hostname\":5}}",
               good[] = "{\"system\":{\"hostname\":\"a\"}}";

    fake_new(&f);
    ck_assert(f.fresh);
    ck_assert_int_eq(engine_first(f.engine, bad, strlen(bad), &err), ORB_E_SCHEMA);
    ck_assert_str_eq(err.path, "/system/hostname");
    ck_assert_uint_eq(engine_revision(f.engine), 0);
    ck_assert_int_eq(engine_first(f.engine, good, strlen(good), &err), 0);
    ck_assert_uint_eq(engine_revision(f.engine), 1);
    fake_close(&f);
    fake_open(&f);
    ck_assert(!f.fresh);
    ck_assert_str_eq(fake_running(&f), good);
    fake_ask(&f, "ada", 1, "history", "{}");
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/entries/0/user")), "system");
    fake_free(&f);
}
