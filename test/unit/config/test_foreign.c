/* Files of a datastore that are whole and yet not the right ones: of another appliance, of another
 * time, under another name, put there or taken away while the service runs; and damage of the
 * history only, which is reported all the same. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine.h"
#include "plugins/config/journal.h"
#include "plugins/config/store.h"
#include "test/lib/harness.h"
#include "test/unit/config/original.h"

static void put_of(const struct original *to, const struct original *from, const char *name,
                   const char *as)
{
    const struct buf *data = &from->files[original_file(from, name)].data;

    original_put(to, as, data->data, data->len);
}

/* Runs in o's directory as it is now, and frees the two. */
static void expect_verdict(struct original *o, uint64_t enforced, uint64_t want, const char *what)
{
    uint64_t revision;
    AUTO_FREE char *wrong = original_verdict(o, enforced, &revision);

    ck_assert_msg(!*wrong && revision == want, "%s: revision %" PRIu64 " %s", what, revision,
                  wrong);
}

static char *path_of(const struct fake *f, const char *name)
{
    return buf_format("%s/%s", f->dir, name);
}

static bool is_there(const struct fake *f, const char *name)
{
    AUTO_FREE char *path = path_of(f, name);

    return access(path, F_OK) == 0;
}

static void take_away(const struct fake *f, const char *name)
{
    AUTO_FREE char *path = path_of(f, name);

    ck_assert_int_eq(unlink(path), 0);
}

static int pass(void *arg, uint64_t offset, const char *text, size_t len, struct orb_err *err)
{
    return 0;
}

/* ---- of another appliance ---- */

TEST(one_file_of_another_appliance_is_never_taken_for_ours)
{
    static const unsigned commits[] = {6, 52, 101};

    for (size_t k = 0; k < ARRAY_LEN(commits); k++) {
        struct original o, other;

        original_new(&o, commits[k]);
        original_other(&other, commits[k] + 3, "other");
        for (size_t i = 0; i < o.count; i++) {
            uint64_t revision;
            AUTO_FREE char *wrong = NULL;

            original_restore(&o);
            put_of(&o, &other, o.files[i].name, o.files[i].name);
            wrong = original_verdict(&o, 0, &revision);
            ck_assert_msg(!*wrong, "%u commits, %s: %s", commits[k], o.files[i].name, wrong);
            free(wrong);
            wrong = original_verdict(&o, o.newest, &revision);
            ck_assert_msg(!*wrong, "%u commits, %s, enforced: %s", commits[k], o.files[i].name,
                          wrong);
        }
        original_free(&other);
        original_free(&o);
    }
}

