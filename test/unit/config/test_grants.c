/* Authority: a service gets what the broker reports as granted, a caller is its kind and name, and
 * no service delays a commit that is about itself. */
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

static const char *const on_guest[] = {"config.read:/interfaces", NULL};

/* guest is of a third party, may read /interfaces and is attached to it. */
static struct fake_service *world(struct fake *f)
{
    fake_new(f);
    fake_set(f, "/services/guest",
             "{\"enabled\":true,\"grants\":[\"config.read:/interfaces\",\"config.read:/system\"]}");
    fake_set(f, "/interfaces/lan0", "{\"description\":\"x\"}");
    fake_set(f, "/firewall/zones/inside", "{\"interfaces\":[\"lan0\"]}");
    fake_set(f, "/system", "{\"hostname\":\"box\",\"password\":\"geheim-1\"}");
    fake_commit(f);
    f->grants = on_guest;
    return fake_service(f, "guest", "/interfaces");
}

static void refused(struct fake *f, const char *method, const char *in, const char *words)
{
    ck_assert_int_eq(fake_ask(f, "service:guest", 1001, method, "%s", in), ORB_E_DENIED);
    ck_assert_msg(strstr(f->err.text, words), "%s %s: %s", method, in, f->err.text);
}

TEST(attach_is_refused_outside_the_granted_subtrees)
{
    static const char *const outside[] = {"/",
                                          "",
                                          "/services",
                                          "/system",
                                          "/interface",
                                          "/interfacesx",
                                          "/interfaces~1",
                                          "/firewall/zones/interfaces"};
    struct fake f;

    world(&f);
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        AUTO_FREE char *in = buf_format("{\"paths\":[\"/interfaces\",\"%s\"]}", outside[i]);

        refused(&f, "attach", in, "config.read:");
        ck_assert(!f.reply);
    }
    refused(&f, "attach", "{\"paths\":[\"/interfaces/../system\",\"/x\"]}", "config.read:/x");
    ck_assert_int_eq(
        fake_ask(&f, "service:guest", 1001, "attach", "{\"paths\":[\"/interfaces/lan0\"]}"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(f.reply, "data")),
                     "{\"interfaces\":{\"lan0\":{\"description\":\"x\"}}}");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "attach", "{\"paths\":[]}"), ORB_E_DENIED);
    fake_free(&f);
}

TEST(what_is_configured_binds_a_process_that_was_granted_more_before)
{
    struct fake f;

    world(&f);
    fake_set(&f, "/services/guest/grants", "[\"config.read:/system\"]");
    fake_commit(&f);
    refused(&f, "attach", "{\"paths\":[\"/interfaces\"]}", "grants of guest have changed");
    fake_set(&f, "/services/guest/grants", "[\"config.read:/interfaces\"]");
    fake_commit(&f);
    ck_assert_int_eq(fake_ask(&f, "service:guest", 1001, "attach", "{\"paths\":[\"/interfaces\"]}"),
                     0);
    fake_free(&f);
}

TEST(reading_methods_show_a_service_what_it_may_read)
{
    static const char *const reads[] = {"get", "get-part"};
    static const char *const outside[] = {"", "/", "/system/hostname", "/firewall"};
    struct fake f;

    world(&f);
    for (size_t m = 0; m < ARRAY_LEN(reads); m++)
        for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
            AUTO_FREE char *in =
                buf_format("{\"path\":\"%s\"%s}", outside[i], m ? ",\"offset\":0" : "");
            AUTO_FREE char *old = buf_format("{\"path\":\"%s\",\"revision\":0%s}", outside[i],
                                             m ? ",\"offset\":0" : "");

            refused(&f, reads[m], in, "config.read:");
            refused(&f, reads[m], old, "config.read:");
        }
    ck_assert_int_eq(fake_ask(&f, "service:guest", 1001, "get", "{\"path\":\"/interfaces/lan0\"}"),
                     0);
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/value/description")), "x");
    ck_assert_int_eq(fake_ask(&f, "service:guest", 1001, "diff", "{\"from\":0}"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "changes")), 1);
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/changes/0/path")), "/interfaces");
    ck_assert_int_eq(
        fake_ask(&f, "service:guest", 1001, "schema", "{\"path\":\"/firewall/zones\"}"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "names")), 0);
    ck_assert_int_eq(fake_ask(&f, "service:guest", 1001, "schema", "{\"path\":\"/interfaces\"}"),
                     0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "names")), 1);
    fake_free(&f);
}

