/* The configuration of interfaces: parse and check. Values were checked by the schema; the checks
 * here are those a schema cannot express. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/suggest.h"
#include "plugins/interfaces/misfit.h"
#include "plugins/interfaces/model.h"
#include "orbital/read.h"
#include "plugins/lib/near.h"

void model_path(char *to, size_t size, const char *name, const char *leaf, int index)
{
    snprintf(to, size, "/interfaces");
    orb_pointer_add(to, size, name);
    if (leaf)
        orb_pointer_add(to, size, leaf);
    if (index >= 0)
        snprintf(to + strlen(to), size - strlen(to), "/%d", index);
}

static int refuse(struct orb_err *err, const struct desired *desired, int index, const char *why)
{
    char path[ORB_ERR_PATH], text[ADDRESS_TEXT];

    model_path(path, sizeof(path), desired->name, "addresses", (int)desired->places[index]);
    return orb_fail_at(err, ORB_E_VETO, path, "%s %s", prefix_text(&desired->addrs[index], text),
                       why);
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

/* Compares address i of desired with everything before it. */
static int check_against(const struct desired_list *desired_list, const struct desired *desired,
                         unsigned i, struct orb_err *err)
{
    const struct prefix *p = &desired->addrs[i];
    char why[160];

    for (unsigned w = 0; w < desired_list->count; w++) {
        const struct desired *other = &desired_list->items[w];

        for (unsigned j = 0; j < (other == desired ? i : other->addr_count); j++) {
            const struct prefix *q = &other->addrs[j];

            if (address_equal(&p->address, &q->address) &&
                !(other != desired && address_is_link_local(&p->address))) {
                snprintf(why, sizeof(why),
                         "is already an address of %s (/interfaces/%s/addresses/%u)", other->name,
                         other->name, other->places[j]);
                return refuse(err, desired, (int)i, why);
            }
            if (other != desired && !address_is_link_local(&p->address) && desired->enabled &&
                other->enabled && prefix_overlap(p, q)) {
                char text[ADDRESS_TEXT];

                snprintf(why, sizeof(why),
                         "overlaps %s of %s; one network cannot be on two interfaces",
                         prefix_text(q, text), other->name);
                return refuse(err, desired, (int)i, why);
            }
        }
        if (other == desired)
            break;
    }
    return 0;
}

/* With left_out the error becomes a note there. */
static int tolerate(int r, const struct orb_err *why, struct misfits *left_out)
{
    char key[128];

    if (r != ORB_E_VETO || !left_out)
        return r;
    snprintf(key, sizeof(key), "value:%.120s", why->path);
    misfit_add(left_out, key, why->path, why->text, "correct it and commit");
    return 0;
}

static int read_address(const struct desired_list *desired_list, const char *text, unsigned place,
                        struct desired *desired, struct orb_err *err)
{
    unsigned at = desired->addr_count;
    struct prefix *p = &desired->addrs[at];
    char path[ORB_ERR_PATH];
    const char *wrong = text ? prefix_parse(text, p) : "is not text";
    int r;

    if (wrong) {
        model_path(path, sizeof(path), desired->name, "addresses", (int)place);
        return orb_fail_at(err, ORB_E_VETO, path, "\"%s\" %s", text ? text : "", wrong);
    }
    desired->places[at] = place;
    wrong = unusable(p);
    r = wrong ? refuse(err, desired, (int)at, wrong)
              : check_against(desired_list, desired, at, err);
    desired->addr_count += r == 0;
    return r;
}

static int read_addresses(const struct desired_list *desired_list, const cJSON *list,
                          struct desired *desired, struct misfits *left_out, struct orb_err *err)
{
    size_t count = (size_t)cJSON_GetArraySize(list) + 1;
    const cJSON *item;
    unsigned place = 0;

    desired->addrs = calloc(count, sizeof(*desired->addrs));
    desired->places = calloc(count, sizeof(*desired->places));
    desired->duplicate = calloc(count, sizeof(*desired->duplicate));
    if (!desired->addrs || !desired->places || !desired->duplicate)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the addresses of %s", desired->name);
    cJSON_ArrayForEach (item, list) {
        struct orb_err why = {0};
        int r = read_address(desired_list, cJSON_GetStringValue(item), place++, desired, &why);

        r = tolerate(r, &why, left_out);
        if (r < 0) {
            if (err)
                *err = why;
            return r;
        }
    }
    return 0;
}

