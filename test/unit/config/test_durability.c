/* What a crash may cost: the service killed at every step, the journal torn at every byte. */
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine.h"
#include "plugins/config/history.h"
#include "plugins/config/journal.h"
#include "plugins/config/load.h"
#include "plugins/config/store.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

/* Two revisions in journal-0 of f, which is closed then; where the second begins. */
static size_t two_revisions(struct fake *f, char **ret_before, char **ret_after)
{
    AUTO_FREE char *path = NULL;
    struct stat st;

    fake_new(f);
    path = buf_format("%s/journal-0", f->dir);
    fake_set(f, "/system/hostname", "\"one\"");
    fake_commit(f);
    *ret_before = xstrdup(fake_running(f));
    ck_assert_int_eq(stat(path, &st), 0);
    fake_set(f, "/system/hostname", "\"two\"");
    fake_set(f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    fake_commit(f);
    *ret_after = xstrdup(fake_running(f));
    fake_close(f);
    return (size_t)st.st_size;
}

static void put(const struct fake *f, const char *name, const void *data, size_t len)
{
    AUTO_FREE char *path = buf_format("%s/%s", f->dir, name);
    AUTO_FILE FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, len, file), len);
}

static void forget(const struct fake *f, const char *name)
{
    AUTO_FREE char *path = buf_format("%s/%s", f->dir, name);

    unlink(path);
}

static void whole_of(const struct fake *f, const char *name, struct buf *ret)
{
    AUTO_FREE char *path = buf_format("%s/%s", f->dir, name);
    struct orb_err err;

    ck_assert_int_eq(file_read(path, 1 << 20, ret, &err), 0);
}

