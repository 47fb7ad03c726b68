/* What all share has room for each: candidates, commits that wait, values read in slices. And the
 * names inside a secret are as secret as it is. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/candidate.h"
#include "plugins/config/dumps.h"
#include "plugins/config/grants.h"
#include "plugins/config/read.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

TEST(candidates_of_services_leave_room_for_users)
{
    static const char *const grants[] = {"config.write:/interfaces", NULL};
    static const char in[] =
        "{\"ops\":[{\"op\":\"set\",\"path\":\"/interfaces/a\",\"value\":{\"mtu\":1400}}]}";
    struct fake f;
    char who[32];
    int r = 0;

    fake_new(&f);
    f.grants = grants;
    for (unsigned i = 0; i < 64; i++) {
        snprintf(who, sizeof(who), "service:s%u", i);
        r = fake_ask(&f, who, 2000 + i, "edit", "%s", in);
        ck_assert_int_eq(r, i < 32 ? 0 : ORB_E_LIMIT);
    }
    ck_assert_ptr_nonnull(strstr(f.err.text, "32 services have uncommitted changes"));
    for (unsigned i = 0; i < 25; i++) {
        snprintf(who, sizeof(who), "token:t%u", i);
        r = fake_ask(&f, who, 2500 + i, "edit", "%s", in);
        ck_assert_int_eq(r, i < 24 ? 0 : ORB_E_LIMIT);
    }
    for (unsigned i = 0; i < 9; i++) { /* the last ones are for users of this machine */
        snprintf(who, sizeof(who), "u%u", i);
        r = fake_ask(&f, who, 3000 + i, "edit", "%s", in);
        ck_assert_int_eq(r, i < 8 ? 0 : ORB_E_LIMIT);
    }
    fake_free(&f);
}

/* Sets so many descriptions of 100 kB, the numbers of which begin at first; the last error. */
static int set_long(struct fake *f, const char *who, uint32_t peer, unsigned first, unsigned count)
{
    AUTO_FREE char *text = xcalloc(1, 100001);
    int r = 0;

    memset(text, 'x', 100000);
    for (unsigned i = 0; i < count && r == 0; i++)
        r = fake_ask(f, who, peer, "edit",
                     "{\"ops\":[{\"op\":\"set\",\"path\":\"/interfaces/i%u\",\"value\":"
                     "{\"description\":\"%s\"}}]}",
                     first + i, text);
    return r;
}

TEST(uncommitted_changes_have_a_limit_of_bytes)
{
    static const char *const grants[] = {"config.write:/interfaces", NULL};
    struct fake f;
    char who[32];

    fake_new(&f);
    f.grants = grants;
    ck_assert_int_eq(set_long(&f, "service:a", 1, 0, 1000), ORB_E_LIMIT);
    ck_assert_str_eq(f.err.path, "/interfaces/i41");
    ck_assert_ptr_nonnull(strstr(f.err.text, "at most 4194304: commit or discard"));
    ck_assert_int_eq(set_long(&f, "service:a", 1, 41, 1), ORB_E_LIMIT);
    /* What is set again takes no more room: it is counted anew. */
    ck_assert_int_eq(fake_ask(&f, "service:a", 1, "discard", "{}"), 0);
    for (unsigned i = 0; i < 30; i++)
        ck_assert_int_eq(set_long(&f, "service:a", 1, 0, 10), 0);
    /* All services together leave room for users. */
    ck_assert_int_eq(set_long(&f, "service:a", 1, 10, 30), 0);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(who, sizeof(who), "service:b%u", i);
        if (set_long(&f, who, 10 + i, 0, 41) < 0)
            break;
    }
    ck_assert_ptr_nonnull(strstr(f.err.text, "of all services"));
    ck_assert_ptr_nonnull(strstr(f.err.text, "at most 33554432"));
    /* One that has less than its part has room all the same. */
    ck_assert_int_eq(set_long(&f, "service:last", 40, 0, 10), 0);
    ck_assert_int_eq(set_long(&f, "service:last", 40, 10, 1), ORB_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(f.err.text, "or 1048576 of yours"));
    ck_assert_int_eq(set_long(&f, "ada", 99, 0, 10), 0);
    /* None of a request that does not fit is done. */
    ck_assert_int_eq(fake_ask(&f, "service:a", 1, "discard", "{}"), 0);
    ck_assert_int_eq(fake_ask(&f, "service:a", 1, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/interfaces/a\",\"value\":{}},"
                              "{\"op\":\"set\",\"path\":\"/interfaces/b\",\"value\":7}]}"),
                     ORB_E_SCHEMA);
    ck_assert_int_eq(fake_ask(&f, "service:a", 1, "validate", "{}"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(f.reply, "changes")), 0);
    fake_free(&f);
}

