/* Packages and hosts of different headers of one ABI. Compiled twice: with the header in use, and
 * as the host of tomorrow (GROWN), whose structs all have a member more. */
#include "core/worker/sdk_plugin.h"
#include "test/guide/package.h"

enum { HELLO = 1, PREPARE, APPLY, ABORT };
#define METHODS "\"t/hello\",\"service.t/prepare\",\"service.t/apply\",\"service.t/abort\""
#define SET(word)                                                                                  \
    "{\"tx\":5,\"revision\":2,\"patch\":[{\"op\":\"set\",\"path\":\"/t/word\",\"value\":\"" word   \
    "\"}]}"

static void expect_hello(struct fakehost *h, const char *word, const char *more)
{
    AUTO_FREE char *want =
        buf_format("{\"word\":\"%s\",\"peer\":\"eve\",\"has-opened\":true%s}", word, more);
    struct fakeframe f;

    package_ask(h, HELLO, 9, "{}", FRAME_REP, &f);
    ck_assert_str_eq(f.payload, want);
}

static void drive(const char *library, const char *more)
{
    struct fakehost h;
    struct fakeframe f;

    package_start(&h, library, METHODS, "{\"t\":{\"word\":\"one\"}}");
    expect_hello(&h, "one", more);
    fakehost_expect(&h, FRAME_PROBLEMS, &f);
    ck_assert_str_eq(f.payload, "{\"problems\":[{\"level\":\"degraded\",\"key\":\"p\",\"what\":"
                                "\"w\",\"path\":\"\",\"todo\":\"t\"}],\"more\":0}");
    package_ask(&h, PREPARE, 7, SET("no"), FRAME_ERR, &f);
    package_ask(&h, PREPARE, 7, SET("two"), FRAME_REP, &f);
    expect_hello(&h, "one", more);
    package_ask(&h, APPLY, 7, "{\"tx\":5}", FRAME_REP, &f);
    expect_hello(&h, "two", more);
    package_ask(&h, ABORT, 7, "{\"tx\":5,\"applied\":true}", FRAME_REP, &f);
    expect_hello(&h, "one", more);
    fakehost_stop(&h);
}

TEST(a_package_of_the_header_kept_of_abi_2_runs)
{
    drive("kept.so", "");
}

#ifdef GROWN
TEST(a_package_of_the_new_header_sees_the_new_members)
{
    drive("new.so", ",\"future\":true");
}
#else
/* The head of a descriptor with these sizes. */
#define HEAD(plugin, method, config)                                                               \
    .abi = ORB_PLUGIN_ABI, .size = (plugin), .method_size = (method), .config_size = (config)
#define PLUGIN sizeof(struct orb_plugin)
#define METHOD sizeof(struct orb_method)
#define CONFIG sizeof(struct orb_config)

static void expect_refusal(const struct orb_plugin *plugin, const char *part)
{
    struct fakehost h;
    struct fakeframe f;

    fakehost_start(&h, plugin);
    fakehost_welcome(&h, METHODS, "");
    fakehost_expect(&h, FRAME_FAIL, &f);
    ck_assert_msg(strstr(f.payload, part) != NULL, "%s is not in %s", part, f.payload);
    ck_assert_int_eq(fakehost_wait(&h), 1);
}

TEST(a_package_of_a_newer_header_that_uses_nothing_new_runs)
{
    drive("new.so", ",\"future\":false");
}

TEST(a_package_of_a_newer_header_that_uses_a_new_member_is_refused)
{
    AUTO_FREE char *path = buf_format("%s/used.so", getenv("PACKAGE"));
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    ck_assert_msg(so != NULL, "%s", dlerror());
    expect_refusal(dlsym(so, "orbital_plugin"),
                   "a member of struct orb_plugin that this host lacks: update Orbital");
}

static int must_not_run(struct orb_ctx *ctx, struct orb_err *err)
{
    abort();
}

/* What follows the size in a package's descriptor is not part of it: here it looks like callbacks.
 */
TEST(a_smaller_descriptor_ends_at_its_size)
{
    static const struct orb_plugin smaller = {
        HEAD(offsetof(struct orb_plugin, init), METHOD, CONFIG), .name = "t", .init = must_not_run,
        .ready = must_not_run, .health = must_not_run};
    struct fakehost h;
    struct fakeframe f;

    fakehost_start(&h, &smaller);
    fakehost_welcome(&h, "", "");
    fakehost_ready(&h);
    fakehost_send(&h, FRAME_PING, 0, 3, 0, 0, NULL, NULL);
    fakehost_expect(&h, FRAME_PONG, &f);
    ck_assert_str_eq(f.payload, "{}");
    fakehost_stop(&h);
}

TEST(a_smaller_method_and_a_smaller_config_are_read_by_their_sizes)
{
    static const struct {
        const char *name;
        orb_handler *handle;
    } small_methods[] = {{"a", NULL}, {"b", NULL}, {NULL, NULL}};
    static const char *const small_paths[] = {"/t", NULL};
    static const struct orb_config config = {.paths = small_paths,
                                             .apply = (void *)(uintptr_t)must_not_run,
                                             .discard = (void *)(uintptr_t)must_not_run};
    static const struct orb_plugin plugin = {
        HEAD(PLUGIN, sizeof(small_methods[0]), offsetof(struct orb_config, prepare)), .name = "t",
        .methods = (const struct orb_method *)(const void *)small_methods, .config = &config};
    struct sdk_plugin read;
    struct orb_err err;

    ck_assert_int_eq(sdk_plugin_read(&plugin, &read, &err), 0);
    ck_assert_str_eq(read.methods[1].name, "b");
    ck_assert_uint_eq(read.methods[1].flags, 0);
    ck_assert_ptr_null(read.methods[2].name);
    ck_assert_ptr_eq(read.head.config->paths, small_paths);
    ck_assert_ptr_null(read.head.config->apply);
    ck_assert_ptr_null(read.head.config->discard);
    sdk_plugin_fini(&read);
}

TEST(sizes_and_flags_that_cannot_be_are_refused)
{
    static const struct orb_method flagged[] = {{"m", NULL, 1u << 31}, {0}};
    static const struct orb_plugin none = {.abi = ORB_PLUGIN_ABI, .name = "t"};
    static const struct orb_plugin huge = {HEAD(PLUGIN, METHOD, 1u << 30)};
    static const struct orb_plugin flags = {ORB_PLUGIN_HEAD, .methods = flagged};
    static const struct orb_plugin before = {.abi = 1};

    expect_refusal(&none, "struct orb_plugin of 0 bytes");
    expect_refusal(&huge, "struct orb_config of 1073741824 bytes");
    expect_refusal(&flags, "method m has flags that this host lacks (0x80000000)");
    expect_refusal(&before, "its ABI is 1, this host has 2; rebuild the package");
}
#endif
