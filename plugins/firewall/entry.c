/* Writing one entry: see entry.h. Everything here fails with the path of the configuration. */
#include <stdio.h>
#include <string.h>

#include "core/base/suggest.h"
#include "plugins/firewall/entry.h"
#include "plugins/firewall/resolve.h"
#include "orbital/read.h"
#include "plugins/lib/near.h"

#define ENTRY_MAX (150 * 1024) /* bytes of one entry: it must fit one frame */

static const struct protocol protocols[] = {
    {"any", "any", 0, false},  {"tcp", "tcp", 0, true},
    {"udp", "udp", 0, true},   {"icmp", "icmp", FAMILY_4, false},
    {"igmp", "2", 0, false},   {"icmpv6", "icmpv6", FAMILY_6, false},
    {"gre", "47", 0, false},   {"esp", "50", 0, false},
    {"ah", "51", 0, false},    {"ospf", "89", 0, false},
    {"pim", "103", 0, false},  {"vrrp", "112", 0, false},
    {"sctp", "132", 0, false}, {"tcp_udp", "tcp_udp", 0, true}};
#define PROTOCOLS (sizeof(protocols) / sizeof(*protocols))

const cJSON *entry_member(const struct entry *e, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(e->item, name);
}

const char *entry_text(const struct entry *e, const char *name)
{
    return cJSON_GetStringValue(entry_member(e, name));
}

static void leaf_path(const struct entry *e, const char *leaf, char path[ORB_ERR_PATH])
{
    snprintf(path, ORB_ERR_PATH, "%s", e->path);
    if (leaf)
        orb_pointer_add(path, ORB_ERR_PATH, leaf);
}

int entry_refuse(const struct entry *e, const char *leaf, const char *text, struct orb_err *err)
{
    char path[ORB_ERR_PATH];

    leaf_path(e, leaf, path);
    return orb_fail_at(err, ORB_E_VETO, path, "%s", text);
}

bool entry_begin(struct entry *e, const struct view *view, const cJSON *item, const char *base,
                 struct buf *out)
{
    *e = (struct entry){.view = view, .item = item, .out = out, .start = out->len};
    snprintf(e->path, sizeof(e->path), "%s", base);
    orb_pointer_add(e->path, sizeof(e->path), item->string);
    if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(item, "enabled"))) {
        buf_adds(out, "null");
        return false;
    }
    e->w = json_write_to(out);
    json_write_object(&e->w, NULL);
    return true;
}

void entry_put_text(struct entry *e, const char *name, const char *text)
{
    json_write_string(&e->w, name, text);
}

int entry_end(struct entry *e, int result, struct orb_err *err)
{
    if (result < 0) {
        json_write_abandon(&e->w);
        return result;
    }
    json_write_end(&e->w);
    if (e->out->len - e->start <= ENTRY_MAX)
        return 0;
    return orb_fail_at(err, ORB_E_LIMIT, e->path,
                       "%zu bytes of addresses and ports after resolving groups; the limit is %d",
                       e->out->len - e->start, ENTRY_MAX);
}

/* Only where a zone can be negated it can be left out as well. */
static void no_zone(const struct entry *e, const char *zone, unsigned allowed, char *text,
                    size_t size)
{
    bool any = !strcmp(zone, "any");
    struct suggest near;
    char hint[64];

    suggest_init(&near, zone);
    near_offer_keys(&near, e->view->zones);
    if (allowed & ZONE_LOCAL)
        suggest_offer(&near, "local");
    snprintf(text, size, "there is no zone \"%s\"%s", zone,
             !any                 ? near_text(&near, hint, sizeof(hint))
             : allowed & ZONE_NOT ? "; leave it out to match any"
                                  : "; name one");
}

int entry_put_zone(struct entry *e, const char *leaf, unsigned allowed, struct orb_err *err)
{
    const char *name = entry_text(e, leaf), *zone = name;
    char text[160];

    if (!name)
        return 0;
    if (*name == '!' && !(allowed & ZONE_NOT))
        return entry_refuse(e, leaf, "a zone cannot be negated here; name one without !", err);
    zone += *name == '!';
    if (!strcmp(zone, "local") && !(allowed & ZONE_LOCAL))
        return entry_refuse(e, leaf, "local is this machine and has no interface; name a zone",
                            err);
    if (strcmp(zone, "local") && !cJSON_GetObjectItemCaseSensitive(e->view->zones, zone)) {
        no_zone(e, zone, allowed, text, sizeof(text));
        return entry_refuse(e, leaf, text, err);
    }
    entry_put_text(e, leaf, name);
    return 0;
}

int entry_put_protocol(struct entry *e, const struct protocol **ret_protocol, unsigned *families,
                       struct orb_err *err)
{
    const char *name = entry_text(e, "protocol");
    char text[120];
    unsigned i = 0;

    *ret_protocol = &protocols[0];
    if (!name)
        return 0;
    while (i < PROTOCOLS && strcmp(protocols[i].name, name))
        i++;
    if (i == PROTOCOLS) {
        snprintf(text, sizeof(text), "there is no protocol \"%s\"", name);
        return entry_refuse(e, "protocol", text, err);
    }
    entry_put_text(e, "protocol", protocols[i].wire);
    *ret_protocol = &protocols[i];
    if (protocols[i].families)
        *families &= protocols[i].families;
    return 0;
}

static int put_addresses(struct entry *e, const char *leaf, unsigned *families, struct orb_err *err)
{
    const cJSON *value = entry_member(e, leaf);
    char path[ORB_ERR_PATH];
    unsigned seen = 0;
    int r;

    if (!value)
        return 0;
    leaf_path(e, leaf, path);
    r = resolve_addresses(e->view, value, path, &e->w, leaf, &seen, err);
    if (r < 0)
        return r;
    if (!(*families & seen))
        return entry_refuse(e, leaf,
                            *families == FAMILY_4
                                ? "only IPv6 addresses here, but the rest of this entry is IPv4"
                                : "only IPv4 addresses here, but the rest of this entry is IPv6",
                            err);
    *families &= seen;
    return 0;
}

static int put_ports(struct entry *e, const char *leaf, const struct protocol *protocol,
                     struct orb_err *err)
{
    const cJSON *value = entry_member(e, leaf);
    char path[ORB_ERR_PATH];

    if (!value)
        return 0;
    if (!protocol->ports)
        return entry_refuse(e, leaf, "ports need protocol tcp or udp, or tcp_udp for both", err);
    leaf_path(e, leaf, path);
    return resolve_ports(e->view, value, path, &e->w, leaf, err);
}

int entry_put_ends(struct entry *e, const struct protocol *protocol, unsigned families,
                   const char *ports, struct orb_err *err)
{
    int r = put_addresses(e, "source", &families, err);

    if (r == 0)
        r = put_addresses(e, "destination", &families, err);
    if (r == 0)
        r = put_ports(e, "source-ports", protocol, err);
    return r == 0 ? put_ports(e, ports, protocol, err) : r;
}