TEST(a_service_has_so_many_uncommitted_changes)
{
    static const char *const grants[] = {"config.write:/interfaces", NULL};
    struct fake f;

    fake_new(&f);
    f.grants = grants;
    for (unsigned n = 0; n < 4096; n += 128) {
        AUTO(buf) struct buf ops = {0};

        for (unsigned i = n; i < n + 128; i++)
            buf_addf(&ops, "%s{\"op\":\"set\",\"path\":\"/interfaces/i%u\",\"value\":{}}",
                     i == n ? "" : ",", i);
        ck_assert_int_eq(fake_ask(&f, "service:a", 1, "edit", "{\"ops\":[%s]}", buf_str(&ops)), 0);
    }
    ck_assert_int_eq(set_long(&f, "service:a", 1, 4096, 1), ORB_E_LIMIT);
    ck_assert_ptr_nonnull(
        strstr(f.err.text, "4096 uncommitted changes; at most 4096 of a service"));
    ck_assert_int_eq(set_long(&f, "service:a", 1, 4095, 1), 0); /* one that is there */
    fake_free(&f);
}

/* A service answers no prepare, so that commits wait. */
TEST(a_user_who_commits_again_and_again_keeps_no_other_from_a_commit)
{
    struct fake_service *slow;
    struct fake f;

    fake_new(&f);
    slow = fake_service(&f, "interfaces", "/interfaces");
    slow->mode[FAKE_PREPARE] = FAKE_SILENT;
    fake_set(&f, "/interfaces/a", "{\"mtu\":1400}");
    for (unsigned i = 0; i < 9; i++) { /* one is on its way and eight wait */
        fake_send(&f, "ada", 1, "commit", "{}");
        ck_assert(!f.answered);
    }
    fake_send(&f, "ada", 1, "commit", "{}");
    ck_assert(f.answered);
    ck_assert_int_eq(f.err.code, ORB_E_BUSY);
    ck_assert_ptr_nonnull(strstr(f.err.text, "8 commits of ada are waiting already"));
    fake_send(&f, "bob", 2, "commit", "{}");
    ck_assert(!f.answered);
    fake_free(&f);
}

static const char first[] = "{\"path\":\"/system\",\"offset\":0}";
static const char next[] = "{\"path\":\"/system\",\"offset\":131072}";

/* As one text /system is longer than a slice. */
static void long_system(struct fake *f)
{
    AUTO(buf) struct buf users = {0};

    fake_new(f);
    buf_addc(&users, '[');
    for (unsigned i = 0; i < 9000; i++)
        buf_addf(&users, "%s{\"name\":\"user-number-%u\"}", i ? "," : "", i);
    buf_addc(&users, ']');
    fake_set(f, "/system/users", buf_str(&users));
    fake_commit(f);
}

TEST(a_value_read_in_slices_takes_the_place_of_one_of_who_reads_most)
{
    struct fake f;

    long_system(&f);
    ck_assert_int_eq(fake_ask(&f, "bob", 50, "get-part", "%s", first), 0);
    for (unsigned i = 0; i < 40; i++)
        ck_assert_int_eq(fake_ask(&f, "ada", 100 + i, "get-part", "%s", first), 0);
    ck_assert_int_eq(fake_ask(&f, "bob", 50, "get-part", "%s", next), 0);
    ck_assert_int_eq(fake_ask(&f, "ada", 139, "get-part", "%s", next), 0);
    ck_assert_int_eq(fake_ask(&f, "ada", 100, "get-part", "%s", next), ORB_E_STATE);
    fake_free(&f);
}

