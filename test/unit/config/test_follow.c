/* Reports to the host about revisions: which service should follow which one, and which parts no
 * package has. */
#include <string.h>

#include "core/base/own.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

static struct fake_service *start(struct fake *f)
{
    struct fake_service *s;

    fake_new(f);
    fake_set(f, "/system/hostname", "\"old\"");
    fake_set(f, "/interfaces/lan0", "{}");
    fake_commit(f);
    s = fake_service(f, "firewall", "/firewall");
    fake_service(f, "system", "/system");
    return s;
}

TEST(a_service_should_follow_the_newest_revision_that_changed_what_it_reads)
{
    struct fake f;
    bool configured;

    start(&f);
    ck_assert_uint_eq(fake_due(&f, "system", &configured), 1); /* as it attached */
    ck_assert(configured);
    ck_assert_uint_eq(fake_due(&f, "firewall", &configured), 1);
    ck_assert(!configured);
    ck_assert_uint_eq(fake_due(&f, "interfaces", &configured), 0); /* never attached */
    ck_assert(configured);
    fake_set(&f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    fake_commit(&f);
    ck_assert_uint_eq(fake_due(&f, "firewall", &configured), 2);
    ck_assert(configured);
    ck_assert_uint_eq(fake_due(&f, "system", NULL), 1);
    fake_free(&f);
}

TEST(the_host_is_told_of_a_transaction_before_the_first_apply_and_after_its_end)
{
    struct fake f;
    struct fake_service *s = start(&f);

    s->mode[FAKE_APPLY] = FAKE_ERROR;
    f.applying = 0;
    fake_set(&f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    ck_assert_int_lt(fake_ask(&f, "ada", 1, "commit", "{}"), 0);
    ck_assert_uint_eq(f.applying, 2);
    ck_assert_uint_eq(json_integer_value(json_object_get(f.follow, "applying")), 0);
    ck_assert_uint_eq(fake_due(&f, "firewall", NULL), 1);
    fake_free(&f);
}

TEST(the_host_is_informed_while_a_commit_waits_for_its_confirmation)
{
    struct fake f;

    fake_new(&f);
    fake_set(&f, "/system/hostname", "\"a\"");
    fake_commit(&f);
    ck_assert_uint_eq(json_integer_value(json_object_get(f.follow, "unconfirmed")), 0);
    for (int confirmed = 0; confirmed < 2; confirmed++) {
        fake_set(&f, "/system/hostname", confirmed ? "\"c\"" : "\"b\"");
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"confirm-s\":30}"), 0);
        ck_assert_uint_eq(json_integer_value(json_object_get(f.follow, "unconfirmed")),
                          engine_revision(f.engine));
        if (confirmed)
            ck_assert_int_eq(fake_ask(&f, "ada", 9, "confirm", "{}"), 0);
        else
            fake_advance(&f, 31000);
        ck_assert_uint_eq(json_integer_value(json_object_get(f.follow, "unconfirmed")), 0);
    }
    fake_free(&f);
}

TEST(a_service_that_is_away_should_follow_what_passes_it_by)
{
    struct fake f;
    struct fake_service *s = start(&f);

    engine_peer_gone(f.engine, s->peer);
    fake_set(&f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    fake_commit(&f);
    ck_assert_uint_eq(fake_due(&f, "firewall", NULL), 2);
    fake_free(&f);
}

TEST(an_undone_commit_is_to_be_followed_by_who_was_away_as_well)
{
    struct fake f;
    struct fake_service *s = start(&f);

    fake_set(&f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    ck_assert_int_eq(fake_ask(&f, "ada", 2000, "commit", "{\"confirm-s\":60}"), 0);
    ck_assert_uint_eq(s->revision, 2);
    engine_peer_gone(f.engine, s->peer);
    fake_advance(&f, 60000);
    ck_assert_uint_eq(engine_revision(f.engine), 3);
    ck_assert_uint_eq(fake_due(&f, "firewall", NULL), 3);
    fake_free(&f);
}

TEST(a_configured_part_whose_package_is_not_there_is_a_problem_until_it_is_back)
{
    struct fake f;
    const char *what;

    start(&f);
    fake_set(&f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    fake_commit(&f);
    ck_assert_ptr_null(fake_problem(&f, "part:firewall"));
    fake_close(&f);
    f.without = "firewall";
    fake_open(&f);
    what = fake_problem(&f, "part:firewall");
    ck_assert_ptr_nonnull(what);
    ck_assert_ptr_nonnull(strstr(what, "/firewall is configured, but no installed package has it"));
    ck_assert_int_eq(engine_health(f.engine, NULL), 0); /* reported once */
    fake_close(&f);
    f.without = NULL;
    fake_open(&f);
    ck_assert_ptr_null(fake_problem(&f, "part:firewall"));
    fake_free(&f);
}

TEST(deleting_the_part_that_no_package_has_ends_the_problem)
{
    struct fake f;

    start(&f);
    fake_set(&f, "/firewall/rules/10", "{\"action\":\"drop\"}");
    fake_commit(&f);
    fake_close(&f);
    f.without = "firewall";
    fake_open(&f);
    ck_assert_ptr_nonnull(fake_problem(&f, "part:firewall"));
    fake_advance(&f, 10000); /* no service is waited for any more */
    ck_assert_int_eq(
        fake_ask(&f, "ada", 1, "edit", "{\"ops\":[{\"op\":\"delete\",\"path\":\"/firewall\"}]}"),
        0);
    fake_commit(&f);
    ck_assert_ptr_null(fake_problem(&f, "part:firewall"));
    fake_free(&f);
}