TEST(history_and_subscribers_are_a_services_own)
{
    struct fake f;

    world(&f);
    fake_service(&f, "firewall", "/firewall");
    fake_set(&f, "/system/hostname", "\"other\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"comment\":\"geheim\"}"), 0);
    fake_set(&f, "/interfaces/lan0/mtu", "1400");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"comment\":\"geheim\"}"), 0);
    ck_assert_int_eq(fake_ask(&f, "service:guest", 1001, "history", "{}"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "entries")), 2);
    ck_assert_int_eq(json_integer_value(tree_get(f.reply, "/entries/0/revision")), 3);
    ck_assert_int_eq(json_integer_value(tree_get(f.reply, "/entries/0/changes")), 1);
    ck_assert_ptr_null(strstr(buf_str(&f.text), "geheim"));
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/entries/0/user")), "");
    ck_assert_int_eq(fake_ask(&f, "service:guest", 1001, "subscribers", "{}"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "subscribers")), 1);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "history", "{}"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "entries")), 3);
    fake_free(&f);
}

static struct fake_service *reader_of_system(struct fake *f, const char *more)
{
    struct fake_service *s;

    fake_new(f);
    fake_set(f, "/system", "{\"hostname\":\"box\",\"password\":\"geheim-1\"}");
    fake_commit(f);
    s = fake_service(f, "system", "/system");
    snprintf(s->secret, sizeof(s->secret), "%s", more);
    fake_attach(f, s);
    return s;
}

TEST(secrets_are_seen_below_config_secret_only)
{
    static const struct {
        const char *grant;
        bool sees;
    } rows[] = {{"", false},
                {"config.secret:/interfaces", false},
                {"config.secret:/system/hostname", false},
                {"config.secret:/system/password", true},
                {"config.secret:/", true}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake f;
        const char *sent;

        reader_of_system(&f, rows[i].grant);
        ck_assert(rows[i].sees == (strstr(buf_str(&f.text), "geheim-1") != NULL));
        fake_set(&f, "/system", "{\"hostname\":\"new\",\"password\":\"geheim-2\"}");
        fake_send(&f, "ada", 1, "commit", "{\"dry-run\":true}"); /* answered by fake_pump */
        ck_assert_int_eq(f.err.code, 0);
        ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "system.prepare"));
        sent = buf_str(&f.sent);
        ck_assert(rows[i].sees == (strstr(sent, "geheim-2") != NULL));
        ck_assert(rows[i].sees == (strstr(sent, "geheim-1") != NULL));
        ck_assert_ptr_nonnull(strstr(sent, "new"));
        fake_free(&f);
    }
}

TEST(a_secret_inside_a_secret_object_is_seen_by_who_was_granted_that_one)
{
    struct fake_service *s;
    struct fake f;

    fake_new(&f);
    fake_set(&f, "/system", "{\"hostname\":\"box\",\"vault\":{\"beside\":\"geheim-1\"}}");
    fake_commit(&f);
    s = fake_service(&f, "system", "/system");
    snprintf(s->secret, sizeof(s->secret), "config.secret:/system/vault/key");
    fake_attach(&f, s);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.text), "\\\"vault\\\":{}"));
    fake_set(&f, "/system/vault/key", "\"geheim-2\"");
    fake_set(&f, "/system/vault/beside", "\"geheim-3\"");
    fake_commit(&f);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.sent), "/system/vault/key"));
    ck_assert_ptr_nonnull(strstr(buf_str(&f.sent), "geheim-2"));
    ck_assert_ptr_null(strstr(buf_str(&f.sent), "geheim-3"));
    ck_assert_ptr_null(strstr(buf_str(&f.sent), "beside"));
    fake_attach(&f, s);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.text), "\\\"vault\\\":{\\\"key\\\":\\\"geheim-2\\\"}"));
    fake_set(&f, "/system/vault", "{\"key\":\"geheim-2\",\"beside\":\"geheim-4\"}");
    buf_clear(&f.trace);
    fake_commit(&f); /* about no path it may read */
    ck_assert_str_eq(buf_str(&f.trace), "");
    fake_set(&f, "/system/vault", "{\"key\":\"geheim-5\",\"beside\":\"geheim-6\"}");
    fake_commit(&f);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.sent), "geheim-5"));
    ck_assert_ptr_null(strstr(buf_str(&f.sent), "geheim-6"));
    fake_free(&f);
}

