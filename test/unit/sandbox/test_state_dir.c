/* The host gives a state directory, and all in it, to the service before every start. */
#include <fcntl.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/sandbox/state_dir.h"
#include "test/lib/harness.h"

#define UID_OF_SERVICE 61234u

struct dir {
    char path[64];
    uint32_t uid;
};

static void dir_new(struct dir *d)
{
    snprintf(d->path, sizeof(d->path), "/tmp/orbt-state-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(d->path));
    d->uid = geteuid() == 0 ? UID_OF_SERVICE : geteuid();
}

static char *in(const struct dir *d, const char *name)
{
    return buf_format("%s/%s", d->path, name);
}

static void touch(const struct dir *d, const char *name, mode_t mode)
{
    AUTO_FREE char *path = in(d, name);
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fchmod(fd, mode), 0);
}

static void expect(const struct dir *d, const char *name, mode_t mode)
{
    AUTO_FREE char *path = in(d, name);
    struct stat st;

    ck_assert_int_eq(lstat(path, &st), 0);
    ck_assert_uint_eq(st.st_uid, d->uid);
    ck_assert_uint_eq(st.st_mode & 07777, mode);
}

static void dir_free(const struct dir *d)
{
    AUTO_FREE char *command = buf_format("rm -rf --one-file-system %s", d->path);

    ck_assert_int_eq(system(command), 0);
}

TEST(files_of_another_owner_are_the_services_again)
{
    struct dir d;
    AUTO_FREE char *sub = NULL;
    struct orb_err err = {0};

    dir_new(&d);
    sub = in(&d, "sub");
    ck_assert_int_eq(mkdir(sub, 0700), 0);
    ck_assert_int_eq(state_dir_give(d.path, d.uid, &err), 0);
    touch(&d, "copied-back", 0600);
    touch(&d, "closed", 0);
    touch(&d, "group-reads", 0040);
    touch(&d, "sub/deeper", 0400);
    touch(&d, "others-read", 0644);
    ck_assert_int_eq(state_dir_give(d.path, d.uid, &err), 0);
    expect(&d, "copied-back", 0600);
    expect(&d, "closed", 0);
    expect(&d, "group-reads", 0640);
    expect(&d, "sub/deeper", 0600);
    expect(&d, "others-read", 0644);
    expect(&d, ".", 0700);
    dir_free(&d);
}

TEST(a_link_to_something_else_gives_nothing_else_away)
{
    struct dir d, other;
    AUTO_FREE char *link = NULL;
    AUTO_FREE char *target = NULL;
    struct stat st;

    dir_new(&d);
    dir_new(&other);
    touch(&other, "secret", 0400);
    target = in(&other, "secret");
    link = in(&d, "link");
    ck_assert_int_eq(symlink(target, link), 0);
    ck_assert_int_eq(state_dir_give(d.path, d.uid, NULL), 0);
    ck_assert_int_eq(stat(target, &st), 0);
    ck_assert_uint_eq(st.st_uid, geteuid());
    ck_assert_uint_eq(st.st_mode & 07777, 0400);
    dir_free(&d);
    dir_free(&other);
}

/* In a mount namespace of its own; without the right to make one there is nothing to see. */
TEST(a_read_only_file_system_that_is_right_keeps_nothing_from_starting)
{
    struct dir d;
    struct orb_err err = {0};

    dir_new(&d);
    touch(&d, "journal-0", 0600);
    ck_assert_int_eq(state_dir_give(d.path, d.uid, &err), 0);
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount(d.path, d.path, NULL, MS_BIND, NULL) == 0) {
        ck_assert_int_eq(mount(NULL, d.path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
        ck_assert_msg(state_dir_give(d.path, d.uid, &err) == 0, "%s", err.text);
        ck_assert_int_lt(state_dir_give(d.path, d.uid + 1, &err), 0);
        ck_assert_int_eq(umount(d.path), 0);
    }
    dir_free(&d);
}

TEST(a_directory_without_permissions_is_the_services_again)
{
    struct dir d;
    struct orb_err err;

    dir_new(&d);
    ck_assert_int_eq(chmod(d.path, 0), 0);
    ck_assert_int_eq(state_dir_give(d.path, d.uid, &err), 0);
    expect(&d, ".", 0700);
    dir_free(&d);
}

TEST(what_is_no_directory_is_named)
{
    struct dir d;
    AUTO_FREE char *path = NULL;
    struct orb_err err = {0};

    dir_new(&d);
    touch(&d, "file", 0600);
    path = in(&d, "file");
    ck_assert_int_lt(state_dir_give(path, d.uid, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    dir_free(&d);
}

TEST(a_service_gets_a_directory_of_its_own_or_none)
{
    struct dir d;
    AUTO_FREE char *made = NULL;
    AUTO_FREE char *link = NULL;
    struct orb_err incomplete, err = {0};

    dir_new(&d);
    made = in(&d, "services/one");
    link = in(&d, "services/two");
    ck_assert_msg(state_dir_prepare(made, d.uid, &incomplete, &err) == 0, "%s", err.text);
    ck_assert_int_eq(incomplete.code, 0);
    expect(&d, "services/one", 0700);
    ck_assert_int_eq(symlink(made, link), 0);
    ck_assert_int_lt(state_dir_prepare(link, d.uid, &incomplete, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, link));
    dir_free(&d);
}
