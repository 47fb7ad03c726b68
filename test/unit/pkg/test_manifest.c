/* core/pkg: manifests, capabilities and the plans made of them. */
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/strings.h"
#include "core/base/xalloc.h"
#include "core/pkg/package.h"
#include "test/lib/harness.h"

#define MINIMAL "\"name\":\"a\",\"version\":\"1.0.0\",\"library\":\"lib/a.so\""

static int parse(const char *text, struct manifest *m, struct orb_err *err)
{
    return manifest_parse(text, strlen(text), m, err);
}

TEST(a_minimal_manifest_has_sensible_defaults)
{
    struct manifest m;
    struct orb_err err;

    ck_assert_msg(parse("{" MINIMAL "}", &m, &err) == 0, "%s %s", err.path, err.text);
    ck_assert_int_eq(m.restart, RESTART_ALWAYS);
    ck_assert_uint_eq(m.breaker_failures, 5);
    ck_assert_uint_eq(m.limits.memory_bytes, 128u << 20);
    ck_assert_int_eq(m.phase, PHASE_FEATURES);
    ck_assert(m.enabled);
    manifest_fini(&m);
}

TEST(every_wrong_manifest_is_refused_with_place_and_words)
{
    static const struct {
        const char *text, *path, *words;
    } bad[] = {
        {"{", "", "byte"},
        {"[]", "", "object"},
        {"{\"name\":\"a\"}", "", "version"},
        {"{" MINIMAL ",\"nam\":1}", "/nam", "did you mean name"},
        {"{" MINIMAL ",\"min_tier\":2}", "/min_tier", "did you mean min-tier"},
        {"{" MINIMAL ",\"phase\":\"controll\"}", "/phase", "did you mean control"},
        {"{\"name\":\"A\",\"version\":\"1.0.0\",\"library\":\"lib/a.so\"}", "/name", "A"},
        {"{\"name\":\"a\",\"version\":\"1\",\"library\":\"lib/a.so\"}", "/version", "1"},
        {"{\"name\":\"a\",\"version\":\"1.0.0\",\"library\":\"../a.so\"}", "/library", "../a.so"},
        {"{" MINIMAL ",\"limits\":{\"memory\":\"64\"}}", "/limits/memory", "64"},
        {"{" MINIMAL ",\"limits\":{\"files\":3}}", "/limits/files", "32"},
        {"{" MINIMAL ",\"capabilities\":[\"net.confgure\"]}", "/capabilities/0",
         "did you mean net.configure"},
        {"{" MINIMAL ",\"capabilities\":[\"net.bind:tcp/1.2.3:80#x\"]}", "/capabilities/0",
         "net.bind:tcp/127.0.0.1:8080#http"},
        {"{" MINIMAL ",\"capabilities\":[\"config.read\"]}", "/capabilities/0", "config.read:/"},
        {"{" MINIMAL ",\"capabilities\":[\"config.write:a\"]}", "/capabilities/0",
         "config.write:/"},
        {"{" MINIMAL ",\"capabilities\":[\"config.secret:/a~2\"]}", "/capabilities/0",
         "well-formed"},
        {"{" MINIMAL ",\"capabilities\":[\"config.read:/a\\u0001\"]}", "/capabilities/0",
         "printable"},
        {"{" MINIMAL ",\"restart\":{\"policy\":\"sometimes\"}}", "/restart/policy", "always"},
        {"{" MINIMAL ",\"name\":\"b\"}", "", "once"},
    };

    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct manifest m;
        struct orb_err err = {0};

        ck_assert_msg(parse(bad[i].text, &m, &err) < 0, "accepted: %s", bad[i].text);
        ck_assert_msg(!strcmp(err.path, bad[i].path), "%s: path %s", bad[i].text, err.path);
        ck_assert_msg(strstr(err.text, bad[i].words), "%s: %s", bad[i].text, err.text);
    }
}

static const struct package_plan_context context = {.instance = "t", .state_root = "/s"};

static struct package *package_of(const char *capabilities, bool shipped)
{
    struct package *p = xcalloc(1, sizeof(*p));
    AUTO_FREE char *text = buf_format("{" MINIMAL ",\"capabilities\":%s}", capabilities);
    struct orb_err err;

    ck_assert_msg(parse(text, &p->manifest, &err) == 0, "%s", err.text);
    p->dir = xstrdup("/p/a");
    p->uid = 61003;
    p->shipped = shipped;
    return p;
}