/* Old and new secrets, in plans and in refusals, but not what only looks a little like one. */
TEST(users_read_no_secret_in_what_a_service_reports)
{
    static const enum fake_mode modes[] = {FAKE_OK, FAKE_ERROR};

    for (size_t i = 0; i < ARRAY_LEN(modes) * 3; i++) {
        enum fake_phase phase = i / 3 ? FAKE_APPLY : FAKE_PREPARE;
        struct fake_service *s;
        struct fake f;
        const char *printed;

        s = reader_of_system(&f, "config.secret:/system");
        snprintf(s->words, sizeof(s->words), "from geheim-1 to xgeheim-2x, geheim, box");
        s->mode[phase] = modes[i % 2];
        fake_set(&f, "/system",
                 i % 3 == 2 ? "{\"hostname\":\"new\",\"password\":\"geheim-1\"}"
                            : "{\"hostname\":\"new\",\"password\":\"geheim-2\"}");
        fake_send(&f, "ada", 1, "commit", "{}");
        printed = modes[i % 2] == FAKE_OK ? json_string_value(tree_get(f.reply, "/plan/0/text"))
                                          : f.err.text;
        ck_assert_ptr_nonnull(printed);
        ck_assert_msg(strstr(printed, i % 3 == 2 ? "from ******** to xgeheim-2x, geheim, box"
                                                 : "from ******** to x********x, geheim, box"),
                      "%s", printed);
        ck_assert_ptr_null(strstr(buf_str(&f.logged), "geheim-1"));
        fake_free(&f);
    }
}

TEST(a_change_of_a_secret_is_none_for_who_does_not_see_it)
{
    struct fake f;

    reader_of_system(&f, "");
    fake_set(&f, "/system/password", "\"geheim-2\"");
    buf_clear(&f.trace);
    fake_commit(&f);
    ck_assert_str_eq(buf_str(&f.trace), "");
    fake_free(&f);
}

TEST(a_service_edits_below_config_write_and_commits_nothing_else)
{
    static const char *const writes[] = {"config.read:/interfaces", "config.write:/interfaces/lan0",
                                         NULL};
    static const char *const blind[] = {"config.write:/firewall", NULL};
    static const char *const outside[] = {"/system/hostname", "/interfaces", "/interfaces/lan1", "",
                                          "/"};
    static const char *const users[][2] = {
        {"load-part", "{\"offset\":0,\"data\":\"{}\",\"last\":true,\"mode\":\"replace\"}"},
        {"confirm", "{}"},
        {"rollback", "{\"n\":1}"},
        {"lock", "{}"},
        {"unlock", "{\"force\":true}"},
        {"salvage", "{}"},
        {"salvage-accept", "{}"}};
    struct fake f;

    world(&f);
    f.grants = writes;
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        AUTO_FREE char *in =
            buf_format("{\"ops\":[{\"op\":\"merge\",\"path\":\"%s\",\"value\":{}}]}", outside[i]);

        refused(&f, "edit", in, "config.write:");
    }
    refused(&f, "edit", "{\"ops\":[{\"op\":\"delete\",\"path\":\"/services/guest\"}]}", "write");
    f.grants = blind; /* whether an element is there would be read from the answer */
    for (size_t i = 0; i < 2; i++) {
        AUTO_FREE char *in = buf_format("{\"ops\":[{\"op\":\"%s\",\"path\":\"/firewall/zones/lan/"
                                        "interfaces\",\"value\":\"lan0\"}]}",
                                        i ? "remove" : "add");

        refused(&f, "edit", in, "config.read:/firewall/zones/lan/interfaces");
    }
    f.grants = writes;
    refused(
        &f, "edit",
        "{\"replace\":true,\"ops\":[{\"op\":\"set\",\"path\":\"/interfaces/lan0\",\"value\":{}}]"
        "}",
        "config.write:/");
    for (size_t i = 0; i < ARRAY_LEN(users); i++)
        refused(&f, users[i][0], users[i][1], "is for users");
    ck_assert_int_eq(fake_ask(&f, "service:guest", 1001, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/interfaces/lan0/mtu\","
                              "\"value\":1300}]}"),
                     0);
    f.grants = on_guest; /* taken away meanwhile */
    refused(&f, "commit", "{}", "config.write:/interfaces/lan0/mtu");
    f.grants = writes;
    ck_assert_int_eq(fake_ask(&f, "service:guest", 1001, "commit", "{}"), 0);
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "1300"));
    fake_free(&f);
}

