/* What is left of a damaged datastore: the newest tree, or an older intact one that is reported as
 * such; never an empty or a mixed one, and never an older one reported as healthy. */
#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "plugins/config/engine.h"
#include "plugins/config/store.h"
#include "test/lib/harness.h"
#include "test/unit/config/original.h"

/* Sanitizers make each start ten times as slow, and look for something else. */
#ifdef __SANITIZE_ADDRESS__
#define DAMAGES 1000
#define STRIDE 12
#else
#define DAMAGES 4000
#define STRIDE 1
#endif

/* ---- bits ---- */

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* The other of the two copies of a journal. */
static size_t twin_of(const struct original *o, size_t file)
{
    const char *dash = strrchr(o->files[file].name, '-');
    AUTO_FREE char *name = buf_format(
        "%s%s", strncmp(o->files[file].name, "journal", 7) ? "journal" : "last-good", dash);

    return strncmp(o->files[file].name, "snapshot", 8) ? original_file(o, name) : file;
}

/* Only what a damage, or a start after it, can have changed. */
static void restore_pair(const struct original *o, size_t file)
{
    size_t twin = twin_of(o, file);

    original_put(o, o->files[file].name, o->files[file].data.data, o->files[file].data.len);
    if (twin != file)
        original_put(o, o->files[twin].name, o->files[twin].data.data, o->files[twin].data.len);
}

/* One bit in one file, the same bit in both copies, or a bit in each of two files. */
static char *one_damage(struct original *o, uint64_t *random, unsigned n, uint64_t *ret_revision)
{
    size_t a = next_random(random) % o->count;
    size_t bit = next_random(random) % (8 * o->files[a].data.len);
    size_t b = n % 4 == 1 ? twin_of(o, a) : n % 4 == 2 ? next_random(random) % o->count : a;
    size_t other = n % 4 == 1 ? bit : next_random(random) % (8 * o->files[b].data.len);

    char *wrong;

    original_flip(o, a, bit);
    if (b != a && other < 8 * o->files[b].data.len)
        original_flip(o, b, other);
    wrong = original_verdict(o, 0, ret_revision);
    restore_pair(o, a);
    restore_pair(o, b);
    return wrong;
}

static void many_damages(unsigned commits, unsigned count, unsigned seed)
{
    struct original o;
    uint64_t random = seed, revision;
    unsigned newest = 0;

    printf("# seed %u\n", seed);
    original_new(&o, commits);
    for (unsigned i = 0; i < count; i++) {
        AUTO_FREE char *wrong = one_damage(&o, &random, i, &revision);

        ck_assert_msg(!*wrong, "damage %u (seed %u): %s", i, seed, wrong);
        newest += revision == o.newest;
    }
    /* One file at a time is what the second copy is for. */
    ck_assert_uint_gt(newest, count / 2);
    original_free(&o);
}

TEST(thousands_of_damaged_bits_give_the_newest_tree_or_an_older_one_that_reports_so)
{
    many_damages(9, DAMAGES / 2, 1);
    many_damages(57, DAMAGES / 2, 2);
}

TEST(any_one_file_may_rot_anywhere_and_the_newest_tree_runs)
{
    struct original o;
    uint64_t revision;

    original_new(&o, 55);
    for (size_t i = 0; i < o.count; i++)
        for (size_t byte = 0; byte < o.files[i].data.len;
             byte += STRIDE + o.files[i].data.len / 400) {
            AUTO_FREE char *wrong = NULL;

            restore_pair(&o, i);
            original_flip(&o, i, 8 * byte + byte % 8);
            wrong = original_verdict(&o, o.newest, &revision);
            ck_assert_msg(!*wrong && revision == o.newest, "%s byte %zu: revision %" PRIu64 " %s",
                          o.files[i].name, byte, revision, wrong);
            restore_pair(&o, i);
        }
    original_free(&o);
}

TEST(both_copies_torn_at_any_byte_give_old_or_new_and_never_less)
{
    struct original o;
    uint64_t revision;

    original_new(&o, 4);
    for (size_t len = 0; len < o.files[0].data.len; len += STRIDE)
        for (int both = 0; both < 2; both++) {
            AUTO_FREE char *wrong = NULL;

            original_restore(&o);
            original_put(&o, "journal-0", o.files[0].data.data, len);
            if (both)
                original_put(&o, "last-good-0", o.files[0].data.data, len);
            wrong = original_verdict(&o, both ? o.newest : 0, &revision);
            ck_assert_msg(!*wrong && (both || revision == o.newest), "%zu bytes: %s", len, wrong);
        }
    original_free(&o);
}