/* As after a power cut: the copy, which is not synced, holds nothing yet. */
TEST(a_journal_torn_at_any_byte_of_its_last_transaction_gives_old_or_new)
{
    struct fake f;
    AUTO_FREE char *before = NULL;
    AUTO_FREE char *after = NULL;
    AUTO(buf) struct buf whole = {0};
    size_t start = two_revisions(&f, &before, &after);
    unsigned olds = 0, news = 0;

    whole_of(&f, "journal-0", &whole);
    for (size_t len = start; len <= whole.len; len++) {
        const char *now;

        put(&f, "journal-0", whole.data, len);
        put(&f, "last-good-0", whole.data, start);
        buf_clear(&f.logged);
        f.enforced = 0; /* the machine was off */
        fake_open(&f);
        now = fake_running(&f);
        if (!strcmp(now, before))
            olds++;
        else if (!strcmp(now, after))
            news++;
        else
            ck_abort_msg("%zu bytes: %s", len, now);
        ck_assert_uint_eq(engine_revision(f.engine), !strcmp(now, after) ? 2 : 1);
        ck_assert_ptr_null(fake_problem(&f, "datastore"));
        /* And it continues from there. */
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

TEST(zeros_and_garbage_behind_a_torn_end_are_cut_as_well)
{
    struct fake f;
    AUTO_FREE char *before = NULL;
    AUTO_FREE char *after = NULL;
    AUTO(buf) struct buf whole = {0};
    size_t start = two_revisions(&f, &before, &after);

    whole_of(&f, "journal-0", &whole);
    for (size_t len = start; len <= whole.len; len += 7)
        for (int byte = 0; byte < 2; byte++) {
            AUTO(buf) struct buf torn = {0};

            buf_add(&torn, whole.data, len);
            for (int i = 0; i < 4096; i++)
                buf_addc(&torn, (char)(byte ? i * 37 + 11 : 0));
            put(&f, "journal-0", torn.data, torn.len);
            put(&f, "last-good-0", whole.data, start);
            f.enforced = 0;
            fake_open(&f);
            ck_assert_str_eq(fake_running(&f), len == whole.len ? after : before);
            ck_assert_ptr_null(fake_problem(&f, "datastore"));
            fake_close(&f);
        }
    fake_open(&f);
    fake_free(&f);
}

TEST(what_a_torn_end_takes_of_the_journal_the_second_copy_gives_back)
{
    struct fake f;
    AUTO_FREE char *before = NULL;
    AUTO_FREE char *after = NULL;
    AUTO(buf) struct buf whole = {0};
    size_t start = two_revisions(&f, &before, &after);

    whole_of(&f, "journal-0", &whole);
    for (size_t len = start; len < whole.len; len += 3) {
        put(&f, "journal-0", whole.data, len);
        put(&f, "last-good-0", whole.data, whole.len);
        forget(&f, "snapshot-2.json");
        forget(&f, "journal-2");
        forget(&f, "last-good-2");
        fake_open(&f);
        ck_assert_str_eq(fake_running(&f), after);
        ck_assert_ptr_null(fake_problem(&f, "datastore"));
        fake_set(&f, "/interfaces/x", "{}");
        fake_commit(&f);
        fake_close(&f);
        fake_open(&f);
        ck_assert_ptr_nonnull(strstr(fake_running(&f), "\"x\":{}"));
        ck_assert_uint_eq(engine_revision(f.engine), 3);
        fake_close(&f);
        f.enforced = 2;
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
    ck_assert_msg(is_new ? strstr(now, "1400") != NULL : !strcmp(now, before),
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
            AUTO_FREE char *name = buf_format("\"h%d\"", i);

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

struct old_format {
    struct buf file;
    uint8_t chain[32];
};

/* A record as versions before the second copy wrote it. */
static int add_old_record(void *arg, uint64_t offset, const char *text, size_t len,
                          struct orb_err *err)
{
    struct old_format *old = arg;
    crypto_generichash_state state;
    const uint8_t size[4] = {(uint8_t)len, (uint8_t)(len >> 8), 0, 0};

    crypto_generichash_init(&state, NULL, 0, sizeof(old->chain));
    crypto_generichash_update(&state, old->chain, sizeof(old->chain));
    crypto_generichash_update(&state, size, sizeof(size));
    crypto_generichash_update(&state, (const uint8_t *)text, len);
    crypto_generichash_final(&state, old->chain, sizeof(old->chain));
    buf_add(&old->file, "OJR1", 4);
    buf_add(&old->file, size, sizeof(size));
    buf_add(&old->file, old->chain, sizeof(old->chain));
    buf_add(&old->file, text, len);
    return 0;
}

TEST(a_journal_of_the_first_format_is_read_and_continues)
{
    struct fake f;
    AUTO_FREE char *before = NULL;
    AUTO_FREE char *after = NULL;
    AUTO(buf) struct buf whole = {0};
    struct old_format old = {0};

    two_revisions(&f, &before, &after);
    whole_of(&f, "journal-0", &whole);
    buf_adds(&old.file, "orbjrn1\n");
    buf_add(&old.file, old.chain, sizeof(old.chain));
    journal_scan_behind(&(struct journal_image){whole.data, whole.len}, 0, add_old_record, &old);
    put(&f, "journal-0", old.file.data, old.file.len);
    forget(&f, "last-good-0");
    fake_open(&f);
    ck_assert_str_eq(fake_running(&f), after);
    ck_assert_ptr_null(fake_problem(&f, "datastore"));
    fake_set(&f, "/interfaces/x", "{}");
    fake_commit(&f);
    fake_close(&f);
    fake_open(&f);
    ck_assert_uint_eq(engine_revision(f.engine), 3);
    fake_close(&f);
    /* From now on it has a second copy as well. */
    old.file.data[200] ^= 1;
    whole_of(&f, "journal-0", &whole);
    put(&f, "journal-0", old.file.data, old.file.len);
    fake_open(&f);
    ck_assert_uint_eq(engine_revision(f.engine), 3);
    ck_assert_ptr_nonnull(fake_problem(&f, "datastore"));
    buf_fini(&old.file);
    fake_free(&f);
}

/* As earlier versions wrote it. */
static int add_old_keys(void *arg, uint64_t offset, const char *text, size_t len,
                        struct orb_err *err)
{
    static const char *const keys[] = {"\"confirm-s\":", "\"confirm-by\":"};
    AUTO_FREE char *old = xstrndup(text, len);

    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        char *at = strstr(old, keys[i]);

        if (at)
            *strchr(at, '-') = '_';
    }
    return add_old_record(arg, offset, old, len, err);
}

TEST(a_commit_that_waits_in_a_journal_with_the_old_keys_is_undone)
{
    struct fake f;
    AUTO_FREE char *before = NULL;
    AUTO_FREE char *after = NULL;
    AUTO(buf) struct buf whole = {0};
    struct old_format old = {0};

    two_revisions(&f, &before, &after);
    fake_open(&f);
    fake_set(&f, "/interfaces/x", "{}");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"confirm-s\":60}"), 0);
    fake_close(&f);
    whole_of(&f, "journal-0", &whole);
    buf_adds(&old.file, "orbjrn1\n");
    buf_add(&old.file, old.chain, sizeof(old.chain));
    journal_scan_behind(&(struct journal_image){whole.data, whole.len}, 0, add_old_keys, &old);
    ck_assert_ptr_nonnull(memmem(old.file.data, old.file.len, "\"confirm_by\":", 13));
    put(&f, "journal-0", old.file.data, old.file.len);
    forget(&f, "last-good-0");
    fake_open(&f);
    fake_advance(&f, 61000);
    ck_assert_str_eq(fake_running(&f), after);
    ck_assert_uint_eq(engine_revision(f.engine), 4);
    buf_fini(&old.file);
    fake_free(&f);
}

/* All rules anew, each time with another port: some 80 KB of record a commit. */
static void load_rules(struct fake *f, int port, const char *options)
{
    AUTO(buf) struct buf in = {0};

    buf_adds(&in, "{\"ops\":[{\"op\":\"set\",\"path\":\"/firewall/rules\",\"value\":{");
    for (int i = 1; i <= 1000; i++)
        buf_addf(&in, "%s\"%d\":{\"action\":\"drop\",\"port\":%d}", i > 1 ? "," : "", i, port);
    buf_adds(&in, "}}]}");
    ck_assert_int_eq(fake_ask(f, "ada", 1, "edit", "%s", in.data), 0);
    ck_assert_msg(fake_ask(f, "ada", 1, "commit", "%s", options) == 0, "%s", f->err.text);
}

static uint64_t newest_journal(const struct fake *f)
{
    uint64_t revision = engine_revision(f->engine);

    for (uint64_t n = revision + 1; n-- > 0;) {
        AUTO_FREE char *path = buf_format("%s/journal-%d", f->dir, (int)n);
        struct stat st;

        if (stat(path, &st) == 0)
            return (uint64_t)st.st_size;
    }
    return 0;
}

TEST(large_commits_bring_a_snapshot_by_their_bytes)
{
    struct fake f;
    uint64_t largest = 0;

    fake_new(&f);
    for (int i = 1; i <= 40; i++) {
        load_rules(&f, i, "{}");
        fake_advance(&f, 1000);
        if (newest_journal(&f) > largest)
            largest = newest_journal(&f);
    }
    ck_assert_uint_gt(largest, 100000);
    ck_assert_uint_lt(largest, 2 << 20); /* 40 of them are 3 MB */
    fake_close(&f);
    fake_open(&f);
    ck_assert_uint_eq(engine_revision(f.engine), 40);
    /* The history is there all the same. */
    ck_assert_int_eq(
        fake_ask(&f, "ada", 1, "get", "{\"path\":\"/firewall/rules/7/port\",\"revision\":3}"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(f.reply, "value")), 3);
    fake_free(&f);
}

/* A snapshot due while a transaction is on its way comes when it ends, not with an idle second. */
TEST(commits_without_a_pause_do_not_put_a_snapshot_off)
{
    struct fake f;

    fake_new(&f);
    for (int i = 1; i <= 40; i++) {
        f.now += 1500; /* and the engine does not tick */
        load_rules(&f, i, "{}");
    }
    ck_assert_uint_lt(newest_journal(&f), 2 << 20);
    fake_free(&f);
}

TEST(a_large_commit_that_waits_to_be_confirmed_is_undone_after_its_snapshot_and_a_restart)
{
    struct fake f;
    AUTO_FREE char *before = NULL;

    fake_new(&f);
    for (int i = 1; i <= 9; i++)
        load_rules(&f, i, "{}");
    before = xstrdup(fake_running(&f));
    load_rules(&f, 77, "{\"confirm-s\":60}");
    fake_advance(&f, 2000);
    fake_close(&f);
    fake_open(&f);
    ck_assert_str_eq(fake_running(&f), before);
    fake_free(&f);
}

static uint64_t commit_text(struct store *s, char letter, size_t len, uint32_t confirm_s,
                            uint64_t undoes)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json_t) json_t *patch = NULL;
    struct revision meta = {.tx = s->last_tx + 1,
                            .confirm_s = confirm_s,
                            .undoes = undoes,
                            .user = (char *)"ada",
                            .comment = (char *)""};
    struct orb_err err;

    buf_adds(&text, "[{\"op\":\"set\",\"path\":\"/system\",\"value\":\"");
    for (size_t i = 0; i < len; i++)
        buf_addc(&text, letter);
    buf_adds(&text, "\"}]");
    ck_assert_int_eq(tree_parse(text.data, text.len, NULL, &patch, &err), 0);
    ck_assert_msg(store_prepare(s, &meta, patch, &err) == 0, "%s", err.text);
    ck_assert_msg(store_commit(s, &err) == 0, "%s", err.text);
    return s->journal.end;
}

