// As strict.c, in C++17.
#include <orbital/orbital.h>
#include <orbital/testing.h>

struct want {
    char *word;
    int64_t mtu;
    bool enabled;
    double rate;
};

ORB_FIELDS(want_fields, "") = {
    ORB_FIELD_TEXT("word", want, word, "Hello"),
    ORB_FIELD_INT("mtu", want, mtu, 1500),
    ORB_FIELD_BOOL("enabled", want, enabled, true),
    ORB_FIELD_REAL("rate", want, rate, 0.5),
    ORB_FIELD_OTHER("rest"),
    ORB_FIELDS_END,
};

static int on_init(orb_ctx *ctx, orb_err *err)
{
    const orb_problem problem = {ORB_PROBLEM_FAILED, "what", "", ""};
    char text[] = "text";

    orb_log(ctx, ORB_INFO, "strict.none");
    orb_log(ctx, ORB_INFO, "strict.some", KV("text", "a"), KV("array", text), KV("number", 3),
            KV("size", sizeof(text)), KV("truth", true));
    orb_pointer(text, sizeof(text), "a", "b", nullptr);
    orb_pointer_add(text, sizeof(text), "c");
    if (orb_read(want_fields, nullptr, orb_user(ctx), err) == 0)
        orb_read_free(want_fields, orb_user(ctx));
    orb_problem_set(ctx, "key", &problem);
    return orb_fail(err, ORB_E_STATE, "%d", 1);
}

static int on_prepare(orb_ctx *ctx, const orb_change *change, orb_err *err)
{
    *change->prepared = ctx;
    return ORB_HAS(change, prepared) && err ? ORB_LATER : 0;
}

static const orb_method methods[] = {{"hello", nullptr, ORB_RAW}, {}};
static const orb_config config = {nullptr, on_prepare, nullptr, nullptr, nullptr};

static constexpr orb_plugin describe()
{
    orb_plugin plugin = orb_plugin_head();

    plugin.name = "strict";
    plugin.methods = methods;
    plugin.config = &config;
    plugin.init = on_init;
    return plugin;
}
ORB_PLUGIN(describe());
