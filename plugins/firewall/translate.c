/* Translates rules, zones and ports into the data plane's entries: see translate.h. The data plane
 * checks everything again; the checks here give better errors: the path of the configuration and a
 * suggested name. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "plugins/firewall/entry.h"
#include "plugins/firewall/translate.h"

/* What no rule names is all the noise of the Internet: without a bound the log would be full of it.
 */
#define DEFAULT_LOG_RATE 10
#define DEFAULT_LOG_BURST 20
#define BURST 5

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
        return entry_refuse(e, "icmp-type", "icmp-type needs protocol icmp or icmpv6", err);
    snprintf(number, sizeof(number), "%d", type->valueint);
    entry_put_text(e, "icmp-type", cJSON_IsNumber(type) ? number : cJSON_GetStringValue(type));
    return 0;
}

/* {"rate", "per", "burst"}, complete. rate, burst: where limit (NULL: none) has none. */
static void put_limit(struct json_write *w, const char *key, const cJSON *limit, int rate,
                      int burst)
{
    const cJSON *given_rate = cJSON_GetObjectItemCaseSensitive(limit, "rate");
    const cJSON *given_burst = cJSON_GetObjectItemCaseSensitive(limit, "burst");
    const char *per = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(limit, "per"));

    json_write_object(w, key);
    json_write_integer(w, "rate", given_rate ? given_rate->valueint : rate);
    json_write_string(w, "per", per ? per : "second");
    json_write_integer(w, "burst", given_burst ? given_burst->valueint : burst);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(limit, "per-source")))
        json_write_boolean(w, "per-source", true);
    json_write_end(w);
}

/* A list of words, or a single one, as an array. */
static void put_words(struct json_write *w, const char *key, const cJSON *value)
{
    const cJSON *item = cJSON_IsArray(value) ? value->child : value;

    json_write_array(w, key);
    for (; item; item = cJSON_IsArray(value) ? item->next : NULL) {
        const char *text = cJSON_GetStringValue(item);

        json_write_string(w, NULL, text ? text : "");
    }
    json_write_end(w);
}

/* Members copied unchanged: the schema and the data plane check them. */
static void put_more(struct entry *e)
{
    static const char *const lists[] = {"source-mac", "tcp-flags", "state"};
    static const char *const texts[] = {"reject-with", "log-prefix"};
    static const char *const limits[] = {"limit", "log-limit"};

    if (cJSON_IsTrue(entry_member(e, "log")))
        json_write_boolean(&e->w, "log", true);
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        if (entry_member(e, lists[i]))
            put_words(&e->w, lists[i], entry_member(e, lists[i]));
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (entry_text(e, texts[i]))
            entry_put_text(e, texts[i], entry_text(e, texts[i]));
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
        if (entry_member(e, limits[i]))
            put_limit(&e->w, limits[i], entry_member(e, limits[i]), 0, BURST);
}

static int put_rule(struct entry *e, struct orb_err *err)
{
    const struct protocol *protocol;
    unsigned families = FAMILY_4 | FAMILY_6;
    int r;

    r = entry_put_zone(e, "from", ZONE_LOCAL | ZONE_NOT, err);
    if (r == 0)
        r = entry_put_zone(e, "to", ZONE_LOCAL | ZONE_NOT, err);
    if (r == 0 && entry_text(e, "from") && entry_text(e, "to") &&
        !strcmp(entry_text(e, "from"), "local") && !strcmp(entry_text(e, "to"), "local"))
        return entry_refuse(e, "to", "packets from this machine to itself are never filtered", err);
    if (r == 0)
        r = entry_put_protocol(e, &protocol, &families, err);
    if (r == 0)
        r = entry_put_ends(e, protocol, families, "destination-ports", err);
    if (r == 0)
        r = put_icmp(e, protocol, err);
    if (r < 0)
        return r;
    if (!entry_text(e, "action"))
        return entry_refuse(e, "action", "expected accept, drop or reject", err);
    entry_put_text(e, "action", entry_text(e, "action"));
    put_more(e);
    return 0;
}

int translate_rule(const struct view *view, const cJSON *item, struct buf *out, struct orb_err *err)
{
    struct entry e;

    if (!entry_begin(&e, view, item, "/firewall/rules", out))
        return 0;
    return entry_end(&e, put_rule(&e, err), err);
}

int translate_zone(const struct view *view, const cJSON *item, struct buf *out, struct orb_err *err)
{
    const cJSON *mss;
    struct entry e;

    if (!entry_begin(&e, view, item, "/firewall/zones", out))
        return 0;
    put_words(&e.w, "interfaces", entry_member(&e, "interfaces"));
    mss = entry_member(&e, "mss-clamp");
    if (cJSON_IsNumber(mss))
        json_write_integer(&e.w, "mss-clamp", mss->valueint);
    else if (mss)
        entry_put_text(&e, "mss-clamp", entry_text(&e, "mss-clamp"));
    return entry_end(&e, 0, err);
}

int translate_port(const struct view *view, const cJSON *item, struct buf *out, struct orb_err *err)
{
    const char *mode = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "fast-path"));
    struct json_write w = json_write_to(out);

    json_write_object(&w, NULL);
    json_write_string(&w, "fast-path", mode ? mode : "auto");
    json_write_end(&w);
    return 0;
}

void translate_default(const struct view *view, struct buf *out)
{
    static const char *const names[][2] = {
        {"forward", "drop"}, {"input", "accept"}, {"output", "accept"}};
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(view->firewall, "default");
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(all, "log-limit");
    struct json_write w = json_write_to(out);

    json_write_object(&w, NULL);
    for (unsigned i = 0; i < 3; i++) {
        const char *action =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(all, names[i][0]));

        json_write_string(&w, names[i][0], action ? action : names[i][1]);
    }
    if (cJSON_GetObjectItemCaseSensitive(all, "log")) {
        put_words(&w, "log", cJSON_GetObjectItemCaseSensitive(all, "log"));
        if (limit)
            put_limit(&w, "log-limit", limit, 0, BURST);
        else
            put_limit(&w, "log-limit", NULL, DEFAULT_LOG_RATE, DEFAULT_LOG_BURST);
    }
    json_write_end(&w);
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
                 {"/groups", "/firewall/groups"},
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