/* The engine has no idle second, and a commit that waits for its confirmation takes the room its
 * undo needs before it is written. */
TEST(a_full_journal_is_left_for_a_snapshot_by_the_commit_that_would_not_fit)
{
    struct fake f;
    struct store s;
    struct orb_err err;
    uint64_t largest = 0;

    fake_new(&f);
    fake_close(&f);
    ck_assert_int_eq(load_store(&s, &(struct store_setup){.dir = f.dir, .log = &f.log}, &err), 0);
    s.journal_full = 100000;
    for (int i = 0; i < 60; i++) {
        uint64_t end = commit_text(&s, (char)('a' + i % 26), 10000, 0, 0);

        largest = end > largest ? end : largest;
    }
    ck_assert_uint_gt(largest, 80000);
    ck_assert_uint_le(largest, 100000);
    while (s.journal.end < 80000)
        commit_text(&s, 'x', 10000, 0, 0);
    commit_text(&s, 'y', 10000, 60,
                0); /* left the journal, as with its undo it would be too much */
    ck_assert_uint_lt(s.journal.end, 20000);
    ck_assert(history_unconfirmed(&s));
    ck_assert_uint_le(commit_text(&s, 'x', 10000, 0, s.revision), 100000);
    store_close(&s);
    fake_open(&f);
    ck_assert_ptr_null(fake_problem(&f, "datastore"));
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "xxxx"));
    fake_free(&f);
}

