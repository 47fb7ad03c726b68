/* What a service costs those who commit: it is not waited for longer than its time, not by commits
 * that are about it, and not by services that start; one that refuses everything is left out. */
#include <string.h>

#include "core/base/own.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

/* guest is of a third party and reads /interfaces, as the shipped service does. */
static struct fake_service *world(struct fake *f)
{
    fake_new(f);
    fake_set(f, "/services/guest", "{\"enabled\":true,\"grants\":[\"config.read:/interfaces\"]}");
    fake_set(f, "/interfaces/lan0", "{\"description\":\"x\"}");
    fake_commit(f);
    return fake_service(f, "guest", "/interfaces");
}

static void begin(struct fake *f, const char *words)
{
    AUTO_FREE char *value = buf_format("\"%s\"", words);

    fake_set(f, "/interfaces/lan0/description", value);
    fake_send(f, "ada", 1, "commit", "{}");
}

static int attempt(struct fake *f, const char *words)
{
    begin(f, words);
    for (int i = 0; !f->answered && i < 200; i++)
        fake_advance(f, 500);
    ck_assert(f->answered);
    return f->err.code;
}

static uint64_t commit_lasts(struct fake *f, const char *words)
{
    uint64_t start = f->now;

    ck_assert_int_eq(attempt(f, words), 0);
    return f->now - start;
}

/* ---- time ---- */

TEST(one_that_works_on_and_on_is_given_up_when_its_time_is_over)
{
    static const enum fake_phase phases[] = {FAKE_PREPARE, FAKE_APPLY};

    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        struct fake f;
        struct fake_service *guest = world(&f);
        struct fake_service *firewall = fake_service(&f, "firewall", "/interfaces");

        guest->mode[phases[i]] = FAKE_WORKS;
        ck_assert_uint_le(commit_lasts(&f, "one"), 31000);
        ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "service-late({\"name\":\"guest\""));
        ck_assert_ptr_nonnull(strstr(fake_problem(&f, "left-out:guest"), "waited longer"));
        ck_assert_uint_eq(firewall->revision, engine_revision(f.engine));
        fake_wake(&f); /* an answer to what nothing waits for any more */
        fake_attach(&f, guest);
        buf_clear(&f.trace);
        ck_assert_uint_eq(commit_lasts(&f, "two"), 0);
        ck_assert_ptr_null(strstr(buf_str(&f.trace), "guest."));
        /* Included again after ten minutes, for a tenth of the time. */
        f.now += 600 * 1000;
        fake_attach(&f, guest);
        ck_assert_uint_le(commit_lasts(&f, "three"), 4500);
        fake_wake(&f);
        guest->mode[phases[i]] = FAKE_OK;
        fake_attach(&f, guest);
        fake_set(&f, "/services/guest/limits", "{\"commit-ms\":1000}");
        fake_commit(&f);
        ck_assert_ptr_null(fake_problem(&f, "left-out:guest"));
        fake_attach(&f, guest);
        guest->mode[phases[i]] = FAKE_WORKS;
        ck_assert_uint_le(commit_lasts(&f, "four"), 2500);
        fake_free(&f);
    }
}

TEST(time_adds_up_over_commits_and_is_forgotten)
{
    struct fake f;
    struct fake_service *guest = world(&f);
    unsigned n = 0;

    for (; n < 20 && !fake_problem(&f, "left-out:guest"); n++) {
        AUTO_FREE char *words = buf_format("%u", n);

        guest->mode[FAKE_PREPARE] = FAKE_WORKS;
        begin(&f, words);
        fake_advance(&f, 9000);
        guest->mode[FAKE_PREPARE] = FAKE_OK;
        fake_wake(&f);
        ck_assert(f.answered);
    }
    ck_assert_uint_ge(n, 3);
    ck_assert_uint_le(n, 5);
    fake_free(&f);
    guest = world(&f);
    for (n = 0; n < 20; n++) {
        AUTO_FREE char *words = buf_format("%u", n);

        guest->mode[FAKE_PREPARE] = FAKE_WORKS;
        begin(&f, words);
        fake_advance(&f, 9000);
        guest->mode[FAKE_PREPARE] = FAKE_OK;
        fake_wake(&f);
        ck_assert(f.answered);
        f.now += 160 * 1000;
    }
    ck_assert_ptr_null(fake_problem(&f, "left-out:guest"));
    fake_free(&f);
}

