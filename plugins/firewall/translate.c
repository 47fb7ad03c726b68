/* Rules, zones and ports into the data plane's entries: see translate.h. The data plane checks
 * everything again; the checks here exist for their words: the path of the configuration and the
 * name that was probably meant. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "plugins/firewall/entry.h"
#include "plugins/firewall/translate.h"

/* What no rule names is all the noise of the Internet: without a bound the log would be full of it.
 */
#define DEFAULT_LOG_LIMIT "{\"rate\":10,\"per\":\"second\",\"burst\":20}"

void translate_view_init(struct view *view, const cJSON *tree)
{
    view->firewall = cJSON_GetObjectItemCaseSensitive(tree, "firewall");
    view->interfaces = cJSON_GetObjectItemCaseSensitive(tree, "interfaces");
    view->zones = cJSON_GetObjectItemCaseSensitive(view->firewall, "zones");
    view->groups = cJSON_GetObjectItemCaseSensitive(view->firewall, "groups");
    view->old = false;
}

static int put_icmp(struct entry *e, const struct protocol *protocol, struct orb_err *err)
{
    const cJSON *type = entry_member(e, "icmp-type");
    char number[16];

    if (!type)
        return 0;
    if (strncmp(protocol->name, "icmp", 4))
        return entry_refuse(e, "icmp-type", "icmp-type needs \"protocol\": \"icmp\" or \"icmpv6\"",
                            err);
    snprintf(number, sizeof(number), "%d", type->valueint);
    entry_put_text(e, "icmp-type", cJSON_IsNumber(type) ? number : cJSON_GetStringValue(type));
    return 0;
}

/* {"rate", "per", "burst"}, complete. */
static void put_limit(struct buf *out, const cJSON *limit)
{
    const cJSON *rate = cJSON_GetObjectItemCaseSensitive(limit, "rate");
    const cJSON *burst = cJSON_GetObjectItemCaseSensitive(limit, "burst");
    const char *per = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(limit, "per"));

    buf_addf(out, "{\"rate\":%d,\"per\":\"%s\",\"burst\":%d", rate ? rate->valueint : 0,
             per ? per : "second", burst ? burst->valueint : 5);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(limit, "per-source")))
        buf_adds(out, ",\"per-source\":true");
    buf_addc(out, '}');
}

/* A list of words, or one, as an array. */
static void put_words(struct buf *out, const cJSON *value)
{
    const cJSON *item = cJSON_IsArray(value) ? value->child : value;

    buf_addc(out, '[');
    for (const char *separator = ""; item; item = cJSON_IsArray(value) ? item->next : NULL) {
        const char *text = cJSON_GetStringValue(item);

        buf_adds(out, separator);
        buf_add_json(out, text ? text : "", text ? strlen(text) : 0);
        separator = ",";
    }
    buf_addc(out, ']');
}

