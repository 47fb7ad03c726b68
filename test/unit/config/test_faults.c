/* A disk that fails: each file call of a commit, an undo, a confirmation and a snapshot, failing
 * once or from there on. What was refused never runs, what was answered is never lost, and when the
 * disk is well again so is the service. The calls are taken by the linker (--wrap). */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

/* ---- the disk ---- */

static struct {
    bool armed;
    unsigned seen, at;
    int error;
    bool on;   /* from the at-th call on, not only that one */
    bool half; /* a write puts half of it there first */
    int read_error;
    const char *unreadable; /* opening a file of this name for reading gives read_error */
} disk;

static bool fails(void)
{
    if (!disk.armed)
        return false;
    disk.seen++;
    if (disk.seen != disk.at && !(disk.on && disk.seen > disk.at))
        return false;
    errno = disk.error;
    return true;
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    return fails() ? -1 : __real_fdatasync(fd);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return fails() ? -1 : __real_fsync(fd);
}

ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
    if (!fails())
        return __real_pwrite64(fd, data, len, at);
    if (disk.half && len > 1 && __real_pwrite64(fd, data, len / 2, at) < 0)
        return -1;
    errno = disk.error;
    return -1;
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    if (!fails())
        return __real_write(fd, data, len);
    return disk.half && len > 1 ? __real_write(fd, data, len / 2) : -1;
}

int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len)
{
    return fails() ? -1 : __real_ftruncate64(fd, len);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    return fails() ? -1 : __real_rename(from, to);
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    return fails() ? -1 : __real_unlink(path);
}

static bool is_unreadable(const char *path)
{
    const char *name = strrchr(path, '/');

    if (!disk.unreadable || !name || strcmp(name + 1, disk.unreadable))
        return false;
    errno = disk.read_error;
    return true;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if (flags & O_CREAT)
        mode = va_arg(args, mode_t);
    va_end(args);
    if ((flags & O_ACCMODE) != O_RDONLY && fails())
        return -1;
    if ((flags & O_ACCMODE) == O_RDONLY && is_unreadable(path))
        return -1;
    return __real_open64(path, flags, mode);
}

struct failing {
    int error;
    bool on, half;
};

static const struct failing kinds[] = {
    {EIO, false, false},  {EIO, true, false},   {ENOSPC, false, true},
    {ENOSPC, true, true}, {EROFS, true, false}, {ENOSPC, false, false},
};

static void arm(const struct failing *kind, unsigned at)
{
    disk.armed = true;
    disk.seen = 0;
    disk.at = at;
    disk.error = kind->error;
    disk.on = kind->on;
    disk.half = kind->half;
}

/* Was the failing call reached? */
static bool disarm(void)
{
    disk.armed = false;
    return disk.seen >= disk.at;
}

/* ---- a commit ---- */

static void commit_name(struct fake *f, const char *name)
{
    AUTO_FREE char *value = buf_format("\"%s\"", name);

    fake_set(f, "/system/hostname", value);
    fake_commit(f);
}

static void expect_name(struct fake *f, const char *name)
{
    AUTO_FREE char *want = buf_format("{\"system\":{\"hostname\":\"%s\"}}", name);

    ck_assert_str_eq(fake_running(f), want);
}

static const char *name_now(bool accepted)
{
    return accepted ? "new" : "old";
}