TEST(a_shipped_package_gets_what_it_asks_for_and_the_kernel_part_is_exact)
{
    struct package *p = package_of("[\"net.configure\",\"fs.state\",\"config.read:/a\","
                                   "\"net.bind:tcp/[::1]:8443#web\"]",
                                   true);
    struct launch_plan plan;
    char **effective;
    struct orb_err err;

    ck_assert_int_eq(package_plan(p, NULL, &context, &plan, &effective, &err), 0);
    ck_assert_uint_eq(plan.kernel_caps, 1ull << CAP_NET_ADMIN);
    ck_assert(plan.host_net && plan.netlink);
    ck_assert_str_eq(plan.state_dir, "/s/a");
    ck_assert_uint_eq(plan.uid, 61003);
    ck_assert_uint_eq(plan.bind_count, 1);
    ck_assert_str_eq(plan.binds[0].address, "::1");
    ck_assert_uint_eq(plan.binds[0].port, 8443);
    ck_assert(strings_have(effective, "ipc.call:config/attach")); /* comes with config.read */
    ck_assert_uint_eq(strlen(plan.hash), 64);
    launch_plan_fini(&plan);
    strings_free(effective);
    package_free(p);
}

TEST(a_third_party_gets_asked_and_granted_only)
{
    struct package *p = package_of("[\"net.configure\",\"config.read:/a\"]", false);
    static const char *const grants[] = {"config.read:/a", "config.read:/firewall", "fs.state",
                                         NULL};
    struct launch_plan plan;
    char **effective;
    struct orb_err err;

    ck_assert_int_eq(package_plan(p, grants, &context, &plan, &effective, &err), 0);
    ck_assert(!plan.host_net && !plan.kernel_caps && !plan.state_dir);
    ck_assert(strings_have(effective, "config.read:/a"));
    ck_assert(!strings_have(effective, "config.read:/firewall"));
    ck_assert(!strings_have(effective, "ipc.call:config/edit"));
    launch_plan_fini(&plan);
    strings_free(effective);
    package_free(p);
}

TEST(another_grant_is_another_plan)
{
    struct package *p = package_of("[\"fs.state\"]", false);
    static const char *const none[] = {NULL}, *const state[] = {"fs.state", NULL};
    struct launch_plan a, b;
    char **x, **y;
    struct orb_err err;

    ck_assert_int_eq(package_plan(p, none, &context, &a, &x, &err), 0);
    ck_assert_int_eq(package_plan(p, state, &context, &b, &y, &err), 0);
    ck_assert_str_ne(a.hash, b.hash);
    launch_plan_fini(&a);
    launch_plan_fini(&b);
    strings_free(x);
    strings_free(y);
    package_free(p);
}

static void lay_out(const char *root, const char *name, const char *interface)
{
    AUTO_FREE char *dir = buf_format("%s/%s", root, name);
    AUTO_FREE char *manifest = buf_format("%s/manifest.json", dir);
    AUTO_FREE char *schema = buf_format("%s/schema.json", dir);
    AUTO_FREE char *m =
        buf_format("{\"name\":\"%s\",\"version\":\"1.0.0\",\"library\":\"lib/a.so\"}", name);
    AUTO_FREE char *s = buf_format("{\"interface\":\"%s\",\"version\":\"1.0\"}", interface);
    struct orb_err err;

    ck_assert_int_eq(mkdir(dir, 0755), 0);
    ck_assert_int_eq(file_replace(manifest, m, strlen(m), 0644, &err), 0);
    ck_assert_int_eq(file_replace(schema, s, strlen(s), 0644, &err), 0);
}

struct refusals {
    unsigned count;
    char text[8][600];
};

static void on_refused(void *arg, const char *dir, const struct orb_err *err)
{
    struct refusals *r = arg;

    if (r->count < ARRAY_LEN(r->text))
        snprintf(r->text[r->count++], sizeof(r->text[0]), "%s|%s", dir, err->text);
}