/* ---- commits about the service itself ---- */

TEST(a_service_cannot_hold_up_what_ends_it_or_takes_from_it)
{
    static const char *const values[][2] = {{"/services/guest/enabled", "false"},
                                            {"/services/guest/grants", "[]"},
                                            {"/services/guest/grants", "[\"config.read:/system\"]"},
                                            {"/services/guest/limits", "{\"memory\":1}"},
                                            {"/services/guest", "{}"},
                                            {"/services", "{}"}};
    static const enum fake_mode modes[] = {FAKE_ERROR, FAKE_SILENT, FAKE_TIMEOUT, FAKE_GONE};

    for (size_t i = 0; i < ARRAY_LEN(values) * ARRAY_LEN(modes); i++) {
        const char *const *change = values[i / ARRAY_LEN(modes)];
        struct fake f;
        struct fake_service *guest = world(&f);
        bool ends = strcmp(change[0], "/services/guest/limits");

        guest->mode[FAKE_PREPARE] = guest->mode[FAKE_APPLY] = modes[i % ARRAY_LEN(modes)];
        fake_set(&f, "/interfaces/lan0/mtu", "1400"); /* it reads this */
        fake_set(&f, change[0], change[1]);
        buf_clear(&f.trace);
        fake_commit(&f);
        ck_assert_ptr_null(strstr(buf_str(&f.trace), "guest."));
        ck_assert(ends == !strstr(buf_str(&f.trace), "service-restart({\"name\":\"guest\"})"));
        ck_assert_str_eq(json_string_value(tree_get(f.reply, "/plan/0/service")), "guest");
        /* Until the host has ended the process it is not called either. */
        fake_set(&f, "/interfaces/lan0/mtu", "1401");
        if (ends)
            fake_commit(&f);
        ck_assert_ptr_null(strstr(buf_str(&f.trace), "guest.prepare "));
        fake_free(&f);
    }
}

TEST(a_commit_that_gives_more_is_asked_for_as_any_other)
{
    struct fake f;
    struct fake_service *guest = world(&f);

    guest->mode[FAKE_PREPARE] = FAKE_ERROR;
    fake_set(&f, "/interfaces/lan0/mtu", "1400");
    fake_set(&f, "/services/guest/grants",
             "[\"fs.state\",\"config.read:/system\",\"config.read:/interfaces\"]");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), ORB_E_VETO);
    fake_free(&f);
}

static void spoil(struct fake *f, int code)
{
    static int mtu = 1000;
    AUTO_FREE char *value = buf_format("%d", mtu++);

    fake_set(f, "/interfaces/lan0/mtu", value);
    fake_send(f, "ada", 1, "commit", "{}");
    for (int i = 0; !f->answered && i < 100; i++)
        fake_advance(f, 500);
    ck_assert_int_eq(f->err.code, code);
}