/* bad_restart: the service is started again before the disk is well. */
static bool commit_fails_at(const struct failing *kind, unsigned at, bool bad_restart)
{
    struct fake f;
    bool reached, accepted;
    uint64_t revision;

    fake_new(&f);
    commit_name(&f, "older");
    commit_name(&f, "old");
    fake_set(&f, "/system/hostname", "\"new\"");
    arm(kind, at);
    accepted = fake_ask(&f, "ada", 1, "commit", "{}") == 0;
    if (!bad_restart)
        reached = disarm();
    expect_name(&f, name_now(accepted));
    revision = engine_revision(f.engine);
    ck_assert_uint_eq(revision, accepted ? 3 : 2);
    if (!accepted)
        ck_assert_msg(strstr(f.err.text, strerror(kind->error)) || kind->half, "%s", f.err.text);
    fake_close(&f);
    if (bad_restart) {
        fake_open(&f);
        expect_name(&f, name_now(accepted));
        fake_close(&f);
        reached = disarm();
    }
    fake_open(&f);
    expect_name(&f, name_now(accepted));
    ck_assert_ptr_null(fake_problem(&f, "datastore"));
    fake_ask(&f, "ada", 1, "discard", "{}");
    commit_name(&f, "later");
    commit_name(&f, "latest");
    ck_assert_ptr_null(fake_problem(&f, "datastore:write"));
    fake_close(&f);
    f.enforced = f.void_tx = 0; /* the machine was off */
    fake_open(&f);
    expect_name(&f, "latest");
    ck_assert_uint_eq(engine_revision(f.engine), revision + 2);
    fake_free(&f);
    return reached;
}

TEST(a_commit_the_disk_fails_in_never_comes_back_and_costs_no_later_one)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        for (int bad = 0; bad < 2; bad++) {
            unsigned at = 1;

            while (commit_fails_at(&kinds[i], at, bad))
                at++;
            ck_assert_uint_gt(at, 6); /* two records: written, synced, copied */
        }
}

/* The same without a restart in between: the running service continues. */
TEST(the_running_service_takes_commits_again_when_the_disk_heals)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        for (unsigned at = 1; at < 9; at++) {
            struct fake f;

            fake_new(&f);
            commit_name(&f, "old");
            fake_set(&f, "/system/hostname", "\"new\"");
            arm(&kinds[i], at);
            fake_ask(&f, "ada", 1, "commit", "{}");
            fake_ask(&f, "ada", 1, "commit", "{}"); /* and once more, into the same wall */
            disarm();
            /* The problem is cleared without a commit. */
            fake_advance(&f, 6000);
            fake_advance(&f, 6000);
            ck_assert_ptr_null(fake_problem(&f, "datastore:write"));
            commit_name(&f, "later");
            ck_assert_ptr_null(fake_problem(&f, "datastore:copy"));
            fake_close(&f);
            f.enforced = f.void_tx = 0;
            fake_open(&f);
            expect_name(&f, "later");
            fake_free(&f);
        }
}

/* ---- a commit that must be confirmed ---- */

static bool undo_fails_at(const struct failing *kind, unsigned at)
{
    struct fake f;
    bool reached;

    fake_new(&f);
    commit_name(&f, "old");
    fake_set(&f, "/system/hostname", "\"new\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"confirm-s\":30}"), 0);
    arm(kind, at);
    fake_advance(&f, 31000);
    expect_name(&f, "old"); /* whatever the disk takes */
    reached = disarm();
    fake_close(&f);
    fake_open(&f);
    expect_name(&f, "old");
    commit_name(&f, "later");
    fake_close(&f);
    fake_open(&f);
    expect_name(&f, "later");
    fake_free(&f);
    return reached;
}

TEST(an_undo_is_done_whatever_the_disk_takes)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        unsigned at = 1;

        while (undo_fails_at(&kinds[i], at))
            at++;
        ck_assert_uint_gt(at, 6);
    }
}

static bool confirm_fails_at(const struct failing *kind, unsigned at)
{
    struct fake f;
    bool reached, confirmed;

    fake_new(&f);
    commit_name(&f, "old");
    fake_set(&f, "/system/hostname", "\"new\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"confirm-s\":30}"), 0);
    arm(kind, at);
    confirmed = fake_ask(&f, "ada", 7, "confirm", "{}") == 0;
    reached = disarm();
    if (!confirmed) /* it may be sent again, and counts then */
        confirmed = fake_ask(&f, "ada", 8, "confirm", "{}") == 0;
    ck_assert(confirmed);
    fake_close(&f);
    f.enforced = 0;
    fake_open(&f);
    expect_name(&f, "new");
    fake_free(&f);
    return reached;
}

