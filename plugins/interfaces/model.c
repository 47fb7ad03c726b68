/* The configuration of interfaces: parse and check. The schema has seen every value before; what is
 * checked here is what a schema cannot say. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/interfaces/model.h"
#include "plugins/lib/near.h"

#define IPV6_MIN_MTU 1280

static void path_of(char *to, size_t size, const char *name, const char *leaf, int index)
{
    snprintf(to, size, "/interfaces");
    pointer_push(to, size, name);
    if (leaf)
        pointer_push(to, size, leaf);
    if (index >= 0)
        snprintf(to + strlen(to), size - strlen(to), "/%d", index);
}

static int refuse(struct orb_err *err, const struct want *want, int index, const char *why)
{
    char path[ORB_ERR_PATH], text[ADDRESS_TEXT];

    path_of(path, sizeof(path), want->name, "addresses", index);
    return orb_fail_at(err, ORB_E_VETO, path, "%s %s", prefix_text(&want->addrs[index], text), why);
}

/* What keeps a prefix from being the address of an interface; NULL when it can be. */
static const char *unusable(const struct prefix *p)
{
    struct prefix network = prefix_network(p);
    bool v4 = p->address.family == AF_INET, broadcast = v4 && p->len < 31;

    if (address_is_zero(&p->address))
        return "is the unspecified address; expected an address of this machine";
    if (address_is_multicast(&p->address))
        return "is a multicast address; expected an address of this machine";
    if (p->len == 0)
        return "has prefix length 0, which would make the whole Internet a neighbour";
    if ((v4 && p->address.bytes[0] == 127) || (v4 && p->address.bytes[0] >= 240))
        return "is reserved; expected a usable unicast address";
    if (broadcast && prefix_equal(p, &network))
        return "is the network itself; expected an address inside it, such as the first";
    for (unsigned bit = p->len; broadcast && bit < 32; bit++) {
        if (!(p->address.bytes[bit / 8] & (0x80 >> (bit % 8))))
            broadcast = false;
    }
    return broadcast ? "is the broadcast address of its network; expected an address inside it"
                     : NULL;
}

/* Compares address i of want with everything before it. */
static int check_against(const struct wants *wants, const struct want *want, unsigned i,
                         struct orb_err *err)
{
    const struct prefix *p = &want->addrs[i];
    char why[160];

    for (unsigned w = 0; w < wants->count; w++) {
        const struct want *other = &wants->items[w];

        for (unsigned j = 0; j < (other == want ? i : other->addr_count); j++) {
            const struct prefix *q = &other->addrs[j];

            if (address_equal(&p->address, &q->address) &&
                !(other != want && address_is_link_local(&p->address))) {
                snprintf(why, sizeof(why),
                         "is already an address of %s (/interfaces/%s/addresses/%u)", other->name,
                         other->name, j);
                return refuse(err, want, (int)i, why);
            }
            if (other != want && !address_is_link_local(&p->address) && want->enabled &&
                other->enabled && prefix_overlap(p, q)) {
                char text[ADDRESS_TEXT];

                snprintf(why, sizeof(why),
                         "overlaps %s of %s; one network cannot be on two interfaces",
                         prefix_text(q, text), other->name);
                return refuse(err, want, (int)i, why);
            }
        }
        if (other == want)
            break;
    }
    return 0;
}

static int read_addresses(const cJSON *list, struct want *want, struct orb_err *err)
{
    const cJSON *item;
    char path[ORB_ERR_PATH];

    want->addrs = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*want->addrs));
    if (!want->addrs)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the addresses of %s", want->name);
    cJSON_ArrayForEach (item, list) {
        const char *text = cJSON_GetStringValue(item), *wrong;
        struct prefix *p = &want->addrs[want->addr_count];

        wrong = text ? prefix_parse(text, p) : "is not text";
        if (wrong) {
            path_of(path, sizeof(path), want->name, "addresses", (int)want->addr_count);
            return orb_fail_at(err, ORB_E_VETO, path, "\"%s\" %s", text ? text : "", wrong);
        }
        want->addr_count++;
        wrong = unusable(p);
        if (wrong)
            return refuse(err, want, (int)want->addr_count - 1, wrong);
    }
    return 0;
}

static int read_one(const cJSON *item, struct want *want, struct orb_err *err)
{
    const cJSON *mtu = cJSON_GetObjectItemCaseSensitive(item, "mtu");
    const char *note = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "description"));
    char path[ORB_ERR_PATH];

    snprintf(want->name, sizeof(want->name), "%s", item->string);
    snprintf(want->description, sizeof(want->description), "%s", note ? note : "");
    if (strlen(item->string) >= sizeof(want->name)) {
        path_of(path, sizeof(path), item->string, NULL, -1);
        return orb_fail_at(err, ORB_E_VETO, path, "\"%s\" is too long for an interface; at most 15",
                           item->string);
    }
    want->enabled = !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(item, "enabled"));
    want->mtu = cJSON_IsNumber(mtu) ? (unsigned)mtu->valueint : 0;
    return read_addresses(cJSON_GetObjectItemCaseSensitive(item, "addresses"), want, err);
}