/* ---- files ---- */

enum harm { MISSING, EMPTY, HALF, FIRST, MIDDLE, LAST, DIRECTORY, HARMS };

static void harm(struct original *o, size_t i, enum harm harm)
{
    const struct file *file = &o->files[i];
    AUTO_FREE char *path = buf_format("%s/%s", o->f.dir, file->name);

    if (harm == MISSING || harm == DIRECTORY)
        ck_assert_int_eq(unlink(path), 0);
    if (harm == DIRECTORY)
        ck_assert_int_eq(mkdir(path, 0700), 0);
    if (harm == EMPTY || harm == HALF)
        original_put(o, file->name, file->data.data, harm == HALF ? file->data.len / 2 : 0);
    if (harm >= FIRST && harm <= LAST)
        original_flip(o, i,
                      harm == FIRST    ? 0
                      : harm == MIDDLE ? 4 * file->data.len
                                       : 8 * file->data.len - 9);
}

TEST(each_file_missing_empty_half_flipped_or_a_directory)
{
    static const unsigned sizes[] = {55, 6};

    for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
        struct original o;
        uint64_t revision;

        original_new(&o, sizes[s]);
        for (size_t i = 0; i < o.count; i++)
            for (int h = 0; h < HARMS; h++) {
                AUTO_FREE char *wrong = NULL;

                original_restore(&o);
                harm(&o, i, (enum harm)h);
                wrong = original_verdict(&o, 0, &revision);
                ck_assert_msg(!*wrong && revision == o.newest, "%s harm %d: %" PRIu64 " %s",
                              o.files[i].name, h, revision, wrong);
            }
        original_free(&o);
    }
}

TEST(any_two_files_harmed_are_never_silent)
{
    struct original o;
    uint64_t revision;

    original_new(&o, 55);
    for (size_t i = 0; i < o.count; i++)
        for (size_t k = i + 1; k < o.count; k++)
            for (int h = 0; h < HARMS * HARMS; h += STRIDE) {
                AUTO_FREE char *wrong = NULL;

                original_restore(&o);
                harm(&o, i, (enum harm)(h / HARMS));
                harm(&o, k, (enum harm)(h % HARMS));
                wrong = original_verdict(&o, o.newest, &revision);
                ck_assert_msg(!*wrong, "%s %d, %s %d: %s", o.files[i].name, h / HARMS,
                              o.files[k].name, h % HARMS, wrong);
            }
    original_free(&o);
}

/* ---- what a user sees, and does ---- */

/* Both copies of record 3 of 6 rot. */
static void lose_three_of_six(struct original *o)
{
    const char *at;
    size_t byte;

    original_new(o, 6);
    at = memmem(o->files[0].data.data, o->files[0].data.len, "host-2", 6);
    byte = (size_t)(at - o->files[0].data.data);
    original_flip(o, 0, 8 * byte);
    original_flip(o, 1, 8 * byte);
}