#define GUESTS 4u

/* Packages of third parties g1 to g4, and a shipped service that attached behind them. */
static struct fake_service *crowd(struct fake *f, struct fake_service *guests[GUESTS])
{
    fake_new(f);
    for (unsigned i = 0; i < GUESTS; i++) {
        AUTO_FREE char *path = buf_format("/services/g%u", i + 1);

        fake_set(f, path, "{\"enabled\":true,\"grants\":[\"config.read:/interfaces\"]}");
    }
    fake_set(f, "/interfaces/lan0", "{\"description\":\"x\"}");
    fake_commit(f);
    for (unsigned i = 0; i < GUESTS; i++) {
        char name[8];

        snprintf(name, sizeof(name), "g%u", i + 1);
        guests[i] = fake_service(f, name, "/interfaces");
    }
    return fake_service(f, "firewall", "/interfaces");
}

TEST(many_third_parties_hold_a_commit_no_longer_than_one)
{
    static const enum fake_phase phases[] = {FAKE_PREPARE, FAKE_APPLY};
    static const char *const words[] = {"prepare", "apply"};

    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        struct fake_service *guests[GUESTS], *firewall;
        struct fake f;
        uint64_t start;

        firewall = crowd(&f, guests);
        for (unsigned k = 0; k < GUESTS; k++)
            guests[k]->mode[phases[i]] = FAKE_WORKS;
        start = f.now;
        begin(&f, "one");
        ck_assert(!f.answered);
        if (phases[i] == FAKE_APPLY) /* it came first */
            ck_assert_uint_eq(firewall->next, engine_revision(f.engine) + 1);
        for (unsigned k = 0; k < 2 * GUESTS && !f.answered; k++) {
            fake_advance(&f, 950);
            /* Each answers just before its second is over. */
            for (unsigned g = 0; g < GUESTS; g++) {
                AUTO_FREE char *asked = buf_format("%s.%s", guests[g]->name, words[i]);

                if (strstr(buf_str(&f.trace), asked))
                    guests[g]->mode[phases[i]] = FAKE_OK;
            }
            fake_wake(&f);
        }
        ck_assert(f.answered);
        ck_assert_int_eq(f.err.code, 0);
        ck_assert_uint_le(f.now - start, 2000);
        for (unsigned k = 0; k < GUESTS; k++)
            ck_assert_uint_eq(guests[k]->revision, engine_revision(f.engine));
        fake_free(&f);
    }
}

TEST(one_of_many_that_cannot_apply_takes_all_back_once_the_others_have_answered)
{
    struct fake_service *guests[GUESTS], *firewall;
    struct fake f;
    uint64_t before;

    firewall = crowd(&f, guests);
    before = engine_revision(f.engine);
    guests[1]->mode[FAKE_APPLY] = FAKE_ERROR;
    guests[2]->mode[FAKE_APPLY] = FAKE_WORKS;
    begin(&f, "one");
    ck_assert(!f.answered); /* g3 is at it */
    ck_assert_ptr_null(strstr(buf_str(&f.trace), "abort"));
    guests[2]->mode[FAKE_APPLY] = FAKE_OK;
    fake_wake(&f);
    ck_assert(f.answered);
    ck_assert_int_ne(f.err.code, 0);
    ck_assert_uint_eq(engine_revision(f.engine), before);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "g3.abort+"));
    ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "firewall.abort+"));
    ck_assert(!firewall->applied && !guests[2]->applied);
    /* No commit waits for one that ends meanwhile. */
    guests[1]->mode[FAKE_APPLY] = FAKE_GONE;
    begin(&f, "two");
    ck_assert(f.answered);
    ck_assert_int_eq(f.err.code, ORB_E_GONE);
    guests[1]->mode[FAKE_APPLY] = FAKE_OK;
    fake_attach(&f, guests[1]);
    begin(&f, "three");
    ck_assert_int_eq(f.err.code, 0);
    fake_free(&f);
}

TEST(a_shipped_service_works_as_long_as_it_takes)
{
    struct fake f;
    struct fake_service *s;

    world(&f);
    s = fake_service(&f, "interfaces", "/interfaces");
    s->mode[FAKE_PREPARE] = FAKE_WORKS;
    begin(&f, "one");
    for (int i = 0; i < 200; i++)
        fake_advance(&f, 500);
    ck_assert(!f.answered);
    s->mode[FAKE_PREPARE] = FAKE_OK;
    fake_wake(&f);
    ck_assert(f.answered);
    ck_assert_ptr_null(fake_problem(&f, "left-out:interfaces"));
    fake_free(&f);
}

