/* From the configuration to running timers. prepare reads and checks, apply swaps and cannot fail.
 */
#include "probe.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ORB_FIELDS(settings_fields, "") = {
    ORB_FIELD_TEXT("greeting", struct settings, greeting, "hello"),
    ORB_FIELD_TEXT("refuse", struct settings, refuse, NULL),
    ORB_FIELD_INT("crash-after-ms", struct settings, crash_after_ms, 0),
    ORB_FIELD_TEXT("crash-in", struct settings, crash_in, "none"),
    ORB_FIELD_TEXT("hang-in", struct settings, hang_in, "none"),
    ORB_FIELDS_END,
};

ORB_FIELDS(target_fields, "/targets/*") = {
    ORB_FIELD_TEXT("address", struct target, address, NULL),
    ORB_FIELD_INT("interval", struct target, interval_ms, 1000),
    ORB_FIELDS_END,
};

void probe_settings_free(struct settings *settings)
{
    while (settings && settings->targets) {
        struct target *target = settings->targets;

        settings->targets = target->next;
        orb_timer_free(target->timer);
        orb_read_free(target_fields, target);
        free(target->name);
        free(target);
    }
    if (settings)
        orb_read_free(settings_fields, settings);
    free(settings);
}

static int add_target(struct settings *settings, const cJSON *item, struct orb_err *err)
{
    struct target *target = calloc(1, sizeof(*target));
    unsigned char bytes[16];
    char path[ORB_ERR_PATH];

    if (!target)
        return orb_fail(err, ORB_E_NOMEM, "no memory for one more target");
    target->next = settings->targets;
    settings->targets = target;
    target->name = strdup(item->string);
    if (!target->name)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the name of a target");
    if (orb_read(target_fields, item, target, err) < 0)
        return err->code;
    if (inet_pton(AF_INET, target->address, bytes) == 1 ||
        inet_pton(AF_INET6, target->address, bytes) == 1)
        return 0;
    orb_pointer(path, sizeof(path), "acme-probe", "targets", item->string, "address", NULL);
    return orb_fail_at(err, ORB_E_VETO, path, "\"%s\" is neither an IPv4 nor an IPv6 address",
                       target->address);
}

static void fail_as_told(const struct settings *settings, const char *where)
{
    if (!strcmp(settings->crash_in, where))
        probe_crash("segv");
    if (!strcmp(settings->hang_in, where))
        probe_hang();
}

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    const cJSON *tree = orb_at(change->tree, "/acme-probe");
    const cJSON *targets = orb_at(tree, "/targets"), *item;
    struct settings *settings = calloc(1, sizeof(*settings));
    struct probe *probe = orb_user(ctx);
    char text[200];

    if (!settings)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the settings");
    *change->prepared = settings; /* from now on the SDK has it freed */
    if (orb_read(settings_fields, tree, settings, err) < 0)
        return err->code;
    fail_as_told(settings, "prepare");
    if (*probe->veto) {
        int r = orb_fail(err, ORB_E_VETO, "%s", probe->veto);

        *probe->veto = '\0';
        return r;
    }
    /* A start with what was committed once must not fail. */
    if (settings->refuse && *settings->refuse && !change->initial)
        return orb_fail_at(err, ORB_E_VETO, "/acme-probe/refuse", "%s", settings->refuse);
    cJSON_ArrayForEach (item, targets)
        if (add_target(settings, item, err) < 0)
            return err->code;
    snprintf(text, sizeof(text), "probe %d targets", cJSON_GetArraySize(targets));
    orb_plan_step(ctx, "live", text);
    return 0;
}

static void on_tick(struct orb_ctx *ctx, void *arg)
{
    struct target *target = arg;
    struct probe *probe = orb_user(ctx);
    cJSON *event = cJSON_CreateObject();

    target->ticks++;
    probe->ticks++;
    orb_counter_add(ctx, "ticks", 1);
    cJSON_AddStringToObject(event, "target", target->name);
    orb_add_int64(event, "count", target->ticks);
    orb_publish(ctx, "tick", event, NULL); /* a lost tick does not matter */
}

static void on_crash_time(struct orb_ctx *ctx, void *arg)
{
    probe_crash("segv");
}

/* Swaps the settings and restarts the timers: the same for apply and for abort. */
static void swap(struct orb_ctx *ctx, const struct orb_change *change)
{
    struct probe *probe = orb_user(ctx);
    struct settings *before = probe->settings;

    probe->settings = orb_swap(change, before);
    probe->revision = change->revision;
    for (struct target *t = before ? before->targets : NULL; t; t = t->next)
        orb_timer_stop(t->timer);
    for (struct target *t = probe->settings->targets; t; t = t->next) {
        if (!t->timer)
            t->timer = orb_timer_new(ctx, on_tick, t);
        orb_timer_start(t->timer, (uint64_t)t->interval_ms, (uint64_t)t->interval_ms);
    }
    /* From the start or from the change, whichever is later: the change itself is completed. */
    orb_timer_free(probe->crash_timer);
    probe->crash_timer = NULL;
    if (probe->settings->crash_after_ms > 0) {
        probe->crash_timer = orb_timer_new(ctx, on_crash_time, NULL);
        orb_timer_start(probe->crash_timer, (uint64_t)probe->settings->crash_after_ms, 0);
    }
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct probe *probe = orb_user(ctx);

    fail_as_told(*change->prepared, "apply");
    swap(ctx, change);
    if (!probe->fail_apply)
        return 0;
    probe->fail_apply = false;
    return orb_fail(err, ORB_E_IO, "apply failed because fail-apply was called");
}

static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    if (applied)
        swap(ctx, change);
    return 0;
}

static void on_discard(struct orb_ctx *ctx, void *prepared)
{
    probe_settings_free(prepared);
}

static const char *const paths[] = {"/acme-probe", NULL};
const struct orb_config probe_config = {.paths = paths,
                                        .prepare = on_prepare,
                                        .apply = on_apply,
                                        .abort = on_abort,
                                        .discard = on_discard};
