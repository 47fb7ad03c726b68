/* Duplicate IPv4 addresses: see conflict.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/interfaces/conflict.h"
#include "plugins/interfaces/model.h"
#include "plugins/interfaces/plugin.h"

static const char *text_of(const cJSON *item, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, name));

    return text ? text : "";
}

static void key_of(const cJSON *item, char *to, size_t size)
{
    snprintf(to, size, "conflict:%s:%s", text_of(item, "interface"), text_of(item, "address"));
}

static void report(struct orb_ctx *ctx, const cJSON *item)
{
    char key[128], path[ORB_ERR_PATH], what[200];

    key_of(item, key, sizeof(key));
    model_path(path, sizeof(path), text_of(item, "interface"), "addresses", -1);
    snprintf(what, sizeof(what), "another machine on %s (%s) has address %s, too",
             text_of(item, "interface"), text_of(item, "mac"), text_of(item, "address"));
    orb_problem_set(ctx, key,
                    &(struct orb_problem){.level = ORB_PROBLEM_DEGRADED,
                                          .what = what,
                                          .path = path,
                                          .todo = "give one of the two machines another address"});
}

void conflict_report(struct orb_ctx *ctx, const struct conflicts *conflicts)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, conflicts->found)
        report(ctx, item);
}

static void log_it(struct orb_ctx *ctx, const cJSON *item, bool found)
{
    orb_log(ctx, found ? ORB_WARNING : ORB_NOTICE,
            found ? "interfaces.address-conflict" : "interfaces.address-conflict-over",
            KV("interface", text_of(item, "interface")), KV("address", text_of(item, "address")),
            KV("mac", text_of(item, "mac")));
}

/* Takes a conflict of this interface and address out of the list. */
static void forget(struct conflicts *conflicts, const cJSON *like)
{
    cJSON *item = conflicts->found ? conflicts->found->child : NULL;

    while (item && (strcmp(text_of(item, "interface"), text_of(like, "interface")) ||
                    strcmp(text_of(item, "address"), text_of(like, "address"))))
        item = item->next;
    if (item)
        cJSON_Delete(cJSON_DetachItemViaPointer(conflicts->found, item));
}

static void on_conflict(struct orb_ctx *ctx, void *arg, const char *topic, const cJSON *payload)
{
    struct conflicts *conflicts = arg;
    bool taken = *text_of(payload, "mac");
    char key[128];

    if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(payload, "address")))
        return; /* a gap: the next list has it */
    forget(conflicts, payload);
    log_it(ctx, payload, taken);
    if (!conflicts->found)
        conflicts->found = cJSON_CreateArray();
    key_of(payload, key, sizeof(key));
    if (taken && cJSON_AddItemToArray(conflicts->found, cJSON_Duplicate(payload, true)))
        report(ctx, payload);
    else
        orb_problem_clear(ctx, key);
}

static void on_watched(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct conflicts *conflicts = arg;

    if (err) {
        if (!conflicts->failed)
            orb_log(ctx, ORB_NOTICE, "interfaces.no-conflict-detection", KV("reason", err->text));
        conflicts->failed = true;
        free(conflicts->asked); /* requested again next time */
        conflicts->asked = NULL;
        return;
    }
    conflicts->failed = false;
    cJSON_Delete(conflicts->found);
    conflicts->found = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(out, "conflicts"), true);
    orb_problem_clear(ctx, "conflict:*");
    conflict_report(ctx, conflicts);
}

void conflict_watch(struct orb_ctx *ctx, struct conflicts *conflicts, cJSON *list)
{
    char *text = list ? cJSON_PrintUnformatted(list) : NULL;
    cJSON *in;

    if (!text || (conflicts->asked ? !strcmp(text, conflicts->asked) : !list->child)) {
        cJSON_Delete(list);
        cJSON_free(text);
        return;
    }
    free(conflicts->asked);
    conflicts->asked = text;
    in = cJSON_CreateObject();
    cJSON_AddItemToObject(in, "addresses", list);
    if (orb_call(ctx, "arp@1", "watch", in, 5000, on_watched, conflicts, NULL) == 0)
        return;
    free(conflicts->asked);
    conflicts->asked = NULL;
}

void conflict_start(struct orb_ctx *ctx, struct conflicts *conflicts)
{
    orb_subscribe(ctx, "arp", "conflict", on_conflict, conflicts, NULL);
}

void conflict_fini(struct conflicts *conflicts)
{
    free(conflicts->asked);
    cJSON_Delete(conflicts->found);
    *conflicts = (struct conflicts){0};
}