/* ---- commits that are about it ---- */

TEST(what_disables_a_service_waits_for_none_of_its_answers)
{
    static const char *const ends[][2] = {{"/services/guest/enabled", "false"},
                                          {"/services/guest/grants", "[]"},
                                          {"/services/guest/limits", "{\"queue\":\"8M\"}"}};
    static const enum fake_phase phases[] = {FAKE_PREPARE, FAKE_APPLY};

    for (size_t i = 0; i < ARRAY_LEN(ends) * 2; i++) {
        struct fake f;
        struct fake_service *guest = world(&f);
        uint64_t revision = engine_revision(f.engine);

        guest->mode[phases[i % 2]] = FAKE_WORKS;
        ck_assert_int_eq(fake_ask(&f, "bob", 2, "edit",
                                  "{\"ops\":[{\"op\":\"set\",\"path\":\"%s\",\"value\":%s}]}",
                                  ends[i / 2][0], ends[i / 2][1]),
                         0);
        begin(&f, "one");
        ck_assert(!f.answered);
        /* A dry run, and a commit about something else, wait. */
        fake_send(&f, "bob", 2, "commit", "{\"dry-run\":true}");
        ck_assert(!f.answered);
        fake_send(&f, "bob", 2, "commit", "{}");
        ck_assert_msg(f.answered && !f.err.code, "%zu: %s", i, f.err.text);
        ck_assert_uint_eq(engine_revision(f.engine), revision + 2);
        ck_assert_ptr_nonnull(strstr(fake_running(&f), "one"));
        fake_free(&f);
    }
}

/* ---- services that start ---- */

TEST(attach_does_not_wait_for_the_commits_of_others)
{
    static const enum fake_phase phases[] = {FAKE_PREPARE, FAKE_APPLY};

    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        struct fake f;
        struct fake_service *guest = world(&f), *firewall, *system;

        firewall = fake_service(&f, "firewall", "/interfaces");
        system = fake_service(&f, "system", "/system");
        guest->mode[phases[i]] = FAKE_WORKS;
        begin(&f, "one");
        firewall->peer = 77; /* both are started anew */
        system->peer = 78;
        fake_attach_send(&f, firewall);
        ck_assert(!f.answered);
        fake_advance(&f, 500);
        ck_assert_msg(f.answered && !f.err.code, "%s", f.err.text);
        ck_assert_int_eq(json_integer_value(json_object_get(f.reply, "revision")), 1);
        firewall->revision = 1;
        fake_attach_send(&f, system);
        fake_advance(&f, 500);
        ck_assert(f.answered && !f.err.code);
        buf_clear(&f.trace);
        guest->mode[phases[i]] = FAKE_OK;
        fake_wake(&f);
        ck_assert_uint_eq(engine_revision(f.engine), 2);
        /* It follows as soon as that is committed, and is not notified of what it does not read. */
        ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "firewall.prepare firewall.apply"));
        ck_assert_uint_eq(firewall->revision, 2);
        ck_assert_uint_eq(fake_due(&f, "firewall", NULL), 2);
        ck_assert_ptr_null(strstr(buf_str(&f.trace), "system."));
        ck_assert_uint_eq(commit_lasts(&f, "two"), 0);
        ck_assert_uint_eq(firewall->revision, 3);
        fake_free(&f);
    }
}

TEST(who_attached_meanwhile_and_cannot_follow_is_started_anew)
{
    struct fake f;
    struct fake_service *guest = world(&f), *firewall = fake_service(&f, "firewall", "/interfaces");

    guest->mode[FAKE_APPLY] = FAKE_WORKS;
    begin(&f, "one");
    firewall->peer = 77;
    fake_attach_send(&f, firewall);
    fake_advance(&f, 500);
    ck_assert(f.answered);
    firewall->mode[FAKE_PREPARE] = FAKE_ERROR;
    guest->mode[FAKE_APPLY] = FAKE_OK;
    fake_wake(&f);
    ck_assert_uint_eq(engine_revision(f.engine), 2);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "service-restart({\"name\":\"firewall\"})"));
    fake_free(&f);
}

/* ---- refusals ---- */