/* One interface; all but its addresses. */
ORB_FIELDS(want_fields, "/*") = {
    ORB_FIELD_TEXT("description", struct desired, description, NULL),
    ORB_FIELD_INT("mtu", struct desired, mtu, 0),
    ORB_FIELD_BOOL("enabled", struct desired, enabled, true),
    ORB_FIELD_OTHER("fast-path"), /* the firewall service reads it */
    ORB_FIELDS_END,
};

static int read_one(const cJSON *item, struct desired *desired, struct orb_err *err)
{
    char path[ORB_ERR_PATH];
    struct orb_err why;

    snprintf(desired->name, sizeof(desired->name), "%s", item->string);
    if (strlen(item->string) >= sizeof(desired->name)) {
        model_path(path, sizeof(path), item->string, NULL, -1);
        return orb_fail_at(err, ORB_E_VETO, path, "\"%s\" is too long for an interface; at most 15",
                           item->string);
    }
    if (orb_read(want_fields, item, desired, &why) == 0)
        return 0;
    model_path(path, sizeof(path), item->string, NULL, -1);
    return orb_fail_at(err, why.code == ORB_E_NOMEM ? ORB_E_NOMEM : ORB_E_VETO, path, "%s",
                       why.text);
}

static int check_mtu_family(const struct desired *desired, struct orb_err *err)
{
    char path[ORB_ERR_PATH], text[ADDRESS_TEXT];

    for (unsigned i = 0; desired->mtu && desired->mtu < WANT_MTU_IPV6 && i < desired->addr_count;
         i++) {
        if (desired->addrs[i].address.family != AF_INET6)
            continue;
        model_path(path, sizeof(path), desired->name, "mtu", -1);
        return orb_fail_at(
            err, ORB_E_VETO, path, "MTU %u is too small for IPv6 (%s); expected at least %d",
            (unsigned)desired->mtu, prefix_text(&desired->addrs[i], text), WANT_MTU_IPV6);
    }
    return 0;
}

/* One more interface at the end of the list; on failure it is not there. */
static int add_one(struct desired_list *desired_list, const cJSON *item, struct misfits *left_out,
                   struct orb_err *err)
{
    struct desired *desired = &desired_list->items[desired_list->count];
    int r = read_one(item, desired, err);

    if (r < 0)
        return r;
    desired_list->count++;
    r = read_addresses(desired_list, cJSON_GetObjectItemCaseSensitive(item, "addresses"), desired,
                       left_out, err);
    return r < 0 ? r : check_mtu_family(desired, err);
}

int model_read(const cJSON *interfaces, bool tolerant, struct desired_list *desired_list,
               struct orb_err *err)
{
    struct misfits *left_out = tolerant ? &desired_list->left_out : NULL;
    const cJSON *item;

    desired_list->items =
        calloc((size_t)cJSON_GetArraySize(interfaces) + 1, sizeof(*desired_list->items));
    if (!desired_list->items)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the interfaces");
    cJSON_ArrayForEach (item, interfaces) {
        struct orb_err why = {0};
        int r = tolerate(add_one(desired_list, item, left_out, &why), &why, left_out);

        if (r < 0) {
            if (err)
                *err = why;
            return r;
        }
    }
    return 0;
}

void model_fini(struct desired_list *desired_list)
{
    for (unsigned i = 0; i < desired_list->count; i++) {
        orb_read_free(want_fields, &desired_list->items[i]);
        free(desired_list->items[i].addrs);
        free(desired_list->items[i].places);
        free(desired_list->items[i].duplicate);
    }
    free(desired_list->items);
    misfit_fini(&desired_list->left_out);
    *desired_list = (struct desired_list){0};
}

