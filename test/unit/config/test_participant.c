/* Services in a transaction: which are called, in which order, and the result of each kind of
 * failure in each phase. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

static void two(struct fake *f, struct fake_service **a, struct fake_service **b)
{
    fake_new(f);
    fake_set(f, "/system/hostname", "\"old\"");
    fake_commit(f);
    *a = fake_service(f, "interfaces", "/interfaces");
    *b = fake_service(f, "firewall", "/firewall");
    fake_service(f, "system", "/system");
    fake_set(f, "/interfaces/lan0", "{}");
    fake_set(f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    buf_clear(&f->trace);
}

TEST(only_touched_services_take_part_all_prepare_before_any_applies)
{
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    fake_commit(&f);
    ck_assert_str_eq(buf_str(&f.trace), "interfaces.prepare firewall.prepare interfaces.apply "
                                        "firewall.apply ");
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "plan")), 2);
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/plan/0/service")), "interfaces");
    ck_assert_uint_eq(f.published, 2);
    fake_free(&f);
}

TEST(steps_reported_in_apply_follow_the_plan)
{
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    a->explains = true;
    fake_commit(&f);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "plan")), 3);
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/plan/1/service")), "interfaces");
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/plan/2/service")), "firewall");
    fake_free(&f);
}

/* Else a commit that was done would be reported as failed. */
TEST(an_answer_has_room_in_a_frame_whatever_the_plans_are)
{
    static const size_t lengths[] = {20000, 200000};
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        AUTO_FREE char *text = xcalloc(1, lengths[i] + 1);
        AUTO_FREE char *rule = buf_format("/firewall/rules/%zu", i + 1);
        AUTO_FREE char *link = buf_format("/interfaces/lan%zu", i + 1);
        const char *last;

        memset(text, 'x', lengths[i]);
        a->plan = b->plan = text;
        fake_set(&f, rule, "{\"action\":\"drop\"}");
        fake_set(&f, link, "{}");
        fake_commit(&f);
        ck_assert_uint_lt(f.text.len, 131072 + 1000);
        last = json_string_value(tree_get(f.reply, i ? "/plan/0/text" : "/plan/1/text"));
        ck_assert_ptr_nonnull(strstr(last, i ? "2 steps are left out" : "xxx"));
        ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "plan")), i ? 1 : 2);
        a->plan = b->plan = NULL;
    }
    fake_free(&f);
}

TEST(a_dry_run_returns_the_plan_and_changes_nothing)
{
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"dry-run\":true}"), 0);
    ck_assert_str_eq(buf_str(&f.trace), "interfaces.prepare firewall.prepare firewall.abort "
                                        "interfaces.abort ");
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "plan")), 2);
    ck_assert_uint_eq(engine_revision(f.engine), 1);
    fake_commit(&f); /* the candidate is still there */
    ck_assert_uint_eq(engine_revision(f.engine), 2);
    fake_free(&f);
}

#define QUESTION(service)                                                                          \
    "{\"dry-run\":true,\"question\":{\"service\":\"" service "\",\"input\":{\"a\":1}}}"

TEST(a_question_about_a_candidate_is_answered_by_its_service_alone)
{
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", QUESTION("firewall")), 0);
    ck_assert_str_eq(buf_str(&f.trace), "interfaces.prepare firewall.prepare firewall.abort "
                                        "interfaces.abort ");
    ck_assert_int_eq(json_integer_value(tree_get(f.reply, "/answer/a")), 1);
    fake_commit(&f);
    buf_clear(&f.trace); /* no candidate: nothing changes, and the one service is called */
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", QUESTION("firewall")), 0);
    ck_assert_str_eq(buf_str(&f.trace), "firewall.prepare firewall.abort ");
    ck_assert_int_eq(json_integer_value(tree_get(f.reply, "/answer/a")), 1);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"dry-run\":true}"), ORB_E_STATE);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", QUESTION("nothing")), ORB_E_UNAVAILABLE);
    ck_assert_str_eq(f.err.path, "/question/service");
    ck_assert_int_eq(
        fake_ask(&f, "ada", 1, "commit", "{\"question\":{\"service\":\"firewall\",\"input\":{}}}"),
        ORB_E_SCHEMA);
    ck_assert_int_eq(fake_ask(&f, "service:firewall", 1, "commit", QUESTION("firewall")),
                     ORB_E_DENIED);
    fake_free(&f);
}

struct failure {
    enum fake_phase phase;
    enum fake_mode mode;
    int code;
    const char *words;
    const char *trace; /* firewall fails, which attached second */
};

