/* NAT entries: see translate.h. One target address decides the family. */
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/firewall/entry.h"
#include "plugins/firewall/nat.h"
#include "plugins/firewall/resolve.h"
#include "plugins/firewall/translate.h"

/* The address in translate-to, without its port; its family narrows families. */
static int put_target(struct entry *e, unsigned *families, struct orb_err *err)
{
    const char *to = entry_text(e, "translate-to");
    unsigned family = to && strchr(to, ':') != strrchr(to, ':') ? FAMILY_6 : FAMILY_4;

    if (!to)
        return 0;
    if (!(*families & family))
        return entry_refuse(e, "translate-to",
                            family == FAMILY_4 ? "is IPv4, but the rest of this entry is IPv6"
                                               : "is IPv6, but the rest of this entry is IPv4",
                            err);
    *families = family;
    entry_put_text(e, "translate-to", to);
    return 0;
}

/* What both kinds match: protocol, target (which decides the family), addresses, ports. */
static int put_matches(struct entry *e, const char *ports, struct orb_err *err)
{
    unsigned families = FAMILY_4 | FAMILY_6;
    const struct protocol *protocol;
    int r = entry_put_protocol(e, &protocol, &families, err);

    if (r == 0)
        r = put_target(e, &families, err);
    return r == 0 ? entry_put_ends(e, protocol, families, ports, err) : r;
}

/* "none", "exclude": an exception. */
static bool is_exception(const char *action)
{
    return !strcmp(action, "none") || !strcmp(action, "exclude");
}

static int check_exception(const struct entry *e, struct orb_err *err)
{
    return entry_text(e, "translate-to")
               ? entry_refuse(e, "translate-to",
                              "an exception translates nothing; leave this out, or the action", err)
               : 0;
}

static int put_source(struct entry *e, struct orb_err *err)
{
    const char *action = entry_text(e, "action");
    int r;

    if (!action)
        action = entry_text(e, "translate-to") ? "snat" : "masquerade";
    if (!entry_text(e, "to"))
        return entry_refuse(e, "to", "source NAT needs the zone packets leave to", err);
    if (!strcmp(action, "masquerade") && entry_text(e, "translate-to"))
        return entry_refuse(e, "translate-to",
                            "masquerade takes the interface's address; leave this out or use "
                            "action snat",
                            err);
    if (!strcmp(action, "snat") && !entry_text(e, "translate-to"))
        return entry_refuse(e, "action", "snat needs an address in translate-to", err);
    r = is_exception(action) ? check_exception(e, err) : 0;
    if (r == 0)
        r = entry_put_zone(e, "to", 0, err);
    if (r == 0)
        r = put_matches(e, "destination-ports", err);
    if (r < 0)
        return r;
    entry_put_text(e, "action", is_exception(action) ? "none" : action);
    return 0;
}

int nat_source(const struct view *view, const cJSON *item, struct buf *out, struct orb_err *err)
{
    struct entry e;

    if (!entry_begin(&e, view, item, "/firewall/nat/source", out))
        return 0;
    return entry_end(&e, put_source(&e, err), err);
}

int nat_notrack(const struct view *view, const cJSON *item, struct buf *out, struct orb_err *err)
{
    unsigned families = FAMILY_4 | FAMILY_6;
    const struct protocol *protocol;
    const char *action;
    struct entry e;
    int r;

    if (!entry_begin(&e, view, item, "/firewall/notrack", out))
        return 0;
    action = entry_text(&e, "action");
    r = entry_put_zone(&e, "from", ZONE_LOCAL | ZONE_NOT, err);
    if (r == 0)
        r = entry_put_protocol(&e, &protocol, &families, err);
    if (r == 0)
        r = entry_put_ends(&e, protocol, families, "destination-ports", err);
    if (r == 0)
        entry_put_text(&e, "action", action && is_exception(action) ? "none" : "notrack");
    return entry_end(&e, r, err);
}

/* The target names one port. */
static bool has_one_port(const char *to)
{
    const char *port = !to                                   ? NULL
                       : *to == '['                          ? strstr(to, "]:")
                       : strchr(to, ':') == strrchr(to, ':') ? strchr(to, ':')
                                                             : NULL;

    return port && !strchr(port, '-');
}

bool nat_folds(const struct view *view, const cJSON *item)
{
    const cJSON *port = cJSON_GetObjectItemCaseSensitive(item, "port");
    const char *to = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "translate-to"));
    AUTO(buf) struct buf ports = {0};
    struct json_write w = json_write_to(&ports);
    bool several = !port;

    if (!has_one_port(to) || cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "fold")) ||
        cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(item, "enabled")))
        return false;
    if (port && resolve_ports(view, port, "", &w, NULL, NULL) == 0)
        several = strpbrk(buf_str(&ports), ",-!") != NULL;
    return several;
}

static int put_destination(struct entry *e, struct orb_err *err)
{
    const char *action = entry_text(e, "action");
    int r = 0;

    if (!entry_text(e, "from"))
        return entry_refuse(e, "from", "destination NAT needs the zone packets come from, or local",
                            err);
    if (action && is_exception(action))
        r = check_exception(e, err);
    else if (!entry_text(e, "translate-to"))
        return entry_refuse(e, "translate-to", "destination NAT needs the real destination", err);
    if (r == 0)
        r = entry_put_zone(e, "from", ZONE_LOCAL, err);
    if (r == 0)
        r = put_matches(e, "port", err);
    if (r < 0)
        return r;
    if (action && is_exception(action))
        entry_put_text(e, "action", "none");
    /* Only with `fold`, or if configured before that existed. */
    if (cJSON_IsTrue(entry_member(e, "fold")) || (e->view->old && nat_folds(e->view, e->item)))
        json_write_boolean(&e->w, "fold", true);
    return 0;
}

int nat_destination(const struct view *view, const cJSON *item, struct buf *out,
                    struct orb_err *err)
{
    struct entry e;

    if (!entry_begin(&e, view, item, "/firewall/nat/destination", out))
        return 0;
    return entry_end(&e, put_destination(&e, err), err);
}