TEST(a_confirmation_the_disk_did_not_take_can_be_repeated)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        unsigned at = 1;

        while (confirm_fails_at(&kinds[i], at))
            at++;
        ck_assert_uint_gt(at, 3);
    }
}

/* ---- a snapshot ---- */

static bool snapshot_fails_at(const struct failing *kind, unsigned at)
{
    struct fake f;
    bool reached;

    fake_new(&f);
    for (int i = 0; i < 50; i++) {
        AUTO_FREE char *name = buf_format("h%d", i);

        commit_name(&f, name);
    }
    arm(kind, at);
    fake_advance(&f, 2000);
    reached = disarm();
    expect_name(&f, "h49");
    commit_name(&f, "later");
    fake_close(&f);
    f.enforced = f.void_tx = 0;
    fake_open(&f);
    expect_name(&f, "later");
    ck_assert_uint_eq(engine_revision(f.engine), 51);
    ck_assert_ptr_null(fake_problem(&f, "datastore"));
    fake_free(&f);
    return reached;
}

TEST(a_snapshot_the_disk_fails_in_loses_nothing)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        unsigned at = 1;

        while (snapshot_fails_at(&kinds[i], at))
            at++;
        ck_assert_uint_gt(at, 10);
    }
}

/* ---- a start ---- */

TEST(a_read_only_disk_at_start_runs_what_is_stored_and_refuses_commits_with_the_reason)
{
    static const struct failing read_only = {EROFS, true, false};
    struct fake f;

    fake_new(&f);
    commit_name(&f, "stored");
    fake_close(&f);
    arm(&read_only, 1);
    fake_open(&f);
    expect_name(&f, "stored");
    ck_assert_ptr_nonnull(strstr(fake_problem(&f, "datastore:write"), "Read-only file system"));
    fake_set(&f, "/system/hostname", "\"new\"");
    ck_assert_ptr_nonnull(json_object_get(f.reply, "unsaved"));
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_IO);
    ck_assert_ptr_nonnull(strstr(f.err.text, "Read-only file system"));
    ck_assert_ptr_nonnull(strstr(f.err.text, f.dir));
    expect_name(&f, "stored");
    disarm();
    fake_commit(&f);
    expect_name(&f, "new");
    ck_assert_ptr_null(fake_problem(&f, "datastore:write"));
    fake_close(&f);
    fake_open(&f);
    expect_name(&f, "new");
    fake_free(&f);
}

TEST(an_unconfirmed_commit_does_not_run_after_a_restart_on_a_read_only_disk)
{
    static const struct failing read_only = {EROFS, true, false};
    struct fake f;

    fake_new(&f);
    commit_name(&f, "old");
    fake_set(&f, "/system/hostname", "\"new\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"confirm-s\":30}"), 0);
    fake_close(&f);
    arm(&read_only, 1);
    fake_open(&f);
    expect_name(&f, "old");
    fake_close(&f);
    disarm();
    fake_open(&f);
    expect_name(&f, "old");
    commit_name(&f, "later");
    fake_free(&f);
}

/* The newest files cannot be read: by their copies, or not at all, and never an older tree. */
TEST(what_cannot_be_read_is_not_taken_for_what_does_not_fit)
{
    static const int errors[] = {EIO, EACCES, ENOMEM, EROFS};
    struct fake f;
    AUTO_FREE char *copy = NULL;

    fake_new(&f);
    commit_name(&f, "one");
    commit_name(&f, "two");
    fake_close(&f);
    f.enforced = 0;
    copy = buf_format("%s/last-good-0", f.dir);
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        disk.unreadable = "journal-0";
        disk.read_error = errors[i];
        fake_open(&f);
        expect_name(&f, "two");
        ck_assert_ptr_nonnull(strstr(fake_problem(&f, "datastore"), strerror(errors[i])));
        fake_set(&f, "/system/hostname", "\"three\"");
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_STATE);
        fake_close(&f);
        f.enforced = 0;
        disk.unreadable = NULL;
        fake_open(&f);
        expect_name(&f, "two");
        ck_assert_ptr_null(fake_problem(&f, "datastore"));
        fake_close(&f);
        f.enforced = 0;
    }
    ck_assert_int_eq(unlink(copy), 0);
    disk.unreadable = "journal-0";
    ck_assert_int_lt(fake_try_open(&f), 0);
    ck_assert_ptr_nonnull(strstr(f.err.text, "journal-0"));
    disk.unreadable = NULL;
    fake_open(&f);
    expect_name(&f, "two");
    fake_free(&f);
}