TEST(one_that_refuses_whatever_it_is_asked_is_left_out)
{
    struct fake f;
    struct fake_service *guest = world(&f);

    guest->mode[FAKE_PREPARE] = FAKE_ERROR;
    for (int n = 0; n < 3; n++) {
        ck_assert_ptr_null(fake_problem(&f, "left-out:guest"));
        ck_assert_int_eq(attempt(&f, n % 2 ? "a" : "b"), ORB_E_VETO);
    }
    ck_assert_ptr_nonnull(strstr(fake_problem(&f, "left-out:guest"), "refuses what runs"));
    ck_assert_uint_eq(commit_lasts(&f, "c"), 0);
    fake_free(&f);
}

TEST(one_that_refuses_for_a_reason_is_asked_on_and_not_for_ever)
{
    struct fake f;
    struct fake_service *guest = world(&f);
    int n;

    guest->mode[FAKE_PREPARE] = FAKE_PICKY;
    for (n = 0; n < 6; n++)
        ck_assert_int_eq(attempt(&f, n % 2 ? "a" : "b"), ORB_E_VETO);
    ck_assert_ptr_null(fake_problem(&f, "left-out:guest"));
    for (; n < 40; n++) /* those cost nothing */
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"dry-run\":true}"), ORB_E_VETO);
    ck_assert_ptr_null(fake_problem(&f, "left-out:guest"));
    for (n = 6; n < 10; n++)
        ck_assert_int_eq(attempt(&f, n % 2 ? "a" : "b"), ORB_E_VETO);
    ck_assert_ptr_nonnull(strstr(fake_problem(&f, "left-out:guest"), "the last ten"));
    ck_assert_int_eq(attempt(&f, "c"), 0);
    fake_free(&f);
}

TEST(one_that_takes_back_its_word_in_apply_is_left_out)
{
    struct fake f;
    struct fake_service *guest = world(&f);

    guest->mode[FAKE_APPLY] = FAKE_ERROR;
    for (int n = 0; n < 3; n++) {
        ck_assert_ptr_null(fake_problem(&f, "left-out:guest"));
        ck_assert_int_eq(attempt(&f, n % 2 ? "a" : "b"), ORB_E_INVALID);
    }
    ck_assert_ptr_nonnull(fake_problem(&f, "left-out:guest"));
    ck_assert_uint_eq(commit_lasts(&f, "c"), 0);
    fake_free(&f);
}

TEST(one_that_hangs_when_it_is_to_go_back_is_left_out)
{
    struct fake f;
    struct fake_service *guest = world(&f);

    guest->mode[FAKE_ABORT] = FAKE_SILENT;
    for (int n = 0; n < 3 && !fake_problem(&f, "left-out:guest"); n++) {
        fake_set(&f, "/interfaces/lan0/description", n % 2 ? "\"a\"" : "\"b\"");
        fake_send(&f, "ada", 1, "commit", "{\"dry-run\":true}");
        for (int i = 0; !f.answered && i < 200; i++)
            fake_advance(&f, 500);
        fake_attach(&f, guest);
    }
    ck_assert_ptr_nonnull(fake_problem(&f, "left-out:guest"));
    fake_free(&f);
}

TEST(a_shipped_service_refuses_as_often_as_it_has_reasons)
{
    struct fake f;
    struct fake_service *s;

    world(&f);
    s = fake_service(&f, "interfaces", "/interfaces");
    for (int n = 0; n < 24; n++) {
        s->mode[FAKE_PREPARE] = n < 12 ? FAKE_ERROR : FAKE_OK;
        s->mode[FAKE_APPLY] = n < 12 ? FAKE_OK : FAKE_ERROR;
        ck_assert_int_lt(attempt(&f, n % 2 ? "a" : "b"), 0);
    }
    ck_assert_ptr_null(fake_problem(&f, "left-out:interfaces"));
    fake_free(&f);
}

/* It is not even notified of what it does not read. */
TEST(a_service_is_not_asked_of_what_it_does_not_read)
{
    struct fake f;
    struct fake_service *guest = world(&f);

    guest->mode[FAKE_PREPARE] = FAKE_ERROR;
    buf_clear(&f.trace);
    fake_set(&f, "/system/hostname", "\"other\"");
    fake_commit(&f);
    ck_assert_ptr_null(strstr(buf_str(&f.trace), "guest"));
    fake_free(&f);
}
