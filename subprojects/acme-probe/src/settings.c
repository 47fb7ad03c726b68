/* From the configuration to running timers. prepare checks and changes nothing; apply cannot fail.
 */
#include "probe.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const paths[] = {"/acme-probe", NULL};

static const cJSON *settings_of(const struct orb_change *change)
{
    return cJSON_GetObjectItemCaseSensitive(change->tree, "acme-probe");
}

static bool is_address(const char *text)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static void fail_as_told(const cJSON *settings, const char *where)
{
    if (!strcmp(probe_text(settings, "crash-in", "none"), where))
        probe_crash("segv");
    if (!strcmp(probe_text(settings, "hang-in", "none"), where))
        probe_hang();
}

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct probe *probe = orb_user(ctx);
    const cJSON *settings = settings_of(change);
    const char *refuse = probe_text(settings, "refuse", "");
    const cJSON *target;
    char text[200];

    fail_as_told(settings, "prepare");
    if (probe->veto) {
        int r = orb_fail(err, ORB_E_VETO, "%s", probe->veto);

        free(probe->veto);
        probe->veto = NULL;
        return r;
    }
    /* A start with what was committed once must not fail. */
    if (*refuse && !change->initial)
        return orb_fail_at(err, ORB_E_VETO, "/acme-probe/refuse", "%s", refuse);
    cJSON_ArrayForEach (target, cJSON_GetObjectItemCaseSensitive(settings, "targets")) {
        const char *address = probe_text(target, "address", "");
        char path[ORB_ERR_PATH];

        if (is_address(address))
            continue;
        snprintf(path, sizeof(path), "/acme-probe/targets/%s/address", target->string);
        return orb_fail_at(err, ORB_E_VETO, path, "\"%s\" is neither an IPv4 nor an IPv6 address",
                           address);
    }
    snprintf(text, sizeof(text), "probe %d targets",
             cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(settings, "targets")));
    orb_plan_step(ctx, "live", text);
    return 0;
}

static void on_tick(struct orb_ctx *ctx, void *arg)
{
    struct target *target = arg;
    cJSON *event = cJSON_CreateObject();

    target->ticks++;
    target->probe->ticks++;
    orb_counter_add(ctx, "ticks", 1);
    cJSON_AddStringToObject(event, "target", target->name);
    orb_add_int64(event, "count", target->ticks);
    orb_publish(ctx, "tick", event, NULL); /* a lost tick does not matter */
}

static void on_crash_time(struct orb_ctx *ctx, void *arg)
{
    probe_crash("segv");
}

static void clear_targets(struct probe *probe)
{
    while (probe->targets) {
        struct target *target = probe->targets;

        probe->targets = target->next;
        orb_timer_free(target->timer);
        free(target->name);
        free(target->address);
        free(target);
    }
}

static void add_target(struct probe *probe, const cJSON *item)
{
    struct target *target = calloc(1, sizeof(*target));

    if (!target)
        return;
    target->probe = probe;
    target->name = strdup(item->string);
    target->address = strdup(probe_text(item, "address", ""));
    target->interval_ms = probe_number(item, "interval", 1000);
    target->timer = orb_timer_new(probe->ctx, on_tick, target);
    orb_timer_start(target->timer, (uint64_t)target->interval_ms, (uint64_t)target->interval_ms);
    target->next = probe->targets;
    probe->targets = target;
}

/* Brings the probe to what settings say; the same for apply and for abort. */
static void follow(struct probe *probe, const struct orb_change *change)
{
    const cJSON *settings = settings_of(change);
    int64_t crash_ms = probe_number(settings, "crash-after-ms", 0);
    const cJSON *item;

    free(probe->greeting);
    probe->greeting = strdup(probe_text(settings, "greeting", "hello"));
    probe->revision = change->revision;
    clear_targets(probe);
    cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive(settings, "targets"))
        add_target(probe, item);
    orb_timer_free(probe->crash_timer);
    probe->crash_timer = NULL;
    if (crash_ms > 0) {
        /* From the start or from the change, whichever is later: the change itself goes through. */
        probe->crash_timer = orb_timer_new(probe->ctx, on_crash_time, NULL);
        orb_timer_start(probe->crash_timer, (uint64_t)crash_ms, 0);
    }
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct probe *probe = orb_user(ctx);

    fail_as_told(settings_of(change), "apply");
    if (probe->fail_apply) {
        probe->fail_apply = false;
        return orb_fail(err, ORB_E_IO, "apply failed because fail-apply was called");
    }
    follow(probe, change);
    return 0;
}

static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    if (applied)
        follow(orb_user(ctx), change);
    return 0;
}

const struct orb_config probe_config = {
    .paths = paths, .prepare = on_prepare, .apply = on_apply, .abort = on_abort};

void probe_settings_fini(struct probe *probe)
{
    clear_targets(probe);
    orb_timer_free(probe->crash_timer);
    free(probe->greeting);
}