TEST(a_damaged_newest_snapshot_falls_back_to_the_one_before)
{
    struct fake f;
    AUTO_FREE char *snapshot = NULL;
    AUTO(buf) struct buf text = {0};
    struct orb_err err;

    fake_new(&f);
    for (int i = 0; i < 120; i++) {
        AUTO_FREE char *name = buf_format("\"h%d\"", i);

        fake_set(&f, "/system/hostname", name);
        fake_commit(&f);
        fake_advance(&f, 2000);
    }
    fake_close(&f);
    snapshot = buf_format("%s/snapshot-100.json", f.dir);
    ck_assert_int_eq(file_read(snapshot, 1 << 20, &text, &err), 0);
    text.data[text.len - 5] ^= 1;
    ck_assert_int_eq(file_replace(snapshot, text.data, text.len, 0600, &err), 0);
    fake_open(&f);
    ck_assert_ptr_nonnull(strstr(fake_problem(&f, "datastore"), "snapshot-100.json"));
    ck_assert_ptr_nonnull(strstr(fake_problem(&f, "datastore"), "nothing was lost"));
    ck_assert_str_eq(fake_running(&f), "{\"system\":{\"hostname\":\"h119\"}}");
    ck_assert_uint_eq(engine_revision(f.engine), 120);
    fake_free(&f);
}