/* As many identities as there are places, and more: none ends what another one reads. */
TEST(many_who_read_in_slices_leave_each_other_theirs)
{
    struct fake f;
    char who[32];

    long_system(&f);
    for (unsigned i = 0; i < ENGINE_MAX_DUMPS; i++) {
        snprintf(who, sizeof(who), "u%u", i);
        ck_assert_int_eq(fake_ask(&f, who, 100 + i, "get-part", "%s", first), 0);
    }
    ck_assert_int_eq(fake_ask(&f, "one-more", 99, "get-part", "%s", first), ORB_E_BUSY);
    for (unsigned i = 0; i < ENGINE_MAX_DUMPS; i += 2) {
        snprintf(who, sizeof(who), "u%u", i);
        ck_assert_int_eq(fake_ask(&f, who, 100 + i, "get-part", "%s", next), 0);
    }
    ck_assert_int_eq(fake_ask(&f, "one-more", 99, "get-part", "%s", first), 0);
    /* An identity with many connections loses its own. */
    for (unsigned i = 0; i < 200; i++)
        ck_assert_int_eq(fake_ask(&f, "ada", 1000 + i, "get-part", "%s", first), 0);
    ck_assert_int_eq(fake_ask(&f, "u1", 101, "get-part", "%s", next), 0);
    /* A value that is not read further is dropped when there is no room. */
    for (unsigned i = 0; i < ENGINE_MAX_DUMPS; i++) {
        snprintf(who, sizeof(who), "v%u", i);
        fake_ask(&f, who, 2000 + i, "get-part", "%s", first);
    }
    f.now += ENGINE_DUMP_IDLE_MS;
    ck_assert_int_eq(fake_ask(&f, "late", 98, "get-part", "%s", first), 0);
    fake_free(&f);
}

static void on_soon(void *arg)
{
}

static void edit_zone(struct fake *f, const char *user, uint32_t peer, unsigned zone)
{
    ck_assert_int_eq(fake_ask(f, user, peer, "edit",
                              "{\"ops\":[{\"op\":\"delete\",\"path\":\"/firewall/zones/z%u\"}]}",
                              zone),
                     0);
}

/* As many commits as its candidate had a version, and the candidate among them. */
TEST(a_value_read_in_slices_is_begun_anew_when_its_candidate_is_committed)
{
    static const char *const users[] = {"eve", "bob", "ada"};
    struct engine_caller caller = {.peer = 3, .name = "ada"};
    AUTO(json_t)
    json_t *in = json_pack("{ssssso}", "source", "candidate", "path", "/firewall/zones", "offset",
                           json_integer(0));
    AUTO(buf) struct buf zones = {0};
    struct read *read = NULL;
    struct ask ask;
    struct fake f;

    fake_new(&f);
    buf_addc(&zones, '{');
    for (unsigned i = 0; i < 300; i++)
        buf_addf(&zones, "%s\"z%u\":{}", i ? "," : "", i);
    buf_addc(&zones, '}');
    fake_set(&f, "/firewall/zones", buf_str(&zones));
    fake_commit(&f);
    for (unsigned i = 0; i < 3; i++)
        edit_zone(&f, users[i], i + 1, i);
    ask = (struct ask){.engine = f.engine, .caller = &caller, .in = in, .read = &read};
    grants_identity(&caller, ask.who, sizeof(ask.who));
    candidate_find(f.engine, ask.who)->version = 3;
    f.engine->host.soon = on_soon;
    f.engine->requests.until_us = 0; /* each slice is over at once */
    dumps_get_part(&ask);
    ck_assert(ask.more && read->dumping && !read->restarts);
    f.engine->host.soon = NULL;
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(fake_ask(&f, users[i], i + 1, "commit", "{}"), 0);
    f.engine->host.soon = on_soon;
    f.engine->requests.until_us = 0;
    dumps_get_part(&ask);
    ck_assert(ask.more);
    ck_assert_uint_eq(read->restarts, 1);
    f.engine->host.soon = NULL;
    read_free(read);
    fake_free(&f);
}

/* ---- names inside a secret ---- */

static void has_none(struct fake *f, const char *where)
{
    ck_assert_msg(!strstr(buf_str(&f->text), "hidden-"), "%s: %s", where, buf_str(&f->text));
    ck_assert_msg(!strstr(f->err.text, "hidden-") && !strstr(f->err.path, "hidden-"), "%s: %s %s",
                  where, f->err.path, f->err.text);
}