TEST(a_snapshot_of_another_appliance_gives_way_to_what_the_journals_say)
{
    struct original o, other;

    original_new(&o, 50); /* no record behind the snapshot could contradict it */
    original_other(&other, 50, "other");
    put_of(&o, &other, "snapshot-50.json", "snapshot-50.json");
    expect_verdict(&o, 50, 50, "the journals lead there");
    /* Nothing else leads there: it is shown to users, and given to no service. */
    original_restore(&o);
    put_of(&o, &other, "snapshot-50.json", "snapshot-50.json");
    take_away(&o.f, "journal-0");
    take_away(&o.f, "last-good-0");
    o.f.enforced = 50;
    fake_open(&o.f);
    ck_assert_ptr_nonnull(strstr(fake_problem(&o.f, "datastore"), "kernel is left as it is"));
    ck_assert_int_eq(fake_ask(&o.f, "ada", 1, "salvage", "{}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(o.f.reply, "/state")), "held");
    fake_close(&o.f);
    original_free(&other);
    original_free(&o);
}

TEST(a_whole_state_directory_of_another_appliance_is_not_handed_out)
{
    struct original o, other;
    struct fake *f = &o.f;

    original_new(&o, 6);
    fake_open(f); /* and reports the enforced revision */
    fake_close(f);
    original_other(&other, 9, "other");
    for (size_t i = 0; i < other.count; i++)
        put_of(&o, &other, other.files[i].name, other.files[i].name);
    fake_open(f);
    ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), "of another appliance"));
    ck_assert_int_eq(fake_ask(f, "ada", 1, "salvage", "{}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(f->reply, "/state")), "held");
    ck_assert_uint_eq(f->enforced, 6);
    ck_assert_int_eq(fake_ask(f, "ada", 1, "salvage-accept", "{}"), 0);
    ck_assert_uint_eq(engine_revision(f->engine), 1000);
    ck_assert_str_eq(fake_running(f), other.trees[9]);
    fake_close(f);
    fake_open(f);
    ck_assert_ptr_null(fake_problem(f, "datastore"));
    ck_assert_uint_eq(engine_revision(f->engine), 1000);
    original_free(&other);
    original_free(&o);
}

/* All there is of what came last, as by a directory whose newest entries a crash took. */
TEST(the_loss_of_all_newest_files_at_once_is_never_taken_for_the_end)
{
    struct original o;
    struct fake *f = &o.f;

    original_new(&o, 55);
    take_away(f, "snapshot-50.json");
    take_away(f, "journal-50");
    take_away(f, "last-good-50");
    f->enforced = 0; /* and the machine was started anew */
    fake_open(f);
    ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), "journal-50: it is missing"));
    ck_assert_uint_eq(engine_revision(f->engine), 50);
    fake_set(f, "/system/hostname", "\"other\"");
    ck_assert_int_eq(fake_ask(f, "ada", 1, "commit", "{}"), ORB_E_STATE);
    ck_assert_int_eq(fake_ask(f, "ada", 1, "salvage-accept", "{}"), 0);
    ck_assert_uint_eq(engine_revision(f->engine), 1000);
    fake_close(f);
    fake_open(f);
    ck_assert_ptr_null(fake_problem(f, "datastore"));
    fake_close(f);
    original_free(&o);
}

/* What ran well is noted outside of the service's directory. */
TEST(what_is_older_than_what_ran_here_is_reported_after_a_reboot_too)
{
    struct original o;
    struct fake *f = &o.f;

    original_new(&o, 6);
    f->enforced = 0;
    f->good = 7;
    fake_open(f);
    ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), "revision 7 ran here"));
    ck_assert_uint_eq(engine_revision(f->engine), 6);
    fake_close(f);
    for (size_t i = 0; i < o.count; i++)
        take_away(f, o.files[i].name);
    f->enforced = 0;
    fake_open(f); /* emptied: no new appliance */
    ck_assert(!f->fresh);
    ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), "nothing that is whole is left"));
    ck_assert_int_eq(fake_ask(f, "ada", 1, "salvage", "{}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(f->reply, "/state")), "held");
    ck_assert_int_eq(fake_ask(f, "ada", 1, "salvage-accept", "{}"), 0);
    ck_assert_uint_eq(engine_revision(f->engine), 1000);
    fake_close(f);
    original_free(&o);
}

/* A journal of a newer version: what it means is not known, so nothing behind it is taken. */
TEST(a_record_of_a_kind_that_is_not_known_is_not_passed_over)
{
    static const char strange[] = "{\"state\":\"renamed\",\"rev\":7}";
    struct original o;
    struct fake *f = &o.f;
    AUTO_FREE char *path = NULL, *copy = NULL;
    struct journal j;
    struct journal_found found;
    struct orb_err err;

    original_new(&o, 6);
    path = path_of(f, "journal-0");
    copy = path_of(f, "last-good-0");
    {
        const struct buf *data = &o.files[original_file(&o, "journal-0")].data;
        const struct journal_scan scan = {.main = {data->data, data->len}};

        ck_assert_int_eq(journal_scan(&scan, pass, NULL, &found, &err), 0);
    }
    ck_assert_int_eq(journal_open(path, copy, found.end, found.chain, found.end, &j, &err), 0);
    ck_assert_int_eq(journal_append(&j, NULL, strange, strlen(strange), &err), 0);
    ck_assert_int_eq(journal_sync(&j, NULL, &err), 0);
    journal_close(&j);
    f->enforced = 0;
    fake_open(f);
    ck_assert_ptr_nonnull(
        strstr(fake_problem(f, "datastore"), "\"renamed\", unknown to this version"));
    ck_assert_uint_eq(engine_revision(f->engine), 6);
    fake_set(f, "/system/hostname", "\"other\"");
    ck_assert_int_eq(fake_ask(f, "ada", 1, "commit", "{}"), ORB_E_STATE);
    fake_close(f);
    original_free(&o);
}

TEST(a_second_copy_that_is_gone_is_reported)
{
    static const char *const copies[] = {"last-good-0", "last-good-50"};
    struct original o;
    struct fake *f = &o.f;

    original_new(&o, 55);
    for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
        original_restore(&o);
        take_away(f, copies[i]);
        f->enforced = 0;
        fake_open(f);
        ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), copies[i]));
        ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), "nothing was lost"));
        fake_close(f);
    }
    original_free(&o);
}

