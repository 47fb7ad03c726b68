/* Every macro of the SDK's headers, compiled by strict.sh. */
#include <orbital/orbital.h>
#include <orbital/testing.h>

struct want {
    char *word;
    int64_t mtu;
    bool enabled;
    double rate;
};

ORB_FIELDS(want_fields, "") = {
    ORB_FIELD_TEXT("word", struct want, word, "Hello"),
    ORB_FIELD_INT("mtu", struct want, mtu, 1500),
    ORB_FIELD_BOOL("enabled", struct want, enabled, true),
    ORB_FIELD_REAL("rate", struct want, rate, 0.5),
    ORB_FIELD_OTHER("rest"),
    ORB_FIELDS_END,
};

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    const struct orb_problem problem = {ORB_PROBLEM_FAILED, "what", "", ""};
    char text[] = "text";

    orb_log(ctx, ORB_INFO, "strict.none");
    orb_log(ctx, ORB_INFO, "strict.some", KV("text", "a"), KV("array", text), KV("number", 3),
            KV("size", sizeof(text)), KV("truth", true));
    orb_pointer(text, sizeof(text), "a", "b", NULL);
    orb_pointer_add(text, sizeof(text), "c");
    if (orb_read(want_fields, NULL, orb_user(ctx), err) == 0)
        orb_read_free(want_fields, orb_user(ctx));
    orb_problem_set(ctx, "key", &problem);
    return orb_fail(err, ORB_E_STATE, "%d", 1);
}

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    *change->prepared = ctx;
    return ORB_HAS(change, prepared) && err ? ORB_LATER : 0;
}

static const struct orb_method methods[] = {{"hello", NULL, ORB_RAW}, {0}};
static const struct orb_config config = {.prepare = on_prepare};

ORB_PLUGIN(.name = "strict", .methods = methods, .config = &config, .init = on_init);
