/* References (x-orb-ref) of packages: they are resolved within the package's grants, errors
 * contain only what the caller may read, and a disabled package refuses nothing. */
#include <string.h>

#include "core/base/own.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

static const char guest_schema[] =
    "{\"interface\":\"guest\",\"version\":\"1.0\",\"config\":{\"type\":\"object\",\"properties\":{"
    "\"vault\":{\"type\":\"string\",\"x-orb-ref\":\"/system/vault\"},"
    "\"link\":{\"type\":\"string\",\"x-orb-ref\":\"/interfaces\"},"
    "\"zone\":{\"type\":\"string\",\"x-orb-ref\":\"/firewall/zones\"},"
    "\"host\":{\"type\":\"string\",\"x-orb-ref\":\"/system\"},"
    "\"own\":{\"type\":\"string\",\"x-orb-ref\":\"/guest/names\"},"
    "\"hidden\":{\"type\":\"string\",\"x-orb-ref\":\"/guest/keys\"},"
    "\"names\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}},"
    "\"keys\":{\"type\":\"object\",\"x-orb-secret\":true,"
    "\"additionalProperties\":{\"type\":\"string\"}}}}}";

static const char *const writes[] = {"config.write:/guest", "config.write:/interfaces", NULL};

static void grant(struct fake *f, const char *enabled, const char *grants)
{
    AUTO_FREE char *value =
        buf_format("{\"enabled\":%s,\"grants\":[\"config.write:/guest\"%s]}", enabled, grants);

    fake_set(f, "/services/guest", value);
}

static void world(struct fake *f, const char *grants)
{
    fake_new(f);
    f->guest = guest_schema;
    fake_close(f);
    fake_open(f);
    fake_set(f, "/interfaces/lan0", "{}");
    fake_set(f, "/interfaces/lan1", "{}");
    fake_set(f, "/firewall/zones/inside", "{\"interfaces\":[\"lan1\"]}");
    fake_set(f, "/system", "{\"hostname\":\"box\",\"vault\":{\"NAME-IN-A-SECRET\":\"x\"}}");
    fake_set(f, "/guest", "{\"names\":{\"one\":1},\"keys\":{\"KEY-OF-ITS-OWN\":\"x\"}}");
    grant(f, "true", grants);
    fake_commit(f);
    f->grants = writes;
}

/* What the guest is shown of a value at a path of its part. */
static int guess(struct fake *f, const char *place, const char *value)
{
    fake_ask(f, "service:guest", 1001, "discard", "{}");
    ck_assert_int_eq(
        fake_ask(f, "service:guest", 1001, "edit",
                 "{\"ops\":[{\"op\":\"set\",\"path\":\"/guest/%s\",\"value\":\"%s\"}]}", place,
                 value),
        0);
    return fake_ask(f, "service:guest", 1001, "validate", "{}");
}

TEST(a_reference_reveals_nothing_of_what_its_package_may_not_read)
{
    static const char *const rows[][2] = {{"vault", "NAME-IN-A-SECRET"},
                                          {"link", "lan0"},
                                          {"zone", "inside"},
                                          {"host", "hostname"},
                                          {"hidden", "KEY-OF-ITS-OWN"}};
    struct fake f;

    world(&f, "");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert_int_eq(guess(&f, rows[i][0], "zzz"), 0);
        ck_assert_int_eq(guess(&f, rows[i][0], rows[i][1]), 0);
    }
    /* Control: its own part, in which it is resolved; the names are listed to users only, as it
     * was not granted to read them. */
    ck_assert_int_eq(guess(&f, "own", "one"), 0);
    ck_assert_int_eq(guess(&f, "own", "zzz"), ORB_E_SCHEMA);
    ck_assert_msg(!strstr(f.err.text, "one"), "%s", f.err.text);
    fake_set(&f, "/guest/own", "\"zzz\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_SCHEMA);
    ck_assert_msg(strstr(f.err.text, "expected a name of /guest/names (one)"), "%s", f.err.text);
    fake_free(&f);
}