TEST(files_under_each_others_names_are_never_taken_for_each_other)
{
    struct original o;
    uint64_t revision;

    original_new(&o, 103);
    for (size_t i = 0; i < o.count; i++)
        for (size_t k = 0; k < o.count; k++) {
            AUTO_FREE char *wrong = NULL;

            if (i == k)
                continue;
            original_restore(&o); /* swapped, then only copied over */
            put_of(&o, &o, o.files[i].name, o.files[k].name);
            put_of(&o, &o, o.files[k].name, o.files[i].name);
            wrong = original_verdict(&o, o.newest, &revision);
            ck_assert_msg(!*wrong, "%s <-> %s: %s", o.files[i].name, o.files[k].name, wrong);
            original_restore(&o);
            put_of(&o, &o, o.files[i].name, o.files[k].name);
            free(wrong);
            wrong = original_verdict(&o, 0, &revision);
            ck_assert_msg(!*wrong, "%s -> %s: %s", o.files[i].name, o.files[k].name, wrong);
        }
    original_free(&o);
}

/* A file more, under a number of its own: a copy that a user made, or a piece of another journal.
 * The intact files beside it are used all the same, and it is reported. */
TEST(a_journal_more_to_which_nothing_leads_costs_nothing_that_is_whole)
{
    static const unsigned commits[] = {3, 52, 103};

    for (size_t k = 0; k < ARRAY_LEN(commits); k++) {
        struct original o;

        original_new(&o, commits[k]);
        for (size_t i = 0; i < o.count; i++) {
            uint64_t own;

            if (sscanf(o.files[i].name, "journal-%" SCNu64, &own) != 1)
                continue;
            for (uint64_t number = 0; number <= commits[k] + 2; number++) {
                AUTO_FREE char *name = buf_format("journal-%" PRIu64, number);
                AUTO_FREE char *copy = buf_format("last-good-%" PRIu64, number);
                AUTO_FREE char *what =
                    buf_format("%u commits, %s as %s", commits[k], o.files[i].name, name);

                original_restore(&o);
                if (is_there(&o.f, name))
                    continue;
                put_of(&o, &o, o.files[i].name, name);
                expect_verdict(&o, 0, commits[k], what);
                original_restore(&o);
                put_of(&o, &o, o.files[i].name, name);
                put_of(&o, &o, o.files[i].name, copy);
                expect_verdict(&o, 0, commits[k], what);
            }
        }
        original_free(&o);
    }
}

TEST(a_revision_number_that_never_was_does_not_end_the_counting)
{
    static const char *const names[] = {"snapshot-99999999999999999999.json",
                                        "snapshot-18446744073709551615.json", "journal-00007",
                                        "last-good-0x", "snapshot-.json"};
    struct original o;

    original_new(&o, 6);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        original_restore(&o);
        original_put(&o, names[i], "x", 1);
        o.f.enforced = 6;
        fake_open(&o.f);
        fake_set(&o.f, "/system/hostname", "\"next\"");
        fake_commit(&o.f);
        ck_assert_uint_eq(engine_revision(o.f.engine), 7);
        fake_close(&o.f);
    }
    original_free(&o);
}

/* ---- only the history ---- */