static const struct failure failures[] = {
    {FAKE_PREPARE, FAKE_ERROR, ORB_E_VETO, "firewall refused: no such zone",
     "interfaces.prepare firewall.prepare firewall.abort interfaces.abort "},
    {FAKE_PREPARE, FAKE_GONE, ORB_E_GONE,
     "firewall went away during prepare and did not come back within 3 s; nothing was changed",
     "interfaces.prepare firewall.prepare interfaces.abort interfaces.prepare interfaces.abort "},
    {FAKE_PREPARE, FAKE_TIMEOUT, ORB_E_DEADLINE,
     "service.firewall did not answer prepare within 10 s; nothing was changed, and firewall",
     "interfaces.prepare firewall.prepare host@1.service-late({\"name\":\"firewall\",\"why\":\"at "
     "prepare: service.firewall did not answer prepare within 10 s\"}) interfaces.abort "},
    {FAKE_APPLY, FAKE_ERROR, ORB_E_INVALID, "firewall could not apply it: no such zone",
     "interfaces.prepare firewall.prepare interfaces.apply firewall.apply firewall.abort+ "
     "interfaces.abort+ "},
    {FAKE_APPLY, FAKE_GONE, ORB_E_GONE, "firewall went away during apply",
     "interfaces.prepare firewall.prepare interfaces.apply firewall.apply "
     "host@1.service-needed({\"name\":\"firewall\",\"why\":\"it went away with a refused change "
     "half "
     "done\"}) interfaces.abort+ "},
    {FAKE_APPLY, FAKE_TIMEOUT, ORB_E_DEADLINE,
     "service.firewall did not answer apply within 10 s; nothing was changed, and firewall",
     "interfaces.prepare firewall.prepare interfaces.apply firewall.apply "
     "host@1.service-late({\"name\":\"firewall\",\"why\":\"at apply: "
     "service.firewall did not answer apply within 10 s\"}) "
     "interfaces.abort+ "},
};

TEST(a_failure_in_any_phase_leaves_everything_as_it_was)
{
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        const struct failure *t = &failures[i];
        struct fake f;
        struct fake_service *a, *b;
        AUTO_FREE char *before = NULL;

        two(&f, &a, &b);
        before = xstrdup(fake_running(&f));
        b->mode[t->phase] = t->mode;
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), t->code);
        ck_assert_msg(strstr(f.err.text, t->words), "%zu: %s", i, f.err.text);
        if (t->mode == FAKE_ERROR)
            ck_assert_str_eq(f.err.path, "/firewall/rules/10");
        ck_assert_str_eq(buf_str(&f.trace), t->trace);
        ck_assert_str_eq(fake_running(&f), before);
        ck_assert_uint_eq(a->revision, 1);
        ck_assert_uint_eq(f.published, 1);
        fake_close(&f);
        fake_open(&f);
        ck_assert_str_eq(fake_running(&f), before);
        /* The candidate outlives the failure. */
        b->mode[t->phase] = FAKE_OK;
        fake_attach(&f, a);
        fake_attach(&f, b);
        fake_commit(&f);
        ck_assert_uint_eq(b->revision, 2);
        fake_free(&f);
    }
}

TEST(a_service_that_is_restarted_during_prepare_is_asked_again)
{
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    b->mode[FAKE_PREPARE] = FAKE_GONE;
    fake_send(&f, "ada", 1, "commit", "{}");
    ck_assert(!f.answered);
    fake_advance(&f, 1000);
    ck_assert(!f.answered);
    b->mode[FAKE_PREPARE] = FAKE_OK;
    fake_attach_meanwhile(&f, b);
    ck_assert_msg(f.answered && !f.err.code, "%s", f.err.text);
    ck_assert_uint_eq(engine_revision(f.engine), 2);
    ck_assert_uint_eq(b->revision, 2);
    fake_free(&f);
}

TEST(a_service_that_ends_in_both_prepares_refuses_the_commit)
{
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    b->mode[FAKE_PREPARE] = FAKE_GONE;
    fake_send(&f, "ada", 1, "commit", "{}");
    ck_assert(!f.answered);
    fake_attach_meanwhile(&f, b);
    ck_assert(f.answered);
    ck_assert_int_eq(f.err.code, ORB_E_GONE);
    ck_assert_msg(strstr(f.err.text, "firewall went away during prepare; nothing was changed"),
                  "%s", f.err.text);
    ck_assert_uint_eq(engine_revision(f.engine), 1);
    fake_free(&f);
}

