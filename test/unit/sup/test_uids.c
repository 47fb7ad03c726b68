/* A uid belongs to a name, whatever is installed beside it. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sup/uids.h"
#include "test/lib/harness.h"

static struct uids list(const char *text)
{
    struct uids uids = {0};
    char name[PACKAGE_NAME];
    unsigned uid;
    int n;

    for (; sscanf(text, " %31s %u%n", name, &uid, &n) == 2; text += n) {
        snprintf(uids.items[uids.count].name, sizeof(uids.items[0].name), "%s",
                 strcmp(name, "?") ? name : "");
        uids.items[uids.count++].uid = uid;
    }
    return uids;
}

/* "a 61000 b 61001 ": what is chosen; names: with a space between them. */
static void expect(const char *file, const char *owners, const char *names, const char *chosen)
{
    struct uids f = list(file), o = list(owners), got = {0};
    AUTO_FREE char *copy = xstrdup(names);
    const char *list_of[PACKAGE_MAX];
    AUTO(buf) struct buf text = {0};
    unsigned count = 0;

    for (char *save, *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        list_of[count++] = w;
    uids_choose(&f, &o, list_of, count, &got);
    for (unsigned i = 0; i < got.count; i++)
        buf_addf(&text, "%s %u ", got.items[i].name, got.items[i].uid);
    ck_assert_str_eq(buf_str(&text), chosen);
}

TEST(names_get_numbers_and_keep_them_when_others_come_and_go)
{
    expect("", "", "config firewall", "config 61000 firewall 61001 ");
    expect("config 61000 firewall 61001", "", "api config firewall",
           "api 61002 config 61000 firewall 61001 ");
    expect("api 61002 config 61000 firewall 61001", "", "config firewall",
           "api 61002 config 61000 firewall 61001 ");
    expect("api 61002 config 61000", "", "api config zeta", "api 61002 config 61000 zeta 61001 ");
}

TEST(without_the_file_the_directories_say_it)
{
    expect("", "config 61001 interfaces 61003", "aaa config interfaces",
           "aaa 61000 config 61001 interfaces 61003 ");
    /* also against the file, which may come from elsewhere */
    expect("aaa 61001 config 61000", "config 61001", "aaa config", "aaa 61000 config 61001 ");
}

TEST(a_number_that_a_directory_has_is_given_to_no_other_whatever_the_directory_is)
{
    expect("", "gone 61000 ? 61001", "aaa", "aaa 61002 gone 61000 ");
    expect("aaa 61000", "gone 61000", "aaa", "aaa 61001 gone 61000 ");
    expect("aaa 61001", "? 61001", "aaa", "aaa 61000 ");
}

TEST(of_two_directories_with_one_number_the_known_then_the_installed_one_keeps_it)
{
    expect("b 61000", "a 61000 b 61000", "a b", "a 61001 b 61000 ");
    expect("", "a 61000 b 61000", "b", "b 61000 ");
    expect("", "a 61000 b 61000", "a b", "a 61000 b 61001 ");
}

TEST(owners_outside_the_range_say_nothing)
{
    expect("", "config 0 firewall 1000", "config firewall", "config 61000 firewall 61001 ");
}

TEST(when_all_are_taken_those_of_packages_that_left_nothing_are_given_anew)
{
    struct uids file = {0}, owners = {0}, got;
    const char *names[] = {"new-one", "new-two"};

    for (uint32_t uid = UIDS_FIRST; uid <= UIDS_LAST; uid++) {
        struct uids *to = uid == UIDS_FIRST + 7 ? &file : &owners;

        snprintf(to->items[to->count].name, PACKAGE_NAME, "p%u", (unsigned)uid);
        to->items[to->count++].uid = uid;
    }
    uids_choose(&file, &owners, names, 2, &got);
    ck_assert_uint_eq(uids_of(&got, "new-one"), UIDS_FIRST + 7);
    ck_assert_uint_eq(uids_of(&got, "new-two"), 0);
    ck_assert_uint_eq(uids_of(&got, "p61003"), 61003);
}

/* ---- with a disk ---- */

struct box {
    char dir[64];
    struct package_list list;
    char refused[512];
    struct orb_err err;
};

static void on_error(void *arg, const char *dir, const struct orb_err *err)
{
    struct box *box = arg;

    snprintf(box->refused, sizeof(box->refused), "%s: %s", dir, err->text);
}

static void box_new(struct box *box)
{
    AUTO_FREE char *services = NULL;

    *box = (struct box){0};
    snprintf(box->dir, sizeof(box->dir), "/tmp/orbt-uids-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(box->dir));
    services = buf_format("%s/services", box->dir);
    ck_assert_int_eq(mkdir(services, 0700), 0);
}

static void box_free(struct box *box)
{
    AUTO_FREE char *command = buf_format("rm -rf --one-file-system %s", box->dir);

    package_fini_all(&box->list);
    ck_assert_int_eq(system(command), 0);
}

static int assign(struct box *box, const char *names)
{
    AUTO_FREE char *copy = xstrdup(names);

    package_fini_all(&box->list);
    for (char *save, *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        struct package *p = xcalloc(1, sizeof(*p));

        snprintf(p->manifest.name, sizeof(p->manifest.name), "%s", w);
        p->dir = buf_format("/p/%s", w);
        box->list.items[box->list.count++] = p;
    }
    box->err = (struct orb_err){0};
    return uids_assign(box->dir, &box->list, on_error, box, &box->err);
}

static uint32_t uid_of(const struct box *box, const char *name)
{
    for (unsigned i = 0; i < box->list.count; i++)
        if (!strcmp(box->list.items[i]->manifest.name, name))
            return box->list.items[i]->uid;
    return 0;
}

static void write_file(const struct box *box, const char *text)
{
    AUTO_FREE char *path = buf_format("%s/uids", box->dir);
    struct orb_err err;

    ck_assert_int_eq(file_replace(path, text, strlen(text), 0600, &err), 0);
}

TEST(the_file_keeps_what_was_chosen)
{
    struct box box;

    box_new(&box);
    ck_assert_int_eq(assign(&box, "config firewall"), 0);
    ck_assert_uint_eq(uid_of(&box, "config"), 61000);
    ck_assert_int_eq(assign(&box, "aaa config firewall"), 0);
    ck_assert_uint_eq(uid_of(&box, "config"), 61000);
    ck_assert_uint_eq(uid_of(&box, "firewall"), 61001);
    ck_assert_uint_eq(uid_of(&box, "aaa"), 61002);
    ck_assert_int_eq(assign(&box, "firewall"), 0);
    ck_assert_int_eq(assign(&box, "firewall zzz"), 0);
    ck_assert_uint_eq(uid_of(&box, "firewall"), 61001);
    ck_assert_uint_eq(uid_of(&box, "zzz"), 61003); /* those that left may come back */
    box_free(&box);
}

TEST(a_damaged_file_is_reported_and_what_is_whole_in_it_counts)
{
    static const char *const bad[] = {"config 61005\nfirewall 6100\n",
                                      "config 61005\nfirewall 61005\n",
                                      "config 61005\nconfig 61006\n",
                                      "config 61005\nfirewall 61006",
                                      "config 61005\nFire wall 61006\n",
                                      "config 61005\n\n",
                                      "config 61005\nfirewall 99999999999999999999\n",
                                      "config 61005\n../../x 61006\n"};
    struct box box;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        box_new(&box);
        write_file(&box, bad[i]);
        ck_assert_msg(assign(&box, "config firewall") == ORB_E_INVALID, "%s", bad[i]);
        ck_assert_ptr_nonnull(strstr(box.err.text, "/uids: line 2 is no name with a number"));
        ck_assert_uint_eq(uid_of(&box, "config"), 61005);
        ck_assert_uint_ne(uid_of(&box, "firewall"), 61005);
        ck_assert_int_eq(assign(&box, "config firewall"), 0); /* it was written anew */
        box_free(&box);
    }
}

TEST(a_file_that_cannot_be_read_or_written_costs_no_package_its_number)
{
    struct box box;
    AUTO_FREE char *path = NULL;

    box_new(&box);
    path = buf_format("%s/uids", box.dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_lt(assign(&box, "config firewall"), 0);
    ck_assert_ptr_nonnull(strstr(box.err.text, "uids"));
    ck_assert_uint_eq(uid_of(&box, "firewall"), 61001);
    box_free(&box);
}

TEST(a_package_for_which_there_is_no_number_is_refused_and_the_others_run)
{
    struct box box;
    AUTO(buf) struct buf text = {0};

    if (geteuid() != 0)
        return; /* directories with owners */
    box_new(&box);
    for (uint32_t uid = UIDS_FIRST; uid <= UIDS_LAST; uid++) {
        AUTO_FREE char *dir = buf_format("%s/services/p%u", box.dir, (unsigned)uid);

        ck_assert_int_eq(mkdir(dir, 0700), 0);
        ck_assert_int_eq(chown(dir, uid, uid), 0);
    }
    ck_assert_int_eq(assign(&box, "new p61007"), 0);
    ck_assert_uint_eq(box.list.count, 1);
    ck_assert_uint_eq(uid_of(&box, "p61007"), 61007);
    ck_assert_ptr_nonnull(strstr(box.refused, "/p/new: no user number is left"));
    box_free(&box);
}