/* Opens, expects a report, commits; after that nothing is wrong any more, now or later. */
static void expect_reported_then_mended(struct original *o, const char *what)
{
    struct fake *f = &o->f;

    f->enforced = o->newest;
    fake_open(f);
    ck_assert_str_eq(fake_running(f), o->trees[o->newest]);
    ck_assert_msg(fake_problem(f, "datastore"), "%s: nothing is reported", what);
    ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), "nothing was lost"));
    fake_set(f, "/system/hostname", "\"next\"");
    fake_commit(f);
    ck_assert_msg(!fake_problem(f, "datastore"), "%s: %s", what, fake_problem(f, "datastore"));
    fake_close(f);
    fake_open(f);
    ck_assert_msg(!fake_problem(f, "datastore"), "%s: again %s", what,
                  fake_problem(f, "datastore"));
    ck_assert_uint_eq(engine_revision(f->engine), o->newest + 1);
    ck_assert_int_eq(fake_ask(f, "ada", 1, "get", "{\"path\":\"/system\",\"revision\":1}"), 0);
    fake_close(f);
}

TEST(a_bit_that_rots_in_any_file_is_reported_and_mended_by_the_next_commit)
{
    struct original o;

    original_new(&o, 103);
    ck_assert_uint_eq(o.count, 8);
    for (size_t i = 0; i < o.count; i++)
        for (size_t part = 0; part < 5; part++) {
            AUTO_FREE char *what = buf_format("%s %zu/4", o.files[i].name, part);

            original_restore(&o);
            original_flip(&o, i, part * 2 * (o.files[i].data.len - 1));
            expect_reported_then_mended(&o, what);
        }
    original_free(&o);
}

TEST(lost_history_is_reported_and_ends_with_the_next_commit)
{
    struct original o;
    struct fake *f = &o.f;

    original_new(&o, 103);
    original_flip(&o, original_file(&o, "journal-0"), 8000);
    original_flip(&o, original_file(&o, "last-good-0"), 8000);
    f->enforced = o.newest;
    fake_open(f);
    ck_assert_str_eq(fake_running(f), o.trees[o.newest]);
    ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), "history"));
    fake_set(f, "/system/hostname", "\"next\"");
    fake_commit(f);
    fake_close(f);
    fake_open(f);
    ck_assert_ptr_null(fake_problem(f, "datastore"));
    ck_assert(is_there(f, "journal-0.damaged") && is_there(f, "last-good-0.damaged"));
    ck_assert_int_eq(fake_ask(f, "ada", 1, "get", "{\"path\":\"/system\",\"revision\":51}"), 0);
    ck_assert_int_eq(fake_ask(f, "ada", 1, "get", "{\"path\":\"/system\",\"revision\":49}"),
                     ORB_E_NOT_FOUND);
    original_free(&o);
}

TEST(what_a_power_cut_leaves_of_the_second_copy_is_no_damage)
{
    struct original o;
    struct buf *copy;

    original_new(&o, 6);
    copy = &o.files[original_file(&o, "last-good-0")].data;
    for (size_t len = 0; len < copy->len; len += copy->len / 5) {
        AUTO_FREE char *zeroed = xcalloc(1, copy->len);

        original_restore(&o);
        memcpy(zeroed, copy->data, len / 512 * 512);
        original_put(&o, "last-good-0", zeroed, copy->len);
        fake_open(&o.f);
        ck_assert_ptr_null(fake_problem(&o.f, "datastore"));
        fake_close(&o.f);
        original_put(&o, "last-good-0", copy->data, len);
        fake_open(&o.f);
        ck_assert_ptr_null(fake_problem(&o.f, "datastore"));
        fake_close(&o.f);
    }
    original_free(&o);
}

/* ---- in the way ---- */

static void put_thing(const struct fake *f, const char *name, char kind)
{
    AUTO_FREE char *path = path_of(f, name);

    unlink(path);
    if (kind == 'd')
        ck_assert_int_eq(mkdir(path, 0700), 0);
    else if (kind == 'p')
        ck_assert_int_eq(mkfifo(path, 0600), 0);
    else if (kind == 'l')
        ck_assert_int_eq(symlink("nowhere", path), 0);
    else
        ck_assert_int_eq(symlink("/dev/zero", path), 0);
}