TEST(a_service_that_hung_in_prepare_and_was_ended_is_not_asked_again)
{
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    b->mode[FAKE_PREPARE] = FAKE_SILENT;
    fake_send(&f, "ada", 1, "commit", "{}");
    fake_advance(&f, 6000);
    ck_assert(!f.answered);
    b->mode[FAKE_PREPARE] = FAKE_GONE;
    for (struct fake_call *c = f.calls; c; c = c->next)
        c->silent = false;
    fake_pump(&f);
    ck_assert(f.answered);
    ck_assert_int_eq(f.err.code, ORB_E_GONE);
    ck_assert_uint_eq(engine_revision(f.engine), 1);
    fake_free(&f);
}

TEST(a_refusal_by_another_service_does_not_wait_for_the_one_that_went_away)
{
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    a->mode[FAKE_PREPARE] = FAKE_ERROR;
    b->mode[FAKE_PREPARE] = FAKE_GONE;
    fake_send(&f, "ada", 1, "commit", "{}");
    ck_assert(f.answered);
    ck_assert_int_eq(f.err.code, ORB_E_VETO);
    fake_free(&f);
}

TEST(a_service_that_cannot_go_back_is_started_anew)
{
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    b->mode[FAKE_APPLY] = FAKE_ERROR;
    a->mode[FAKE_ABORT] = FAKE_ERROR;
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_INVALID);
    ck_assert_ptr_nonnull(
        strstr(buf_str(&f.trace), "host@1.service-restart({\"name\":\"interfaces\"})"));
    fake_free(&f);
}

TEST(a_silent_service_is_ended_at_its_deadline_and_not_asked_again)
{
    static const enum fake_phase phases[] = {FAKE_PREPARE, FAKE_APPLY};

    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        struct fake f;
        struct fake_service *a, *b;
        uint64_t begin;

        two(&f, &a, &b);
        b->mode[phases[i]] = b->mode[FAKE_ABORT] = FAKE_SILENT;
        begin = f.now;
        fake_send(&f, "ada", 1, "commit", "{}");
        while (!f.answered)
            fake_advance(&f, 500);
        ck_assert_int_eq(f.err.code, ORB_E_DEADLINE);
        ck_assert_uint_le(f.now - begin, (phases[i] == FAKE_APPLY ? 20000 : 10000) + 1000);
        ck_assert_ptr_nonnull(
            strstr(buf_str(&f.trace), "host@1.service-late({\"name\":\"firewall\""));
        ck_assert_ptr_null(strstr(buf_str(&f.trace), "firewall.abort"));
        ck_assert_uint_eq(a->revision, 1);
        /* Its successor attaches to what is stored. */
        engine_peer_gone(f.engine, b->peer);
        b->mode[phases[i]] = b->mode[FAKE_ABORT] = FAKE_OK;
        b->peer += 100;
        fake_attach(&f, b);
        ck_assert_uint_eq(b->revision, 1);
        fake_commit(&f);
        ck_assert_uint_eq(b->revision, 2);
        fake_free(&f);
    }
}

TEST(a_service_silent_in_abort_does_not_keep_the_others_on_a_refused_change)
{
    struct fake f;
    struct fake_service *a, *b, *c;

    two(&f, &a, &b);
    c = &f.services[2];
    fake_set(&f, "/system/hostname", "\"third\"");
    buf_clear(&f.trace);
    c->mode[FAKE_APPLY] = FAKE_ERROR;
    b->mode[FAKE_ABORT] = FAKE_SILENT;
    fake_send(&f, "ada", 1, "commit", "{}");
    ck_assert(!f.answered);
    ck_assert_ptr_null(strstr(buf_str(&f.trace), "interfaces.abort"));
    fake_advance(&f, 1000);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "interfaces.abort+"));
    ck_assert_uint_eq(a->revision, 1);
    ck_assert(!f.answered);
    while (!f.answered)
        fake_advance(&f, 1000);
    ck_assert_int_eq(f.err.code, ORB_E_INVALID);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "host@1.service-late({\"name\":\"firewall\""));
    fake_free(&f);
}

TEST(a_service_that_is_not_running_does_not_hold_up_a_commit)
{
    struct fake f;
    struct fake_service *a, *b;

    two(&f, &a, &b);
    engine_peer_gone(f.engine, b->peer);
    fake_commit(&f);
    ck_assert_str_eq(buf_str(&f.trace), "interfaces.prepare interfaces.apply ");
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/plan/1/kind")), "offline");
    fake_attach(&f, b);
    ck_assert_uint_eq(b->revision, 2);
    fake_free(&f);
}