TEST(one_that_spoils_each_commit_is_left_out_and_it_is_reported)
{
    static const struct {
        enum fake_phase phase;
        enum fake_mode mode;
        int code;
        int spoils; /* then commits have waited for it for too long, and go on without it */
    } rows[] = {{FAKE_PREPARE, FAKE_SILENT, ORB_E_DEADLINE, 3},
                {FAKE_APPLY, FAKE_SILENT, ORB_E_DEADLINE, 1},
                {FAKE_PREPARE, FAKE_GONE, ORB_E_GONE, 3},
                {FAKE_APPLY, FAKE_GONE, ORB_E_GONE, 3}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake f;
        struct fake_service *guest = world(&f);

        guest->mode[rows[i].phase] = rows[i].mode;
        for (int n = 0; n < rows[i].spoils; n++) {
            ck_assert_ptr_null(fake_problem(&f, "left-out:guest"));
            spoil(&f, rows[i].code);
            fake_attach(&f, guest);
        }
        if (rows[i].spoils < 3) {
            spoil(&f, 0);
            fake_attach(&f, guest);
        }
        ck_assert_ptr_nonnull(strstr(fake_problem(&f, "left-out:guest"), "guest is left out"));
        buf_clear(&f.trace);
        spoil(&f, 0);
        ck_assert_ptr_null(strstr(buf_str(&f.trace), "guest."));
        ck_assert_ptr_nonnull(strstr(buf_str(&f.trace), "service-restart({\"name\":\"guest\"})"));
        fake_attach(&f, guest);
        ck_assert_uint_eq(guest->revision, engine_revision(f.engine));
        /* Included again after a while: another failure does not fail the commit. */
        f.now += 600 * 1000;
        if (rows[i].phase == FAKE_PREPARE) {
            spoil(&f, 0);
            fake_attach(&f, guest);
            f.now += 1200 * 1000; /* twice as long the second time */
        }
        guest->mode[rows[i].phase] = FAKE_OK;
        spoil(&f, 0);
        ck_assert_ptr_null(fake_problem(&f, "left-out:guest"));
        fake_free(&f);
    }
}

/* It follows one of three, so that it never spoils three in a row. */
TEST(one_that_spoils_most_commits_is_left_out_as_well)
{
    struct fake f;
    struct fake_service *guest = world(&f);
    unsigned spoilt = 0;

    for (unsigned n = 0; n < 12 && !fake_problem(&f, "left-out:guest"); n++) {
        bool follows = n % 3 == 2;

        guest->mode[FAKE_PREPARE] = follows ? FAKE_OK : FAKE_GONE;
        spoil(&f, follows ? 0 : ORB_E_GONE);
        fake_attach(&f, guest);
        spoilt += !follows;
    }
    ck_assert_ptr_nonnull(fake_problem(&f, "left-out:guest"));
    ck_assert_uint_le(spoilt, 4);
    fake_free(&f);
}

/* A service that ends now and then continues to take part. */
TEST(one_spoilt_commit_among_many_is_forgotten)
{
    struct fake f;
    struct fake_service *guest = world(&f);

    for (unsigned n = 0; n < 24; n++) {
        bool follows = n % 4 != 3;

        guest->mode[FAKE_PREPARE] = follows ? FAKE_OK : FAKE_GONE;
        spoil(&f, follows ? 0 : ORB_E_GONE);
        fake_attach(&f, guest);
    }
    ck_assert_ptr_null(fake_problem(&f, "left-out:guest"));
    fake_free(&f);
}

/* ---- identities ---- */