TEST(directories_fifos_and_links_in_the_place_of_a_file_stop_nothing)
{
    struct original o;

    original_new(&o, 103);
    for (size_t i = 0; i < o.count; i++)
        for (const char *kind = "dplz"; *kind; kind++) {
            struct fake *f = &o.f;

            original_restore(&o);
            put_thing(f, o.files[i].name, *kind);
            f->enforced = o.newest;
            fake_open(f);
            ck_assert_str_eq(fake_running(f), o.trees[o.newest]);
            fake_set(f, "/system/hostname", "\"next\"");
            fake_commit(f);
            fake_close(f);
            fake_open(f);
            ck_assert_uint_eq(engine_revision(f->engine), o.newest + 1);
            ck_assert_msg(!fake_problem(f, "datastore") && !fake_problem(f, "datastore:copy"),
                          "%s %c", o.files[i].name, *kind);
            fake_close(f);
        }
    original_free(&o);
}

TEST(a_file_of_ten_gigabytes_is_not_read_into_memory)
{
    struct original o;

    original_new(&o, 103);
    for (size_t i = 0; i < o.count; i++) {
        AUTO_FREE char *path = path_of(&o.f, o.files[i].name);

        original_restore(&o);
        ck_assert_int_eq(truncate(path, 10ll << 30), 0);
        expect_verdict(&o, o.newest, o.newest, o.files[i].name);
    }
    original_free(&o);
}

/* ---- while the service runs ---- */

static void harm_running(struct fake *f, const struct original *o, unsigned how)
{
    AUTO_FREE char *path = path_of(f, "journal-0");
    AUTO_FREE char *copy = path_of(f, "last-good-0");
    AUTO_FREE char *aside = path_of(f, "aside");
    const struct buf *was = &o->files[original_file(o, "journal-0")].data;

    if (how == 0)
        ck_assert_int_eq(unlink(path), 0);
    if (how <= 1)
        ck_assert_int_eq(unlink(copy), 0);
    if (how == 2) /* an older one, copied over it in place */
        original_put(o, "journal-0", was->data, was->len / 2);
    if (how == 3)
        original_put(o, "last-good-0", was->data, was->len / 2);
    if (how == 4) { /* the same bytes in another file */
        original_put(o, "aside", was->data, was->len);
        ck_assert_int_eq(rename(aside, path), 0);
    }
    if (how == 5)
        ck_assert_int_eq(truncate(path, (off_t)was->len + 4096), 0);
}

TEST(a_journal_removed_or_changed_under_the_service_costs_no_commit)
{
    for (unsigned how = 0; how < 6; how++) {
        struct original o;
        struct fake *f = &o.f;
        AUTO_FREE char *tree = NULL;

        original_new(&o, 6);
        fake_open(f);
        harm_running(f, &o, how);
        fake_set(f, "/system/hostname", "\"next\"");
        fake_commit(f);
        fake_set(f, "/system/hostname", "\"last\"");
        fake_commit(f);
        tree = xstrdup(fake_running(f));
        fake_close(f);
        fake_open(f);
        ck_assert_msg(engine_revision(f->engine) == 8 && !strcmp(fake_running(f), tree),
                      "harm %u: revision %" PRIu64, how, engine_revision(f->engine));
        ck_assert_msg(!fake_problem(f, "datastore"), "harm %u: %s", how,
                      fake_problem(f, "datastore"));
        /* The second copy is one again. */
        fake_close(f);
        original_free(&o);
    }
}

TEST(an_unconfirmed_commit_is_undone_although_its_journal_is_gone)
{
    struct original o;
    struct fake *f = &o.f;

    original_new(&o, 6);
    fake_open(f);
    fake_set(f, "/system/hostname", "\"locked-out\"");
    ck_assert_int_eq(fake_ask(f, "ada", 1, "commit", "{\"confirm-s\":10}"), 0);
    take_away(f, "journal-0");
    take_away(f, "last-good-0");
    fake_advance(f, 11000);
    fake_pump(f);
    ck_assert_str_eq(fake_running(f), o.trees[6]);
    fake_close(f);
    fake_open(f);
    ck_assert_str_eq(fake_running(f), o.trees[6]);
    ck_assert_uint_eq(engine_revision(f->engine), 8);
    original_free(&o);
}