TEST(after_a_restart_the_first_commit_waits_for_known_services)
{
    struct fake f;
    struct fake_service *a, *b;
    struct engine_caller caller = {.peer = 9, .name = "ada"};

    two(&f, &a, &b);
    fake_close(&f);
    fake_open(&f);
    engine_request(f.engine, &caller, "commit", "{}", 2, NULL);
    fake_pump(&f);
    ck_assert_str_eq(buf_str(&f.trace), "");
    fake_attach(&f, a);
    ck_assert_str_eq(buf_str(&f.trace), "");
    fake_attach(&f, b);
    fake_pump(&f);
    ck_assert_str_eq(buf_str(&f.trace), "interfaces.prepare firewall.prepare interfaces.apply "
                                        "firewall.apply ");
    ck_assert_uint_eq(engine_revision(f.engine), 2);
    fake_free(&f);
}

TEST(attach_waits_for_the_transaction_to_end)
{
    struct fake f;
    struct fake_service *a, *b;
    struct engine_caller ada = {.peer = 9, .name = "ada"};
    static const char *const grants[] = {"config.read:/interfaces", NULL};
    struct engine_caller late = {
        .peer = 77, .kind = CALLER_SERVICE, .name = "late", .grants = grants};
    const char *in = "{\"paths\":[\"/interfaces\"]}";

    two(&f, &a, &b);
    engine_request(f.engine, &ada, "commit", "{}", 2, NULL);
    f.answered = false;
    engine_request(f.engine, &late, "attach", in, strlen(in), &f);
    ck_assert(!f.answered);
    fake_pump(&f);
    ck_assert(f.answered);
    ck_assert_int_eq(json_integer_value(json_object_get(f.reply, "revision")), 2);
    ck_assert_str_eq(json_string_value(json_object_get(f.reply, "data")),
                     "{\"interfaces\":{\"lan0\":{}}}");
    fake_free(&f);
}

TEST(commits_queue_one_behind_the_other)
{
    struct fake f;
    struct fake_service *a, *b;
    struct engine_caller ada = {.peer = 9, .name = "ada"}, bob = {.peer = 10, .name = "bob"};
    const char *edit = "{\"ops\":[{\"op\":\"delete\",\"path\":\"/system/hostname\"}]}";

    two(&f, &a, &b);
    fake_ask(&f, "bob", 10, "edit",
             "{\"ops\":[{\"op\":\"set\",\"path\":\"/interfaces/wan0\",\"value\":{}}]}");
    engine_request(f.engine, &ada, "commit", "{}", 2, NULL);
    engine_request(f.engine, &bob, "commit", "{}", 2, NULL);
    /* Edits of the one whose candidate is under way are refused, reads are answered. */
    ck_assert_int_eq(engine_revision(f.engine), 1);
    f.answered = false;
    engine_request(f.engine, &ada, "edit", edit, strlen(edit), &f);
    ck_assert(f.answered);
    ck_assert_int_eq(f.err.code, ORB_E_BUSY);
    fake_pump(&f);
    ck_assert_uint_eq(engine_revision(f.engine), 3);
    ck_assert_uint_eq(a->revision, 3);
    ck_assert_uint_eq(b->revision, 2);
    fake_free(&f);
}

TEST(a_large_patch_is_fetched_in_slices)
{
    struct fake f;
    struct fake_service *a, *b;
    struct engine_caller ada = {.peer = 9, .name = "ada"};
    AUTO(buf) struct buf rules = {0}, got = {0};
    struct engine_caller fw = {.kind = CALLER_SERVICE, .name = "firewall"};
    size_t bytes;

    two(&f, &a, &b);
    for (int i = 100; i < 6000; i++)
        buf_addf(&rules, "%s\\\"%d\\\":{\\\"action\\\":\\\"drop\\\"}", i > 100 ? "," : "", i);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "load-part",
                              "{\"offset\":0,\"data\":\"{\\\"firewall\\\":{\\\"rules\\\":{%s}}}\","
                              "\"last\":true,\"mode\":\"merge\"}",
                              rules.data),
                     0);
    engine_request(f.engine, &ada, "commit", "{}", 2, NULL);
    ck_assert_ptr_nonnull(f.calls->next);
    ck_assert_ptr_nonnull(strstr(f.calls->next->text, "\"bytes\":"));
    bytes = strtoul(strstr(f.calls->next->text, "\"bytes\":") + 8, NULL, 10);
    fw.peer = b->peer;
    while (got.len < bytes) {
        AUTO_FREE char *in = buf_format("{\"what\":\"tx\",\"offset\":%zu}", got.len);

        f.answered = false;
        engine_request(f.engine, &fw, "fetch", in, strlen(in), &f);
        ck_assert(f.answered);
        ck_assert_int_eq(f.err.code, 0);
        buf_adds(&got, json_string_value(json_object_get(f.reply, "data")));
        json_decref(f.reply);
        f.reply = NULL;
    }
    ck_assert_uint_eq(got.len, bytes);
    ck_assert_ptr_nonnull(strstr(got.data, "\"/firewall\""));
    fake_pump(&f);
    ck_assert_uint_eq(engine_revision(f.engine), 2);
    fake_free(&f);
}