TEST(a_token_and_a_service_named_as_a_user_are_others)
{
    static const char *const others[] = {"token:ada", "service:ada"};
    static const char *const all[] = {"config.read:/", "config.write:/", NULL};
    struct fake f;

    fake_new(&f);
    f.grants = all;
    fake_set(&f, "/system/hostname", "\"ada-s\"");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        ck_assert_int_eq(fake_ask(&f, others[i], 5, "diff", "{}"), 0);
        ck_assert_int_eq(json_integer_value(json_object_get(f.reply, "count")), 0);
        ck_assert_int_eq(fake_ask(&f, others[i], 5, "commit", "{}"), ORB_E_STATE);
        ck_assert_int_eq(fake_ask(&f, others[i], 5, "discard", "{}"), 0);
    }
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "lock", "{}"), 0);
    ck_assert_int_eq(fake_ask(&f, "token:ada", 5, "lock", "{}"), ORB_E_LOCKED);
    ck_assert_int_eq(fake_ask(&f, "token:ada", 5, "unlock", "{}"), ORB_E_LOCKED);
    fake_commit(&f);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "unlock", "{}"), 0);
    ck_assert_int_eq(fake_ask(&f, "token:ada", 5, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/hostname\",\"value\":"
                              "\"token-s\"}]}"),
                     0);
    fake_close(&f); /* each file is its owner's */
    fake_open(&f);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "diff", "{}"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(f.reply, "count")), 0);
    ck_assert_int_eq(fake_ask(&f, "token:ada", 5, "commit", "{}"), 0);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "history", "{}"), 0);
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/entries/0/user")), "token:ada");
    ck_assert_str_eq(json_string_value(tree_get(f.reply, "/entries/1/user")), "ada");
    fake_free(&f);
}

TEST(no_caller_passes_for_another_kind_or_for_the_service_itself)
{
    static const char *const names[] = {"token:kim", "service:config", "system", "user:kim"};
    struct fake f;

    fake_new(&f);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct engine_caller odd = {.peer = 5, .name = names[i]};
        AUTO_FREE char *in = buf_format("{\"ops\":[{\"op\":\"set\",\"path\":\"/system/hostname\","
                                        "\"value\":\"h%zu\"}]}",
                                        i);
        AUTO_FREE char *shown = buf_format("user:%s", names[i]);

        engine_request(f.engine, &odd, "edit", in, strlen(in), NULL);
        engine_request(f.engine, &odd, "commit", "{}", 2, NULL);
        fake_pump(&f);
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "history", "{}"), 0);
        ck_assert_str_eq(json_string_value(tree_get(f.reply, "/entries/0/user")), shown);
    }
    fake_free(&f);
}

TEST(the_file_of_an_older_version_is_the_local_users_and_it_is_reported)
{
    static const char line[] = "{\"user\":\"ada\"}\n"
                               "{\"base\":0,\"path\":\"/system/hostname\",\"value\":\"old\"}\n";
    struct fake f;
    FILE *file;

    fake_new(&f);
    fake_close(&f);
    {
        AUTO_FREE char *path = buf_format("%s/candidate-ada.ops", f.dir);

        file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fputs(line, file);
        fclose(file);
    }
    fake_open(&f);
    ck_assert_ptr_nonnull(strstr(buf_str(&f.logged), "config.candidate.taken-over user=ada"));
    ck_assert_int_eq(fake_ask(&f, "token:ada", 5, "commit", "{}"), ORB_E_STATE);
    buf_clear(&f.logged);
    fake_close(&f);
    fake_open(&f);
    ck_assert_ptr_null(strstr(buf_str(&f.logged), "taken-over"));
    fake_commit(&f);
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "old"));
    fake_free(&f);
}

TEST(a_session_that_was_open_and_silent_before_the_apply_proves_nothing)
{
    struct fake f;
    struct engine_caller early = {.peer = 900000, .name = "ada"}, late;

    fake_new(&f);
    early.opened_us = f.host.now_us(f.host.arg);
    fake_set(&f, "/system/hostname", "\"new\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{\"confirm-s\":60}"), 0);
    f.answered = false;
    f.method = NULL;
    engine_request(f.engine, &early, "confirm", "{}", 2, &f);
    ck_assert_int_eq(f.err.code, ORB_E_STATE);
    late = early;
    late.opened_us = f.host.now_us(f.host.arg);
    f.answered = false;
    f.err = (struct orb_err){0};
    engine_request(f.engine, &late, "confirm", "{}", 2, &f);
    ck_assert_int_eq(f.err.code, 0);
    fake_free(&f);
}