TEST(names_inside_a_secret_are_not_shown)
{
    static const char *const looks[][2] = {
        {"get", "{\"path\":\"/system\"}"},
        {"diff", "{}"},
        {"diff", "{\"from\":0}"},
        {"diff", "{\"from\":1,\"to\":2}"},
        {"schema", "{\"path\":\"/system/vault\"}"},
        {"history", "{}"},
    };
    struct fake f;

    fake_new(&f);
    fake_set(&f, "/system", "{\"hostname\":\"box\",\"vault\":{\"hidden-1\":\"a\"}}");
    fake_commit(&f);
    fake_set(&f, "/system/vault/hidden-2", "\"b\"");
    fake_commit(&f);
    fake_set(&f, "/system/vault/hidden-3", "\"c\"");
    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        ck_assert_int_eq(fake_ask(&f, "bob", 2, looks[i][0], "%s", looks[i][1]), 0);
        has_none(&f, looks[i][1]);
        ck_assert_int_eq(fake_ask(&f, "ada", 1, looks[i][0], "%s", looks[i][1]), 0);
        has_none(&f, looks[i][1]);
    }
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "diff", "{}"), 0);
    ck_assert_str_eq(buf_str(&f.text),
                     "{\"changes\":[{\"old\":\"********\",\"op\":\"set\",\"path\":"
                     "\"/system/vault\",\"value\":\"********\"}],\"count\":1}");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/vault\",\"value\":"
                              "{\"hidden-4\":\"far too long\"}}]}"),
                     ORB_E_SCHEMA);
    has_none(&f, "a value that does not fit");
    ck_assert_str_eq(f.err.path, "/system/vault");
    ck_assert_ptr_null(strstr(buf_str(&f.logged), "hidden-"));
    fake_free(&f);
}

/* One answer for a name that is there and one that is not, for users and for services. */
TEST(nothing_reveals_whether_a_name_inside_a_secret_exists)
{
    static const char *const there[] = {"/system/vault/hidden-1", "/system/vault/nothing",
                                        "/system/password/deeper"};
    struct fake_service *s;
    struct fake f;

    fake_new(&f);
    fake_set(&f, "/system",
             "{\"hostname\":\"box\",\"password\":\"geheim-1\",\"vault\":{\"hidden-1\":\"a\"}}");
    fake_commit(&f);
    for (size_t i = 0; i < ARRAY_LEN(there); i++) {
        const char *value;

        ck_assert_int_eq(fake_ask(&f, "bob", 2, "get", "{\"path\":\"%s\"}", there[i]), 0);
        value = json_string_value(json_object_get(f.reply, "value"));
        ck_assert_msg(value && !strcmp(value, "********"), "%s: %s", there[i], buf_str(&f.text));
        ck_assert_int_eq(
            fake_ask(&f, "bob", 2, "get-part", "{\"offset\":0,\"path\":\"%s\"}", there[i]), 0);
        ck_assert_ptr_nonnull(strstr(buf_str(&f.text), "********"));
    }
    for (size_t i = 0; i < 2; i++) {
        s = fake_service(&f, i ? "firewall" : "system", there[i]);
        ck_assert_ptr_nonnull(s);
        ck_assert_msg(strstr(buf_str(&f.text), "********"), "%s: %s", there[i], buf_str(&f.text));
    }
    fake_free(&f);
}

TEST(conflicts_inside_a_secret_name_the_secret_only)
{
    struct fake f;

    fake_new(&f);
    fake_set(&f, "/system/vault", "{\"hidden-1\":\"a\"}");
    fake_commit(&f);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/vault/hidden-1\","
                              "\"value\":\"b\"}]}"),
                     0);
    fake_set(&f, "/system/vault/hidden-1", "\"c\"");
    fake_commit(&f);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "commit", "{}"), ORB_E_CONFLICT);
    has_none(&f, "conflict");
    ck_assert_ptr_nonnull(strstr(f.err.text, "/system/vault (revision"));
    fake_free(&f);
}

/* A service that sees no secrets has one mask in the place of the object: a patch inside it would
 * fit nothing it has. */
TEST(changes_inside_a_secret_are_none_for_who_does_not_see_it)
{
    struct fake_service *s;
    struct fake f;

    fake_new(&f);
    fake_set(&f, "/system", "{\"hostname\":\"box\",\"vault\":{\"hidden-1\":\"a\"}}");
    fake_commit(&f);
    s = fake_service(&f, "system", "/system");
    ck_assert_ptr_nonnull(s);
    buf_clear(&f.trace);
    fake_set(&f, "/system/vault/hidden-2", "\"b\"");
    fake_commit(&f);
    ck_assert_str_eq(buf_str(&f.trace), "");
    fake_set(&f, "/system/vault/hidden-3", "\"c\"");
    fake_set(&f, "/system/hostname", "\"new\"");
    fake_commit(&f);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.sent), "\"new\""));
    ck_assert_ptr_null(strstr(buf_str(&f.sent), "hidden-"));
    fake_free(&f);
}