TEST(a_grant_to_read_opens_no_secret)
{
    struct fake f;

    world(&f, ",\"config.read:/system\",\"config.read:/interfaces\"");
    ck_assert_int_eq(guess(&f, "vault", "zzz"), 0);
    ck_assert_int_eq(guess(&f, "link", "zzz"), ORB_E_SCHEMA);
    grant(&f, "true", ",\"config.secret:/system/vault\",\"config.read:/system\"");
    fake_commit(&f);
    ck_assert_int_eq(guess(&f, "vault", "zzz"), ORB_E_SCHEMA);
    ck_assert_msg(!strstr(f.err.text, "NAME-IN"), "%s", f.err.text);
    ck_assert_int_eq(guess(&f, "vault", "NAME-IN-A-SECRET"), 0);
    ck_assert_int_eq(guess(&f, "link", "zzz"), 0);
    fake_free(&f);
}

static int drop_lan0(struct fake *f, const char *who, uint32_t peer)
{
    ck_assert_int_eq(fake_ask(f, who, peer, "edit",
                              "{\"ops\":[{\"op\":\"delete\",\"path\":\"/interfaces/lan0\"}]}"),
                     0);
    return fake_ask(f, who, peer, "validate", "{}");
}

TEST(only_an_enabled_package_that_may_look_there_refuses_a_deletion)
{
    struct fake f;

    world(&f, "");
    fake_set(&f, "/guest/link", "\"lan0\"");
    fake_commit(&f);
    ck_assert_int_eq(drop_lan0(&f, "ada", 1), 0);
    /* Granted by the same commit: it has a word in it. */
    grant(&f, "true", ",\"config.read:/interfaces\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "validate", "{}"), ORB_E_SCHEMA);
    ck_assert_str_eq(f.err.path, "/interfaces/lan0");
    ck_assert_msg(strstr(f.err.text, "used by /guest/link"), "%s", f.err.text);
    grant(&f, "false", ",\"config.read:/interfaces\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "validate", "{}"), 0);
    fake_commit(&f);
    /* Enabled again with a reference that points nowhere. */
    fake_set(&f, "/services/guest/enabled", "true");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_SCHEMA);
    ck_assert_str_eq(f.err.path, "/guest/link");
    fake_set(&f, "/guest/link", "\"lan1\"");
    fake_commit(&f);
    /* Less is granted, with the name still there: nothing looks any more. */
    grant(&f, "true", "");
    fake_commit(&f);
    fake_free(&f);
}

TEST(who_may_not_read_a_reference_is_told_whose_it_is)
{
    struct fake f;

    world(&f, ",\"config.read:/interfaces\"");
    fake_set(&f, "/guest/link", "\"lan0\"");
    fake_commit(&f);
    ck_assert_int_eq(drop_lan0(&f, "service:guest", 1001), ORB_E_SCHEMA);
    ck_assert_msg(strstr(f.err.text, "used by the configuration of guest"), "%s", f.err.text);
    fake_ask(&f, "service:guest", 1001, "discard", "{}");
    ck_assert_int_eq(fake_ask(&f, "service:guest", 1001, "edit",
                              "{\"ops\":[{\"op\":\"delete\",\"path\":\"/interfaces\"}]}"),
                     0);
    ck_assert_int_eq(fake_ask(&f, "service:guest", 1001, "validate", "{}"), ORB_E_SCHEMA);
    ck_assert_str_eq(f.err.path, "/interfaces");
    ck_assert_msg(strstr(f.err.text, "used by the configuration of"), "%s", f.err.text);
    ck_assert_msg(!strstr(f.err.text, "zones"), "%s", f.err.text);
    fake_free(&f);
}

TEST(shipped_packages_refer_as_before_and_not_when_disabled)
{
    struct fake f;

    world(&f, "");
    fake_set(&f, "/firewall/zones/inside/interfaces", "[\"lan0\"]");
    fake_commit(&f);
    ck_assert_int_eq(drop_lan0(&f, "ada", 1), ORB_E_SCHEMA);
    ck_assert_msg(strstr(f.err.text, "/firewall/zones/inside/interfaces/0"), "%s", f.err.text);
    fake_set(&f, "/services/firewall/enabled", "false");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "validate", "{}"), 0);
    fake_free(&f);
}
