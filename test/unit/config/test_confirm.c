/* Commits that must be confirmed. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/own.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

static struct fake_service *start(struct fake *f)
{
    struct fake_service *s;

    fake_new(f);
    fake_set(f, "/system/hostname", "\"old\"");
    fake_commit(f);
    s = fake_service(f, "system", "/system");
    fake_set(f, "/system/hostname", "\"new\"");
    ck_assert_int_eq(fake_ask(f, "ada", 2000, "commit", "{\"confirm-s\":60}"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(f->reply, "confirm-by")), 1700000160);
    ck_assert_uint_eq(engine_revision(f->engine), 2);
    ck_assert_uint_eq(s->revision, 2);
    return s;
}

static void expect_undone(struct fake *f, const char *comment)
{
    const char *told;

    ck_assert_str_eq(fake_running(f), "{\"system\":{\"hostname\":\"old\"}}");
    ck_assert_uint_eq(engine_revision(f->engine), 3);
    ck_assert_int_eq(fake_ask(f, "ada", 3000, "history", "{}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(f->reply, "/entries/0/user")), "system");
    told = json_string_value(tree_get(f->reply, "/entries/0/comment"));
    ck_assert_msg(!strncmp(told, comment, strlen(comment)), "%s", told);
    ck_assert_str_eq(json_string_value(tree_get(f->reply, "/entries/1/state")), "undone");
}

TEST(without_confirmation_a_commit_is_undone_live_at_its_deadline)
{
    struct fake f;
    struct fake_service *s = start(&f);

    fake_advance(&f, 59999);
    ck_assert_uint_eq(engine_revision(f.engine), 2);
    ck_assert_uint_eq(f.wake_at, 160000);
    fake_advance(&f, 1);
    expect_undone(&f, "not confirmed in 60 s");
    ck_assert_uint_eq(s->revision, 3);
    ck_assert_uint_eq(f.published, 3);
    fake_free(&f);
}

TEST(only_a_session_opened_after_the_apply_confirms)
{
    struct fake f;

    start(&f);
    ck_assert_int_eq(fake_ask(&f, "ada", 2000, "confirm", "{}"), ORB_E_STATE);
    ck_assert_ptr_nonnull(strstr(f.err.text, "open a new connection"));
    ck_assert_int_eq(fake_ask(&f, "bob", 1500, "confirm", "{}"), ORB_E_STATE);
    ck_assert_int_eq(fake_ask(&f, "ada", 2001, "confirm", "{}"), 0);
    ck_assert_int_eq(fake_ask(&f, "ada", 2001, "confirm", "{}"), ORB_E_STATE);
    fake_advance(&f, 100000);
    ck_assert_uint_eq(engine_revision(f.engine), 2);
    fake_close(&f);
    fake_open(&f);
    ck_assert_uint_eq(engine_revision(f.engine), 2);
    fake_ask(&f, "ada", 1, "history", "{}");
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/entries/0/state")), "confirmed");
    fake_free(&f);
}

TEST(nothing_else_is_committed_while_one_waits)
{
    struct fake f;

    start(&f);
    fake_set(&f, "/interfaces/a", "{}");
    ck_assert_int_eq(fake_ask(&f, "ada", 2002, "commit", "{}"), ORB_E_STATE);
    ck_assert_ptr_nonnull(strstr(f.err.text, "confirm"));
    ck_assert_int_eq(fake_ask(&f, "ada", 2003, "confirm", "{}"), 0);
    fake_commit(&f);
    fake_free(&f);
}

TEST(a_restart_undoes_it_before_a_service_attaches)
{
    struct fake f;
    struct fake_service *s = start(&f);

    fake_close(&f);
    fake_open(&f);
    ck_assert_str_eq(fake_running(&f), "{\"system\":{\"hostname\":\"old\"}}");
    fake_attach(&f, s);
    ck_assert_uint_eq(s->revision, 3);
    expect_undone(&f, "not confirmed before a restart");
    fake_free(&f);
}

TEST(the_undo_is_done_although_a_service_refuses)
{
    enum fake_mode modes[] = {FAKE_ERROR, FAKE_GONE, FAKE_TIMEOUT, FAKE_AWAY};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        for (int phase = FAKE_PREPARE; phase <= FAKE_APPLY; phase++) {
            struct fake f;
            struct fake_service *s = start(&f);
            bool alive = modes[i] == FAKE_ERROR || modes[i] == FAKE_TIMEOUT;

            s->mode[phase] = modes[i];
            fake_advance(&f, 60000);
            expect_undone(&f, "not confirmed ");
            ck_assert_int_eq(alive,
                             strstr(buf_str(&f.trace), modes[i] == FAKE_TIMEOUT
                                                           ? "host@1.service-late"
                                                           : "host@1.service-restart") != NULL);
            fake_free(&f);
        }
}

static bool is_needed(const struct fake *f)
{
    return strstr(buf_str(&f->trace), "host@1.service-needed({\"name\":\"system\"") != NULL;
}

TEST(a_service_that_was_stopped_meanwhile_runs_again_for_the_undo)
{
    struct fake f;
    struct fake_service *s = start(&f);

    engine_peer_gone(f.engine, s->peer);
    fake_advance(&f, 59999);
    ck_assert(!is_needed(&f));
    fake_advance(&f, 1);
    ck_assert(is_needed(&f));
    expect_undone(&f, "not confirmed ");
    fake_free(&f);
}

TEST(so_does_one_that_attached_to_what_waits)
{
    struct fake f;
    struct fake_service *s;

    fake_new(&f);
    s = fake_service(&f, "system", "/system");
    engine_peer_gone(f.engine, s->peer);
    fake_set(&f, "/system/hostname", "\"new\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 2000, "commit", "{\"confirm-s\":60}"), 0);
    fake_attach(&f, s);
    engine_peer_gone(f.engine, s->peer);
    fake_advance(&f, 60000);
    ck_assert(is_needed(&f));
    fake_free(&f);
}

TEST(one_that_did_not_run_at_all_is_left_alone)
{
    struct fake f;
    struct fake_service *s;

    fake_new(&f);
    s = fake_service(&f, "system", "/system");
    engine_peer_gone(f.engine, s->peer);
    fake_set(&f, "/system/hostname", "\"new\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 2000, "commit", "{\"confirm-s\":60}"), 0);
    fake_advance(&f, 60000);
    ck_assert_uint_eq(engine_revision(f.engine), 2);
    ck_assert(!is_needed(&f));
    fake_free(&f);
}

TEST(after_a_restart_who_does_not_come_back_is_started_for_the_undo)
{
    for (int back = 0; back < 2; back++) {
        struct fake f;
        struct fake_service *s = start(&f);

        fake_close(&f);
        fake_open(&f);
        if (back)
            fake_attach(&f, s);
        ck_assert_uint_eq(f.wake_at, f.now + 3000);
        fake_advance(&f, 3000);
        ck_assert_int_eq(is_needed(&f), !back);
        fake_free(&f);
    }
}

TEST(killed_at_any_step_of_the_undo_it_is_undone_after_the_restart)
{
    bool reached = true;

    for (unsigned n = 1; reached; n++) {
        struct fake f;
        struct fake_service *s = start(&f);
        int status;
        pid_t pid;

        f.steps = 0;
        f.kill_number = n;
        pid = fork();
        if (pid == 0) {
            fake_advance(&f, 60000);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        reached = WEXITSTATUS(status) == 42;
        f.kill_number = 0;
        fake_close(&f);
        fake_open(&f);
        fake_attach(&f, s);
        expect_undone(&f, "not confirmed ");
        fake_free(&f);
    }
}

TEST(safe_mode_reports_both_revisions_until_the_next_commit)
{
    struct fake f;
    const char *what;

    fake_new(&f);
    fake_set(&f, "/system/hostname", "\"good\"");
    fake_commit(&f);
    fake_set(&f, "/system/hostname", "\"bad\"");
    fake_commit(&f);
    fake_close(&f);
    f.host.safe_revision = 1;
    fake_open(&f);
    ck_assert_str_eq(fake_running(&f), "{\"system\":{\"hostname\":\"good\"}}");
    what = fake_problem(&f, "safe-mode");
    ck_assert_ptr_nonnull(what);
    ck_assert_ptr_nonnull(strstr(what, "revision 1 instead of 2, which was committed last"));
    f.host.safe_revision = 0;
    fake_advance(&f, 10000);
    fake_set(&f, "/system/hostname", "\"better\"");
    fake_commit(&f);
    ck_assert_ptr_null(fake_problem(&f, "safe-mode"));
    fake_free(&f);
}
