/* Every macro of the SDK's headers, compiled by strict.sh. */
#include <orbital/orbital.h>

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    const struct orb_problem problem = {ORB_PROBLEM_FAILED, "what", "", ""};
    char text[] = "text";

    orb_log(ctx, ORB_INFO, "strict.none");
    orb_log(ctx, ORB_INFO, "strict.some", KV("text", "a"), KV("array", text), KV("number", 3),
            KV("size", sizeof(text)), KV("truth", true));
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
