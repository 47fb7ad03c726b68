/* NAT entries: see translate.h. One target address decides the family. */
#include <stdio.h>
#include <string.h>

#include "plugins/firewall/entry.h"

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

int translate_source_nat(const struct view *view, const cJSON *item, struct buf *out,
                         struct orb_err *err)
{
    const struct protocol *protocol;
    unsigned families = FAMILY_4 | FAMILY_6;
    const char *action;
    struct entry e;
    int r;

    if (!entry_begin(&e, view, item, "/firewall/nat/source", out))
        return 0;
    action = entry_text(&e, "action");
    if (!action)
        action = entry_text(&e, "translate-to") ? "snat" : "masquerade";
    if (!entry_text(&e, "to"))
        return entry_refuse(&e, "to", "source NAT needs the zone packets leave to", err);
    if (!strcmp(action, "masquerade") && entry_text(&e, "translate-to"))
        return entry_refuse(&e, "translate-to",
                            "masquerade takes the interface's address; leave this out or use "
                            "\"action\": \"snat\"",
                            err);
    if (!strcmp(action, "snat") && !entry_text(&e, "translate-to"))
        return entry_refuse(&e, "action", "snat needs an address in translate-to", err);
    r = entry_put_zone(&e, "to", false, err);
    if (r == 0)
        r = entry_put_protocol(&e, &protocol, err);
    if (r == 0 && protocol->families)
        families = protocol->families;
    if (r == 0)
        r = put_target(&e, &families, err);
    if (r == 0)
        r = entry_put_addresses(&e, "source", &families, err);
    if (r < 0)
        return r;
    entry_put_text(&e, "action", action);
    return entry_end(&e, err);
}

int translate_destination_nat(const struct view *view, const cJSON *item, struct buf *out,
                              struct orb_err *err)
{
    const struct protocol *protocol;
    unsigned families = FAMILY_4 | FAMILY_6;
    const cJSON *port;
    struct entry e;
    int r;

    if (!entry_begin(&e, view, item, "/firewall/nat/destination", out))
        return 0;
    if (!entry_text(&e, "from"))
        return entry_refuse(&e, "from", "destination NAT needs the zone packets come from", err);
    if (!entry_text(&e, "translate-to"))
        return entry_refuse(&e, "translate-to", "destination NAT needs the real destination", err);
    r = entry_put_zone(&e, "from", false, err);
    if (r == 0)
        r = entry_put_protocol(&e, &protocol, err);
    if (r == 0 && protocol->families)
        families = protocol->families;
    if (r == 0)
        r = put_target(&e, &families, err);
    if (r == 0)
        r = entry_put_addresses(&e, "destination", &families, err);
    port = entry_member(&e, "port");
    if (r == 0 && port) {
        char number[16];

        if (!protocol->ports)
            return entry_refuse(&e, "port", "a port needs \"protocol\": \"tcp\" or \"udp\"", err);
        snprintf(number, sizeof(number), "%d", port->valueint);
        entry_put_text(&e, "port", cJSON_IsNumber(port) ? number : cJSON_GetStringValue(port));
    }
    return r < 0 ? r : entry_end(&e, err);
}
