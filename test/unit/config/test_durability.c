/* What a crash may cost: the service killed at every step, the journal torn at every byte. */
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/own.h"
#include "plugins/config/journal.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

TEST(a_journal_torn_at_any_byte_of_its_last_transaction_gives_old_or_new)
{
    struct fake f;
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *before = NULL;
    AUTO_FREE char *after = NULL;
    AUTO(buf) struct buf whole = {0};
    struct stat st;
    size_t start;
    unsigned olds = 0, news = 0;
    struct orb_err err;

    fake_new(&f);
    path = xasprintf("%s/journal-0", f.dir);
    fake_set(&f, "/system/hostname", "\"one\"");
    fake_commit(&f);
    before = xstrdup(fake_running(&f));
    ck_assert_int_eq(stat(path, &st), 0);
    start = (size_t)st.st_size;
    fake_set(&f, "/system/hostname", "\"two\"");
    fake_set(&f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    fake_commit(&f);
    after = xstrdup(fake_running(&f));
    fake_close(&f);
    ck_assert_int_eq(file_read(path, 1 << 20, &whole, &err), 0);
    for (size_t len = start; len <= whole.len; len++) {
        const char *now;

        ck_assert_int_eq(file_replace(path, whole.data, len, 0600, &err), 0);
        buf_clear(&f.logged);
        fake_open(&f);
        now = fake_running(&f);
        if (strcmp(now, before) == 0)
            olds++;
        else if (strcmp(now, after) == 0)
            news++;
        else
            ck_abort_msg("%zu bytes: %s", len, now);
        ck_assert_uint_eq(engine_revision(f.engine), strcmp(now, after) == 0 ? 2 : 1);
        /* And it goes on from there. */
        fake_set(&f, "/interfaces/x", "{}");
        fake_commit(&f);
        if (len != start && len != whole.len && olds > 1)
            ck_assert(strstr(buf_str(&f.logged), "config.journal.torn") ||
                      strstr(buf_str(&f.logged), "config.transaction.interrupted"));
        fake_close(&f);
        fake_open(&f);
        ck_assert_ptr_nonnull(strstr(fake_running(&f), "\"interfaces\":{\"x\":{}}"));
        fake_close(&f);
    }
    ck_assert_uint_gt(olds, 100);
    ck_assert_uint_eq(news, 1);
    fake_open(&f);
    fake_free(&f);
}

TEST(a_changed_byte_anywhere_in_the_last_record_is_noticed)
{
    struct fake f;
    AUTO_FREE char *path = NULL;
    AUTO(buf) struct buf whole = {0};
    struct orb_err err;
    size_t start;

    fake_new(&f);
    path = xasprintf("%s/journal-0", f.dir);
    fake_set(&f, "/system/hostname", "\"one\"");
    fake_commit(&f);
    fake_close(&f);
    ck_assert_int_eq(file_read(path, 1 << 20, &whole, &err), 0);
    start = whole.len;
    fake_open(&f);
    fake_set(&f, "/system/hostname", "\"two\"");
    fake_commit(&f);
    fake_close(&f);
    ck_assert_int_eq(file_read(path, 1 << 20, &whole, &err), 0);
    for (size_t i = start; i < whole.len; i++) {
        whole.data[i] ^= 1;
        ck_assert_int_eq(file_replace(path, whole.data, whole.len, 0600, &err), 0);
        whole.data[i] ^= 1;
        fake_open(&f);
        ck_assert_str_eq(fake_running(&f), "{\"system\":{\"hostname\":\"one\"}}");
        fake_close(&f);
    }
    fake_open(&f);
    fake_free(&f);
}

/* Commits a change touching two services in a child that ends at the given step; then starts again
 * as the host would. Returns whether the step was reached. */
static bool killed_at(unsigned number, bool veto, const char *confirm)
{
    struct fake f;
    struct fake_service *a, *b;
    AUTO_FREE char *before = NULL;
    const char *now;
    int status;
    bool is_new;
    pid_t pid;

    fake_new(&f);
    fake_set(&f, "/system/hostname", "\"old\"");
    fake_set(&f, "/interfaces/lan0", "{}");
    fake_commit(&f);
    before = xstrdup(fake_running(&f));
    a = fake_service(&f, "interfaces", "/interfaces");
    b = fake_service(&f, "system", "/system");
    if (veto)
        b->mode[FAKE_APPLY] = FAKE_ERROR;
    fake_set(&f, "/system/hostname", "\"new\"");
    fake_set(&f, "/interfaces/lan0/mtu", "1400");
    f.steps = 0;
    f.kill_number = number;
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        fake_ask(&f, "ada", 1, "commit", "{%s}", confirm);
        if (*confirm) {
            fake_ask(&f, "ada", 5000, "confirm", "{}");
        }
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "signal %d", status);
    f.kill_number = 0;
    fake_close(&f);
    fake_open(&f);
    now = fake_running(&f);
    is_new = strstr(now, "\"new\"") != NULL;
    ck_assert_msg(is_new ? strstr(now, "1400") != NULL : strcmp(now, before) == 0,
                  "step %u: half applied: %s", number, now);
    if (WEXITSTATUS(status) == 0)
        ck_assert_int_eq(is_new, !veto);
    /* Services that take part notice and attach again; after that they work by what is stored. */
    fake_attach(&f, a);
    fake_attach(&f, b);
    ck_assert_uint_eq(a->revision, engine_revision(f.engine));
    /* The interrupted changes are still there to be committed, unless they were. */
    b->mode[FAKE_APPLY] = FAKE_OK;
    fake_set(&f, "/system/hostname", "\"newer\"");
    fake_commit(&f);
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "1400"));
    ck_assert_uint_eq(a->revision > 1 || b->revision > 1, true);
    ck_assert_uint_eq(b->revision, engine_revision(f.engine));
    fake_free(&f);
    return WEXITSTATUS(status) == 42;
}

