/* A commit that takes long: what its caller is shown meanwhile, and how it is canceled. */
#include <string.h>

#include "core/base/own.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

struct shown {
    struct buf lines; /* "PHASE PERCENT\n" */
    void *req;
};

static struct shown *shown_of(struct fake *f)
{
    return f->told_to;
}

static void on_tell(void *arg, void *req, const char *phase, int percent)
{
    struct shown *shown = shown_of(arg);

    buf_addf(&shown->lines, "%s %d\n", phase, percent);
    shown->req = req;
}

/* Two services; firewall works on its prepare until fake_wake(). */
static void begin(struct fake *f, struct shown *shown, enum fake_phase phase)
{
    struct fake_service *firewall;

    fake_new(f);
    f->told_to = shown;
    fake_set(f, "/system/hostname", "\"old\"");
    fake_commit(f);
    fake_close(f);
    f->host.tell = on_tell;
    fake_open(f);
    fake_service(f, "interfaces", "/interfaces");
    firewall = fake_service(f, "firewall", "/firewall");
    fake_set(f, "/interfaces/lan0", "{}");
    fake_set(f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    fake_advance(f, 5000); /* the grace for known services is over */
    firewall->mode[phase] = FAKE_WORKS;
    buf_clear(&f->trace);
    buf_clear(&shown->lines);
    fake_send(f, "ada", 1, "commit", "{}");
    ck_assert(!f->answered);
    ck_assert_ptr_nonnull(f->calls);
}

static void release(struct fake *f, enum fake_phase phase)
{
    f->services[1].mode[phase] = FAKE_OK;
    fake_wake(f);
}

TEST(the_caller_is_shown_what_services_report_and_the_share_of_the_whole)
{
    struct shown shown = {0};
    struct fake f;

    begin(&f, &shown, FAKE_PREPARE);
    ck_assert_str_eq(buf_str(&shown.lines), "firewall: prepare 25\n");
    engine_progress(f.engine, f.calls->arg, "counting", 50);
    engine_progress(f.engine, f.calls->arg, "waiting", -1);
    engine_progress(f.engine, f.calls->arg, "", -1); /* it continues, and that is all */
    ck_assert_str_eq(buf_str(&shown.lines), "firewall: prepare 25\nfirewall: counting 37\n"
                                            "firewall: waiting 37\n");
    ck_assert_ptr_eq(shown.req, f.awaited);
    buf_clear(&shown.lines);
    release(&f, FAKE_PREPARE);
    ck_assert(f.answered);
    ck_assert_int_eq(f.err.code, 0);
    ck_assert_str_eq(buf_str(&shown.lines), "writing the revision 50\nfirewall: apply 75\n"
                                            "writing the revision 100\n");
    engine_progress(f.engine, &f, "of no call", 3);
    buf_fini(&shown.lines);
    fake_free(&f);
}

TEST(a_commit_in_prepare_is_canceled_and_one_in_apply_is_not)
{
    static const enum fake_phase phases[] = {FAKE_PREPARE, FAKE_APPLY};

    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        bool prepare = phases[i] == FAKE_PREPARE;
        struct shown shown = {0};
        struct fake f;
        uint64_t before;

        begin(&f, &shown, phases[i]);
        before = engine_revision(f.engine);
        fake_send(&f, "eve", 2, "cancel", "{}");
        ck_assert(f.answered);
        ck_assert_int_eq(f.err.code, ORB_E_STATE);
        ck_assert_str_eq(f.err.text, "no commit of eve is in progress or waits");
        fake_send(&f, "ada", 3, "cancel", "{}");
        ck_assert(f.answered);
        ck_assert_int_eq(f.err.code, prepare ? 0 : ORB_E_STATE);
        if (!prepare)
            ck_assert_ptr_nonnull(strstr(f.err.text, "is being applied"));
        release(&f, phases[i]);
        ck_assert_uint_eq(engine_revision(f.engine), prepare ? before : before + 1);
        ck_assert_int_eq(strstr(buf_str(&f.trace), "firewall.abort") != NULL, prepare);
        ck_assert_int_eq(strstr(buf_str(&f.trace), "interfaces.abort") != NULL, prepare);
        if (prepare)
            fake_commit(&f); /* the candidate is still there */
        ck_assert_uint_eq(engine_revision(f.engine), before + 1);
        buf_fini(&shown.lines);
        fake_free(&f);
    }
}

TEST(a_commit_that_waits_for_another_is_canceled_at_once)
{
    struct shown shown = {0};
    struct fake f;
    uint64_t before;

    begin(&f, &shown, FAKE_PREPARE);
    before = engine_revision(f.engine);
    fake_ask(&f, "eve", 2, "edit",
             "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/hostname\",\"value\":\"other\"}]}");
    fake_send(&f, "eve", 2, "commit", "{}");
    ck_assert(!f.answered);
    fake_send(&f, "eve", 4, "cancel", "{}");
    ck_assert(f.answered && !f.err.code);
    release(&f, FAKE_PREPARE);
    ck_assert_uint_eq(engine_revision(f.engine), before + 1); /* that of ada alone */
    ck_assert_ptr_null(strstr(fake_running(&f), "other"));
    buf_fini(&shown.lines);
    fake_free(&f);
}