/* Four services that are all touched, in the order of attaching. */
static void four(struct fake *f, struct fake_service *s[4])
{
    static const char *const names[] = {"interfaces", "firewall", "system", "routing"};
    static const char *const paths[] = {"/interfaces", "/firewall", "/system", "/system"};

    fake_new(f);
    fake_set(f, "/system/hostname", "\"old\"");
    fake_commit(f);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        s[i] = fake_service(f, names[i], paths[i]);
    fake_set(f, "/interfaces/lan0", "{}");
    fake_set(f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    fake_set(f, "/system/hostname", "\"new\"");
    buf_clear(&f->trace);
}

/* ms until the commit, or the undo, is answered or the box is on revision. */
static uint64_t until_over(struct fake *f, uint64_t revision)
{
    uint64_t begin = f->now;

    while (!f->answered && (!revision || engine_revision(f->engine) != revision)) {
        fake_advance(f, 100);
        ck_assert_uint_lt(f->now - begin, 120000);
    }
    return f->now - begin;
}

TEST(two_services_silent_in_abort_keep_no_other_on_a_refused_change)
{
    struct fake f;
    struct fake_service *s[4];

    four(&f, s);
    s[3]->mode[FAKE_APPLY] = FAKE_ERROR;
    s[2]->mode[FAKE_ABORT] = s[1]->mode[FAKE_ABORT] = FAKE_SILENT;
    fake_send(&f, "ada", 1, "commit", "{}");
    fake_advance(&f, 1000);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "interfaces.abort+"));
    ck_assert_uint_eq(s[0]->revision, 1);
    ck_assert_uint_le(1000 + until_over(&f, 0), 21000);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "service-late({\"name\":\"firewall\""));
    ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "service-late({\"name\":\"system\""));
    fake_free(&f);
}

TEST(a_service_silent_in_abort_after_another_was_silent_in_apply_is_ended_a_second_later)
{
    struct fake f;
    struct fake_service *s[4];

    four(&f, s);
    s[3]->mode[FAKE_APPLY] = FAKE_SILENT;
    for (int i = 0; i < 3; i++)
        s[i]->mode[FAKE_ABORT] = FAKE_SILENT;
    fake_send(&f, "ada", 1, "commit", "{}");
    ck_assert_uint_le(until_over(&f, 0), 21100);
    ck_assert_int_eq(f.err.code, ORB_E_DEADLINE);
    for (int i = 0; i < 4; i++) {
        AUTO_FREE char *late = buf_format("service-late({\"name\":\"%s\"", s[i]->name);

        ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), late));
    }
    fake_free(&f);
}

TEST(services_silent_in_an_undo_keep_no_other_on_what_is_undone)
{
    static const enum fake_phase phases[] = {FAKE_PREPARE, FAKE_APPLY};

    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        struct fake f;
        struct fake_service *s[4];
        uint64_t deadline = phases[i] == FAKE_APPLY ? 20000 : 10000;

        four(&f, s);
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"confirm-s\":5}"), 0);
        s[0]->mode[phases[i]] = s[1]->mode[phases[i]] = FAKE_SILENT;
        buf_clear(&f.trace);
        f.answered = false;
        fake_advance(&f, 5000);
        fake_advance(&f, phases[i] == FAKE_APPLY ? 1000 : 11000);
        ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "system.apply"));
        ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "routing.apply"));
        ck_assert_uint_le(until_over(&f, 3), deadline + 1100);
        ck_assert_uint_eq(s[2]->revision, 3);
        ck_assert_uint_eq(s[3]->revision, 3);
        ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "service-late({\"name\":\"interfaces\""));
        ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "service-late({\"name\":\"firewall\""));
        fake_free(&f);
    }
}