TEST(killed_at_any_step_of_a_commit_nothing_is_half_done)
{
    unsigned n = 1;

    while (killed_at(n, false, ""))
        n++;
    ck_assert_uint_gt(n, 8);
}

TEST(killed_at_any_step_of_an_aborted_commit_nothing_is_half_done)
{
    unsigned n = 1;

    while (killed_at(n, true, ""))
        n++;
    ck_assert_uint_gt(n, 7);
}

TEST(killed_at_any_step_of_a_snapshot_nothing_is_lost)
{
    struct fake f;
    int status;
    unsigned n = 1;
    bool reached = true;

    for (; reached; n++) {
        AUTO_FREE char *before = NULL;
        pid_t pid;

        fake_new(&f);
        for (int i = 0; i < 50; i++) {
            AUTO_FREE char *name = xasprintf("\"h%d\"", i);

            fake_set(&f, "/system/hostname", name);
            fake_commit(&f);
        }
        before = xstrdup(fake_running(&f));
        f.steps = 0;
        f.kill_number = n;
        pid = fork();
        if (pid == 0) {
            f.now += 2000;
            engine_tick(f.engine);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        reached = WEXITSTATUS(status) == 42;
        f.kill_number = 0;
        fake_close(&f);
        fake_open(&f);
        ck_assert_str_eq(fake_running(&f), before);
        ck_assert_uint_eq(engine_revision(f.engine), 50);
        fake_set(&f, "/system/hostname", "\"after\"");
        fake_commit(&f);
        fake_close(&f);
        fake_open(&f);
        ck_assert_str_eq(fake_running(&f), "{\"system\":{\"hostname\":\"after\"}}");
        ck_assert_uint_eq(engine_revision(f.engine), 51);
        /* History reaches back over the snapshot. */
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "get", "{\"path\":\"/system\",\"revision\":7}"), 0);
        ck_assert_str_eq(json_string_value(tree_get(f.reply, "/value/hostname")), "h6");
        fake_free(&f);
    }
    ck_assert_uint_eq(n - 1, 4); /* journal, snapshot, pruned, and one that was not reached */
}

TEST(a_damaged_newest_snapshot_falls_back_to_the_one_before)
{
    struct fake f;
    AUTO_FREE char *snapshot = NULL;
    AUTO(buf) struct buf text = {0};
    struct orb_err err;

    fake_new(&f);
    for (int i = 0; i < 120; i++) {
        AUTO_FREE char *name = xasprintf("\"h%d\"", i);

        fake_set(&f, "/system/hostname", name);
        fake_commit(&f);
        fake_advance(&f, 2000);
    }
    fake_close(&f);
    snapshot = xasprintf("%s/snapshot-100.json", f.dir);
    ck_assert_int_eq(file_read(snapshot, 1 << 20, &text, &err), 0);
    text.data[text.len - 5] ^= 1;
    ck_assert_int_eq(file_replace(snapshot, text.data, text.len, 0600, &err), 0);
    fake_open(&f);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.logged), "config.snapshot.damaged"));
    ck_assert_str_eq(fake_running(&f), "{\"system\":{\"hostname\":\"h119\"}}");
    ck_assert_uint_eq(engine_revision(f.engine), 120);
    fake_free(&f);
}