TEST(what_is_lost_is_reported_and_no_commit_is_taken_before_a_user_accepts)
{
    struct original o;
    struct fake *f = &o.f;

    lose_three_of_six(&o);
    f->enforced = 0;
    fake_open(f);
    ck_assert_str_eq(fake_running(f), o.trees[2]);
    ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), "datastore damaged: journal-0"));
    ck_assert_int_eq(fake_ask(f, "ada", 1, "history", "{}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(f->reply, "/entries/0/state")), "damaged");
    fake_set(f, "/system/hostname", "\"newer\"");
    ck_assert_int_eq(fake_ask(f, "ada", 1, "commit", "{}"), ORB_E_STATE);
    ck_assert_ptr_nonnull(strstr(f->err.text, "config salvage"));
    ck_assert_int_eq(fake_ask(f, "ada", 1, "salvage", "{}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(f->reply, "/state")), "damaged");
    ck_assert_int_eq(json_integer_value(tree_get(f->reply, "/newest-seen")), 6);
    /* The records behind it can still be read by a user. */
    ck_assert_uint_gt(json_array_size(tree_get(f->reply, "/records")), 8);
    ck_assert_int_eq(fake_ask(f, "ada", 1, "salvage-accept", "{}"), 0);
    ck_assert_int_eq(json_integer_value(tree_get(f->reply, "/revision")), 1000);
    ck_assert_ptr_null(fake_problem(f, "datastore"));
    fake_commit(f);
    ck_assert_uint_eq(engine_revision(f->engine), 1001);
    fake_close(f);
    fake_open(f);
    ck_assert_uint_eq(engine_revision(f->engine), 1001);
    ck_assert_ptr_null(fake_problem(f, "datastore"));
    ck_assert_int_eq(fake_ask(f, "ada", 1, "history", "{}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(f->reply, "/entries/1/state")), "noted");
    ck_assert_str_eq(json_string_value(tree_get(f->reply, "/entries/1/user")), "ada");
    ck_assert_int_eq(json_integer_value(tree_get(f->reply, "/entries/2/revision")), 2);
    original_free(&o);
}

TEST(a_damaged_file_stays_for_a_user)
{
    struct original o;
    AUTO_FREE char *kept = NULL;
    AUTO(buf) struct buf data = {0};

    lose_three_of_six(&o);
    fake_open(&o.f);
    ck_assert_int_eq(fake_ask(&o.f, "ada", 1, "salvage-accept", "{}"), 0);
    kept = buf_format("%s/journal-0.damaged", o.f.dir);
    ck_assert_int_eq(file_read(kept, 1 << 20, &data, NULL), 0);
    ck_assert_uint_eq(data.len, o.files[0].data.len);
    original_free(&o);
}

TEST(damage_that_cost_nothing_is_reported_until_the_next_commit)
{
    struct original o;
    struct fake *f = &o.f;

    original_new(&o, 6);
    original_flip(&o, original_file(&o, "journal-0"), 8 * 100);
    fake_open(f);
    ck_assert_str_eq(fake_running(f), o.trees[6]);
    ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), "nothing was lost"));
    fake_close(f);
    fake_open(f); /* still */
    ck_assert_ptr_nonnull(fake_problem(f, "datastore"));
    fake_set(f, "/system/hostname", "\"newer\"");
    fake_commit(f);
    ck_assert_ptr_null(fake_problem(f, "datastore"));
    fake_close(f);
    fake_open(f);
    ck_assert_ptr_null(fake_problem(f, "datastore"));
    ck_assert_uint_eq(engine_revision(f->engine), 7);
    /* The history reaches over it, read from the second copy where it must. */
    ck_assert_int_eq(fake_ask(f, "ada", 1, "get", "{\"path\":\"/system\",\"revision\":1}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(f->reply, "/value/hostname")), "host-0");
    original_free(&o);
}

TEST(an_older_tree_is_not_handed_out_over_what_a_newer_one_made)
{
    struct original o;
    struct fake *f = &o.f;
    static const char *const grants[] = {"config.read:/firewall", NULL};
    struct engine_caller service = {
        .peer = 9, .kind = CALLER_SERVICE, .name = "firewall", .grants = grants};
    static const char paths[] = "{\"paths\":[\"/firewall\"]}";
    uint64_t newest;

    original_new(&o, 6);
    newest = o.newest + 3; /* a backup of three commits ago was put back */
    f->enforced = newest;
    fake_open(f);
    ck_assert(!f->fresh);
    ck_assert_ptr_nonnull(strstr(fake_problem(f, "datastore"), "older than revision 9"));
    f->answered = false;
    engine_request(f->engine, &service, "attach", paths, strlen(paths), f);
    ck_assert_int_eq(f->err.code, ORB_E_UNAVAILABLE);
    fake_set(f, "/system/hostname", "\"x\"");
    ck_assert_int_eq(fake_ask(f, "ada", 1, "commit", "{}"), ORB_E_STATE);
    ck_assert_int_eq(fake_ask(f, "ada", 1, "salvage", "{}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(f->reply, "/state")), "held");
    ck_assert_uint_eq(f->enforced, newest);
    ck_assert_int_eq(fake_ask(f, "ada", 1, "salvage-accept", "{}"), 0);
    ck_assert_uint_eq(f->enforced, 1000);
    ck_assert_str_eq(fake_running(f), o.trees[6]);
    fake_commit(f);
    fake_close(f);
    fake_open(f);
    ck_assert_uint_eq(engine_revision(f->engine), 1001);
    original_free(&o);
}

TEST(an_emptied_state_directory_is_no_new_appliance_while_the_kernel_remembers)
{
    struct fake f;

    fake_new(&f);
    fake_close(&f);
    original_restore(&(struct original){.f = f});
    f.enforced = 4;
    fake_open(&f);
    ck_assert(!f.fresh);
    ck_assert_ptr_nonnull(fake_problem(&f, "datastore"));
    fake_close(&f);
    f.enforced = 0; /* after a reboot it is one */
    fake_open(&f);
    ck_assert(f.fresh);
    ck_assert_ptr_null(fake_problem(&f, "datastore"));
    fake_free(&f);
}