static int check_mtu_family(const struct want *want, struct orb_err *err)
{
    char path[ORB_ERR_PATH], text[ADDRESS_TEXT];

    for (unsigned i = 0; want->mtu && want->mtu < IPV6_MIN_MTU && i < want->addr_count; i++) {
        if (want->addrs[i].address.family != AF_INET6)
            continue;
        path_of(path, sizeof(path), want->name, "mtu", -1);
        return orb_fail_at(err, ORB_E_VETO, path,
                           "MTU %u is too small for IPv6 (%s); expected at least %d", want->mtu,
                           prefix_text(&want->addrs[i], text), IPV6_MIN_MTU);
    }
    return 0;
}

int wants_read(const cJSON *interfaces, struct wants *ret_wants, struct orb_err *err)
{
    struct wants wants = {0};
    const cJSON *item;
    int r = 0;

    wants.items = calloc((size_t)cJSON_GetArraySize(interfaces) + 1, sizeof(*wants.items));
    if (!wants.items)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the interfaces");
    cJSON_ArrayForEach (item, interfaces) {
        struct want *want = &wants.items[wants.count++];

        r = read_one(item, want, err);
        if (r == 0)
            r = check_mtu_family(want, err);
        for (unsigned i = 0; r == 0 && i < want->addr_count; i++)
            r = check_against(&wants, want, i, err);
        if (r < 0) {
            wants_fini(&wants);
            return r;
        }
    }
    *ret_wants = wants;
    return 0;
}

void wants_fini(struct wants *wants)
{
    for (unsigned i = 0; i < wants->count; i++)
        free(wants->items[i].addrs);
    free(wants->items);
    *wants = (struct wants){0};
}

const struct want *wants_find(const struct wants *wants, const char *name)
{
    for (unsigned i = 0; i < wants->count; i++) {
        if (!strcmp(wants->items[i].name, name))
            return &wants->items[i];
    }
    return NULL;
}

bool want_has(const struct want *want, const struct prefix *prefix)
{
    for (unsigned i = 0; want && i < want->addr_count; i++) {
        if (prefix_equal(&want->addrs[i], prefix))
            return true;
    }
    return false;
}

static int absent(const struct want *want, const struct rtnl_links *links, struct orb_err *err)
{
    char path[ORB_ERR_PATH], hint[64];
    struct near near;

    near_init(&near, want->name);
    for (unsigned i = 0; i < links->count; i++)
        near_offer(&near, links->items[i].name);
    path_of(path, sizeof(path), want->name, NULL, -1);
    return orb_fail_at(err, ORB_E_VETO, path, "there is no interface %s%s", want->name,
                       near_text(&near, hint, sizeof(hint)));
}

static int check_mtu(const struct want *want, const struct rtnl_link *link, struct orb_err *err)
{
    char path[ORB_ERR_PATH];

    path_of(path, sizeof(path), want->name, "mtu", -1);
    if (want->mtu && want->mtu < link->min_mtu)
        return orb_fail_at(err, ORB_E_VETO, path, "%s cannot have MTU %u; it takes at least %u",
                           want->name, want->mtu, link->min_mtu);
    if (want->mtu && link->max_mtu && want->mtu > link->max_mtu)
        return orb_fail_at(err, ORB_E_VETO, path, "%s cannot have MTU %u; it takes at most %u",
                           want->name, want->mtu, link->max_mtu);
    return 0;
}

/* Does another link, which is not in the configuration, hold one of want's addresses by itself? */
static int check_foreign(const struct wants *wants, const struct want *want,
                         const struct rtnl_links *links, const struct rtnl_addrs *addrs,
                         struct orb_err *err)
{
    for (unsigned i = 0; i < addrs->count; i++) {
        const struct rtnl_addr *a = &addrs->items[i];
        const struct rtnl_link *link = rtnl_link_of(links, a->index);

        if (!link || a->protocol == NETLINK_OURS || wants_find(wants, link->name) ||
            address_is_link_local(&a->prefix.address))
            continue;
        for (unsigned j = 0; j < want->addr_count; j++) {
            char why[120];

            if (!address_equal(&want->addrs[j].address, &a->prefix.address))
                continue;
            snprintf(why, sizeof(why), "is already an address of %s, which is not configured",
                     link->name);
            return refuse(err, want, (int)j, why);
        }
    }
    return 0;
}

int wants_check(const struct wants *wants, const struct rtnl_links *links,
                const struct rtnl_addrs *addrs, bool absent_ok, struct orb_err *err)
{
    for (unsigned i = 0; i < wants->count; i++) {
        const struct want *want = &wants->items[i];
        const struct rtnl_link *link = rtnl_find_link(links, want->name);
        int r;

        if (!link) {
            if (absent_ok)
                continue;
            return absent(want, links, err);
        }
        r = check_mtu(want, link, err);
        if (r == 0)
            r = check_foreign(wants, want, links, addrs, err);
        if (r < 0)
            return r;
    }
    return 0;
}