void model_remember(const struct desired_list *from, struct desired_list *to)
{
    for (unsigned i = 0; i < to->count; i++) {
        struct desired *desired = &to->items[i];
        const struct desired *was = model_find(from, desired->name);

        if (!was || was == desired)
            continue;
        desired->state_pending = was->state_pending && was->enabled == desired->enabled;
        desired->dad_next_ms = was->dad_next_ms;
        desired->dad_pause_ms = was->dad_pause_ms;
        desired->ordered_ms = was->ordered_ms;
        desired->ordered = was->ordered;
        desired->link_local = was->link_local;
        memcpy(desired->link_local_mac, was->link_local_mac, sizeof(desired->link_local_mac));
        for (unsigned j = 0; j < desired->addr_count; j++) {
            for (unsigned k = 0; k < was->addr_count; k++) {
                if (prefix_equal(&desired->addrs[j], &was->addrs[k]))
                    desired->duplicate[j] = was->duplicate[k];
            }
        }
    }
}

struct desired *model_find(const struct desired_list *desired_list, const char *name)
{
    for (unsigned i = 0; i < desired_list->count; i++) {
        if (!strcmp(desired_list->items[i].name, name))
            return &desired_list->items[i];
    }
    return NULL;
}

bool model_has(const struct desired *desired, const struct prefix *prefix)
{
    for (unsigned i = 0; desired && i < desired->addr_count; i++) {
        if (prefix_equal(&desired->addrs[i], prefix))
            return true;
    }
    return false;
}

static int absent(const struct desired *desired, const struct rtnl_links *links,
                  struct orb_err *err)
{
    char path[ORB_ERR_PATH], hint[64];
    struct suggest near;

    suggest_init(&near, desired->name);
    for (unsigned i = 0; i < links->count; i++)
        suggest_offer(&near, links->items[i].name);
    model_path(path, sizeof(path), desired->name, NULL, -1);
    return orb_fail_at(err, ORB_E_VETO, path, "there is no interface \"%s\"%s", desired->name,
                       near_text(&near, hint, sizeof(hint)));
}

int model_check_mtu(const struct desired *desired, const struct rtnl_link *link,
                    struct orb_err *err)
{
    char path[ORB_ERR_PATH];

    model_path(path, sizeof(path), desired->name, "mtu", -1);
    if (desired->mtu && desired->mtu < link->min_mtu)
        return orb_fail_at(err, ORB_E_VETO, path, "%s cannot have MTU %u; it takes at least %u",
                           desired->name, (unsigned)desired->mtu, link->min_mtu);
    if (desired->mtu && link->max_mtu && desired->mtu > link->max_mtu)
        return orb_fail_at(err, ORB_E_VETO, path, "%s cannot have MTU %u; it takes at most %u",
                           desired->name, (unsigned)desired->mtu, link->max_mtu);
    return 0;
}

/* Whether another link, not in the configuration, has the address. */
int model_check_foreign(const struct desired_list *desired_list, const struct desired *desired,
                        unsigned index, const struct rtnl_links *links,
                        const struct rtnl_addrs *addrs, struct orb_err *err)
{
    const struct address *address = &desired->addrs[index].address;

    if (address_is_link_local(address))
        return 0;
    for (unsigned i = 0; i < addrs->count; i++) {
        const struct rtnl_addr *a = &addrs->items[i];
        const struct rtnl_link *link;
        char why[120];

        if (a->protocol == NETLINK_OURS || !address_equal(address, &a->prefix.address))
            continue;
        link = rtnl_link_of(links, a->index);
        if (!link || model_find(desired_list, link->name))
            continue;
        snprintf(why, sizeof(why), "is already an address of %s, which is not configured",
                 link->name);
        return refuse(err, desired, (int)index, why);
    }
    return 0;
}

int model_check(const struct desired_list *old, const struct desired_list *desired_list,
                const struct rtnl_links *links, const struct rtnl_addrs *addrs, struct orb_err *err)
{
    for (unsigned i = 0; i < desired_list->count; i++) {
        const struct desired *desired = &desired_list->items[i],
                             *was = model_find(old, desired->name);
        const struct rtnl_link *link = rtnl_link_find(links, desired->name);
        int r = 0;

        if (!link && !was)
            return absent(desired, links, err);
        if (!link)
            continue;
        if (!was || was->mtu != desired->mtu)
            r = model_check_mtu(desired, link, err);
        for (unsigned j = 0; r == 0 && j < desired->addr_count; j++) {
            if (!model_has(was, &desired->addrs[j]))
                r = model_check_foreign(desired_list, desired, j, links, addrs, err);
        }
        if (r < 0)
            return r;
    }
    return 0;
}