/* What is written as it stands: the schema and the data plane check it. */
static void put_more(struct entry *e)
{
    static const char *const lists[] = {"source-mac", "tcp-flags", "state"};
    static const char *const texts[] = {"reject-with", "log-prefix"};
    static const char *const limits[] = {"limit", "log-limit"};

    if (cJSON_IsTrue(entry_member(e, "log"))) {
        entry_put_name(e, "log");
        buf_adds(e->out, "true");
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        if (entry_member(e, lists[i])) {
            entry_put_name(e, lists[i]);
            put_words(e->out, entry_member(e, lists[i]));
        }
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (entry_text(e, texts[i]))
            entry_put_text(e, texts[i], entry_text(e, texts[i]));
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
        if (entry_member(e, limits[i])) {
            entry_put_name(e, limits[i]);
            put_limit(e->out, entry_member(e, limits[i]));
        }
}

int translate_rule(const struct view *view, const cJSON *item, struct buf *out, struct orb_err *err)
{
    const struct protocol *protocol;
    unsigned families = FAMILY_4 | FAMILY_6;
    struct entry e;
    int r;

    if (!entry_begin(&e, view, item, "/firewall/rules", out))
        return 0;
    r = entry_put_zone(&e, "from", ZONE_LOCAL | ZONE_NOT, err);
    if (r == 0)
        r = entry_put_zone(&e, "to", ZONE_LOCAL | ZONE_NOT, err);
    if (r == 0 && entry_text(&e, "from") && entry_text(&e, "to") &&
        !strcmp(entry_text(&e, "from"), "local") && !strcmp(entry_text(&e, "to"), "local"))
        return entry_refuse(&e, "to", "packets from this machine to itself are never filtered",
                            err);
    if (r == 0)
        r = entry_put_protocol(&e, &protocol, &families, err);
    if (r == 0)
        r = entry_put_ends(&e, protocol, families, "destination-ports", err);
    if (r == 0)
        r = put_icmp(&e, protocol, err);
    if (r < 0)
        return r;
    if (!entry_text(&e, "action"))
        return entry_refuse(&e, "action", "expected accept, drop or reject", err);
    entry_put_text(&e, "action", entry_text(&e, "action"));
    put_more(&e);
    return entry_end(&e, err);
}

int translate_zone(const struct view *view, const cJSON *item, struct buf *out, struct orb_err *err)
{
    const cJSON *name, *mss;
    struct entry e;
    bool any = false;

    entry_begin(&e, view, item, "/firewall/zones", out);
    entry_put_name(&e, "interfaces");
    buf_addc(out, '[');
    cJSON_ArrayForEach (name, entry_member(&e, "interfaces")) {
        const char *text = cJSON_GetStringValue(name);

        if (any)
            buf_addc(out, ',');
        any = true;
        buf_add_json(out, text ? text : "", text ? strlen(text) : 0);
    }
    buf_addc(out, ']');
    mss = entry_member(&e, "mss-clamp");
    if (cJSON_IsNumber(mss)) {
        entry_put_name(&e, "mss-clamp");
        buf_addf(out, "%d", mss->valueint);
    } else if (mss) {
        entry_put_text(&e, "mss-clamp", entry_text(&e, "mss-clamp"));
    }
    return entry_end(&e, err);
}

int translate_port(const struct view *view, const cJSON *item, struct buf *out, struct orb_err *err)
{
    const char *mode = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "fast-path"));

    buf_adds(out, "{\"fast-path\":");
    buf_add_json(out, mode ? mode : "auto", mode ? strlen(mode) : 4);
    buf_addc(out, '}');
    return 0;
}

void translate_default(const struct view *view, struct buf *out)
{
    static const char *const names[][2] = {
        {"forward", "drop"}, {"input", "accept"}, {"output", "accept"}};
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(view->firewall, "default");
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(all, "log-limit");

    buf_addc(out, '{');
    for (unsigned i = 0; i < 3; i++) {
        const char *action =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(all, names[i][0]));

        if (!action)
            action = names[i][1];
        buf_addf(out, "%s\"%s\":", i ? "," : "", names[i][0]);
        buf_add_json(out, action, strlen(action));
    }
    if (cJSON_GetObjectItemCaseSensitive(all, "log")) {
        buf_adds(out, ",\"log\":");
        put_words(out, cJSON_GetObjectItemCaseSensitive(all, "log"));
        buf_adds(out, ",\"log-limit\":");
        if (limit)
            put_limit(out, limit);
        else
            buf_adds(out, DEFAULT_LOG_LIMIT);
    }
    buf_addc(out, '}');
}

void translate_path(const char *path, char *to, size_t size)
{
    static const struct {
        const char *theirs, *ours;
    } roots[] = {{"/source-nat", "/firewall/nat/source"},
                 {"/destination-nat", "/firewall/nat/destination"},
                 {"/ports", "/interfaces"},
                 {"/rules", "/firewall/rules"},
                 {"/notrack", "/firewall/notrack"},
                 {"/zones", "/firewall/zones"},
                 {"/default", "/firewall/default"}};

    for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
        size_t n = strlen(roots[i].theirs);

        if (strncmp(path, roots[i].theirs, n) || (path[n] && path[n] != '/'))
            continue;
        snprintf(to, size, "%s%s", roots[i].ours, path + n);
        return;
    }
    snprintf(to, size, "/firewall");
}