TEST(an_interface_has_one_owner_and_the_hosts_belong_to_no_package)
{
    char shipped[] = "/tmp/orbital-test-XXXXXX", third[] = "/tmp/orbital-test-XXXXXX";
    const char *const dirs[] = {shipped, third, NULL};
    AUTO_FREE char *clean = NULL, *fifo = NULL;
    struct refusals refusals = {0};
    struct package_list list;

    ck_assert_ptr_nonnull(mkdtemp(shipped));
    ck_assert_ptr_nonnull(mkdtemp(third));
    lay_out(shipped, "config", "config");
    lay_out(third, "aaa", "config");
    lay_out(third, "bbb", "host");
    lay_out(third, "ccc", "services");
    lay_out(third, "ddd", "own");
    lay_out(third, "eee", "own");
    lay_out(third, "host", "hosts");
    lay_out(third, "sss", "system");
    fifo = buf_format("%s/fff", third);
    ck_assert_int_eq(mkdir(fifo, 0755), 0);
    free(fifo);
    fifo = buf_format("%s/fff/manifest.json", third);
    ck_assert_int_eq(mkfifo(fifo, 0644), 0);
    package_scan_all(dirs, &list, on_refused, &refusals);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_str_eq(list.items[0]->manifest.name, "config");
    ck_assert(list.items[0]->shipped);
    ck_assert_str_eq(list.items[1]->manifest.name, "ddd");
    ck_assert_uint_eq(refusals.count, 7);
    ck_assert_ptr_nonnull(strstr(refusals.text[0], "belongs to package config"));
    ck_assert_ptr_nonnull(strstr(refusals.text[1], "belongs to the host"));
    ck_assert_ptr_nonnull(strstr(refusals.text[2], "belongs to the host"));
    ck_assert_ptr_nonnull(strstr(refusals.text[3], "belongs to package ddd"));
    ck_assert_ptr_nonnull(strstr(refusals.text[4], "no regular file"));
    ck_assert_ptr_nonnull(strstr(refusals.text[5], "the name \"host\" belongs to the host"));
    ck_assert_ptr_nonnull(strstr(refusals.text[6], "the interface system belongs to the host"));
    package_fini_all(&list);
    clean = buf_format("rm -r %s %s", shipped, third);
    ck_assert_int_eq(system(clean), 0);
}

TEST(a_third_party_gets_no_more_than_the_hosts_ceilings)
{
    static const char manifest[] =
        "{" MINIMAL ",\"limits\":{\"memory\":\"999999G\",\"files\":4096,\"threads\":256},"
        "\"deadlines\":{\"ready-ms\":600000,\"ping-every-ms\":600000,\"ping-ms\":600000,"
        "\"stop-ms\":600000}}";
    struct package p = {.shipped = false};
    struct limits nothing = {0}, shown = {0}, got;
    const char *lowered;
    struct orb_err err;

    ck_assert_msg(parse(manifest, &p.manifest, &err) == 0, "%s", err.text);
    got = limits_in_force(&p, &nothing, &lowered);
    ck_assert_ptr_nonnull(lowered);
    ck_assert_uint_eq(got.memory_bytes, 256u << 20);
    ck_assert_uint_eq(got.files, 256);
    ck_assert_uint_eq(got.threads, 64);
    ck_assert_uint_eq(got.ready_ms, 30000);
    ck_assert_uint_eq(got.ping_every_ms, 10000);
    ck_assert_uint_eq(got.ping_ms, 10000);
    ck_assert_uint_eq(got.stop_ms, 5000);
    /* The administrator's word replaces the ceiling, upwards and downwards. */
    ck_assert(limits_set(&shown, "memory", 1ull << 30));
    ck_assert(limits_set(&shown, "threads", 2));
    ck_assert(!limits_set(&shown, "memor", 1));
    got = limits_in_force(&p, &shown, &lowered);
    ck_assert_uint_eq(got.memory_bytes, 1ull << 30);
    ck_assert_uint_eq(got.threads, 2);
    ck_assert_uint_eq(got.files, 256);
    p.shipped = true; /* shipped packages request what they need */
    got = limits_in_force(&p, &nothing, &lowered);
    ck_assert_ptr_null(lowered);
    ck_assert_uint_eq(got.stop_ms, 600000);
    manifest_fini(&p.manifest);
}

TEST(what_is_asked_below_the_ceiling_stays)
{
    struct package p = {.shipped = false};
    struct limits nothing = {0}, much = {.memory_bytes = 1ull << 40, .stop_ms = 600000}, got;
    const char *lowered;
    struct orb_err err;

    ck_assert_int_eq(parse("{" MINIMAL ",\"limits\":{\"memory\":\"64M\"}}", &p.manifest, &err), 0);
    got = limits_in_force(&p, &nothing, &lowered);
    ck_assert_ptr_null(lowered);
    ck_assert_uint_eq(got.memory_bytes, 64u << 20);
    got = limits_in_force(&p, &much, &lowered); /* a maximum does not raise a requested limit */
    ck_assert_uint_eq(got.memory_bytes, 64u << 20);
    ck_assert_uint_eq(got.stop_ms, 3000);
    manifest_fini(&p.manifest);
}