/* While the enforced revision is known to be the newest one, nothing was lost. */
TEST(an_unreadable_journal_costs_nothing_while_the_newest_revision_is_known)
{
    struct fake f;

    fake_new(&f);
    commit_name(&f, "one");
    commit_name(&f, "two");
    fake_close(&f);
    disk.unreadable = "journal-0";
    disk.read_error = EIO;
    fake_open(&f);
    expect_name(&f, "two");
    ck_assert_ptr_nonnull(strstr(fake_problem(&f, "datastore"), "nothing was lost"));
    commit_name(&f, "three");
    ck_assert_ptr_null(fake_problem(&f, "datastore"));
    fake_close(&f);
    disk.unreadable = NULL;
    fake_open(&f);
    expect_name(&f, "three");
    ck_assert_uint_eq(engine_revision(f.engine), 3);
    fake_free(&f);
}

/* Megabytes are not offered to a full disk with each edit. */
TEST(many_uncommitted_changes_are_not_written_with_each_edit_while_the_disk_refuses)
{
    static const struct failing full = {ENOSPC, true, true};
    AUTO_FREE char *text = xcalloc(1, 100001);
    unsigned calls;
    struct fake f;

    memset(text, 'x', 100000);
    fake_new(&f);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                                  "{\"ops\":[{\"op\":\"set\",\"path\":\"/interfaces/i%u\","
                                  "\"value\":{\"description\":\"%s\"}}]}",
                                  i, text),
                         0);
    arm(&full, 1);
    fake_set(&f, "/interfaces/a", "{}");
    fake_set(&f, "/interfaces/b", "{}");
    calls = disk.seen;
    for (unsigned i = 0; i < 100; i++) {
        fake_set(&f, "/interfaces/c", "{}");
        ck_assert_ptr_nonnull(json_object_get(f.reply, "unsaved"));
    }
    ck_assert_uint_eq(disk.seen, calls);
    disarm();
    f.now += 1000;
    fake_set(&f, "/interfaces/d", "{}");
    ck_assert_ptr_null(json_object_get(f.reply, "unsaved"));
    fake_close(&f);
    fake_open(&f);
    fake_commit(&f);
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "\"b\":{},\"c\":{},\"d\":{},\"i0\""));
    fake_free(&f);
}

TEST(an_edit_on_a_full_disk_reports_so_and_is_saved_with_the_next_one)
{
    static const struct failing full = {ENOSPC, true, true};
    struct fake f;

    fake_new(&f);
    fake_set(&f, "/interfaces/a", "{}");
    ck_assert_ptr_null(json_object_get(f.reply, "unsaved"));
    arm(&full, 1);
    fake_set(&f, "/interfaces/b", "{}");
    ck_assert_str_eq(json_string_value(json_object_get(f.reply, "unsaved")), strerror(ENOSPC));
    disarm();
    fake_set(&f, "/interfaces/c", "{}");
    ck_assert_ptr_null(json_object_get(f.reply, "unsaved"));
    fake_close(&f);
    fake_open(&f);
    fake_commit(&f);
    ck_assert_str_eq(fake_running(&f), "{\"interfaces\":{\"a\":{},\"b\":{},\"c\":{}}}");
    fake_free(&f);
}
