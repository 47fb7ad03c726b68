/* Plans as text and hash. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/launch.h"
#include "test/lib/harness.h"

static struct launch_plan sample(void)
{
    struct launch_plan plan = {.service = "web",
                               .instance = "t",
                               .uid = 60001,
                               .files = 64,
                               .threads = 4,
                               .memory_bytes = 1 << 20,
                               .min_tier = 2,
                               .bind_count = 1};

    plan.package_dir = xstrdup("/usr/lib/orbital/web");
    plan.library = xstrdup("lib/web.so");
    plan.binds[0] = (struct launch_bind){.name = "http", .address = "::1", .port = 80};
    return plan;
}

static int fill(const struct launch_plan *plan, struct orb_err *err)
{
    AUTO_FREE struct launch *record = xcalloc(1, sizeof(*record));

    return launch_plan_record(plan, 2, record, err);
}

TEST(equal_plans_have_equal_text_and_hash)
{
    struct launch_plan a = sample(), b = sample();
    AUTO(buf) struct buf text = {0}, again = {0};
    struct json_write w = json_write_to(&text), w_again = json_write_to(&again);

    launch_plan_seal(&a);
    launch_plan_seal(&b);
    launch_plan_describe(&a, &w, NULL);
    launch_plan_describe(&b, &w_again, NULL);
    ck_assert_str_eq(buf_str(&text), buf_str(&again));
    ck_assert_str_eq(a.hash, b.hash);
    ck_assert_uint_eq(strlen(a.hash), 64);
    launch_plan_seal(&a); /* the hash is not part of what is hashed */
    ck_assert_str_eq(a.hash, b.hash);
    launch_plan_fini(&a);
    launch_plan_fini(&b);
}

TEST(every_right_changes_the_hash)
{
    struct launch_plan a = sample(), b = sample();

    launch_plan_seal(&a);
#define CHANGES(statement)                                                                         \
    do {                                                                                           \
        struct launch_plan c = b;                                                                  \
        statement;                                                                                 \
        launch_plan_seal(&c);                                                                      \
        ck_assert_str_ne(a.hash, c.hash);                                                          \
    } while (0)
    CHANGES(c.uid++);
    CHANGES(c.host_net = true);
    CHANGES(c.netlink = true);
    CHANGES(c.observe_net = true);
    CHANGES(c.kernel_caps = 4096);
    CHANGES(c.binds[0].port = 81);
    CHANGES(c.binds[0].udp = true);
    CHANGES(c.bind_count = 0);
    CHANGES(c.memory_bytes++);
    CHANGES(c.files++);
    CHANGES(c.threads++);
    CHANGES(c.min_tier = 1);
    launch_plan_fini(&a);
    launch_plan_fini(&b);
}

TEST(only_listed_libraries_may_be_named)
{
    struct launch_plan plan = sample();
    struct orb_err err = {0};

    ck_assert(launch_plan_library_allowed("libnl-3.so.200"));
    ck_assert(!launch_plan_library_allowed("libpython3.11.so.1.0"));
    ck_assert_int_eq(fill(&plan, &err), 0);
    plan.libraries[plan.library_count++] = xstrdup("/tmp/evil.so");
    ck_assert_int_eq(fill(&plan, &err), ORB_E_DENIED);
    ck_assert_ptr_nonnull(strstr(err.text, "/tmp/evil.so"));
    launch_plan_fini(&plan);
}

TEST(a_plan_for_root_or_outside_its_package_is_refused)
{
    struct launch_plan plan = sample();
    struct orb_err err = {0};

    plan.uid = 0;
    ck_assert_int_eq(fill(&plan, &err), ORB_E_INVALID);
    plan.uid = 1;
    free(plan.library);
    plan.library = xstrdup("../other/lib.so");
    ck_assert_int_eq(fill(&plan, &err), ORB_E_INVALID);
    launch_plan_fini(&plan);
}

TEST(an_overlong_path_is_refused_not_cut)
{
    struct launch_plan plan = sample();
    struct orb_err err = {0};

    free(plan.package_dir);
    plan.package_dir = xcalloc(1, 5000);
    memset(plan.package_dir, 'a', 4999);
    plan.package_dir[0] = '/';
    ck_assert_int_eq(fill(&plan, &err), ORB_E_LIMIT);
    launch_plan_fini(&plan);
}
