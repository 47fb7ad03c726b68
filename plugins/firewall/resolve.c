/* Address and port lists: see resolve.h. A group that resolves to nothing is refused: to the data
 * plane an empty list would mean "any". */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/firewall/resolve.h"
#include "plugins/lib/address.h"
#include "plugins/lib/near.h"

/* One kind of list. add appends one element to out, or says what is wrong with it. */
struct kind {
    const char *what; /* "addresses": the member of a group, too */
    const char *(*add)(const cJSON *item, struct buf *out, unsigned *families);
};

static const char *add_address(const cJSON *item, struct buf *out, unsigned *families)
{
    const char *text = cJSON_GetStringValue(item), *wrong;
    struct address lo, hi;

    if (!text)
        return "is not text";
    wrong = range_parse(text, &lo, &hi);
    if (wrong)
        return wrong;
    *families |= lo.family == AF_INET ? FAMILY_4 : FAMILY_6;
    buf_add_json(out, text, strlen(text));
    return NULL;
}

/* A decimal number of at most five digits up to 65535; -1 otherwise. Moves *text behind it. */
static int port_number(const char **text)
{
    int n = 0, digits = 0;

    for (; **text >= '0' && **text <= '9' && digits < 6; (*text)++, digits++)
        n = n * 10 + (**text - '0');
    return digits && digits < 6 && n <= 65535 ? n : -1;
}

static const char *add_port(const cJSON *item, struct buf *out, unsigned *families)
{
    const char *text = cJSON_GetStringValue(item);
    int lo, hi;

    (void)families;
    if (cJSON_IsNumber(item)) {
        if (item->valueint < 0 || item->valueint > 65535)
            return "is not a port; expected 0 to 65535";
        buf_addf(out, "\"%d\"", item->valueint);
        return NULL;
    }
    if (!text)
        return "is not a port";
    lo = hi = port_number(&text);
    if (*text == '-' && lo >= 0) {
        text++;
        hi = port_number(&text);
    }
    if (lo < 0 || hi < 0 || *text)
        return "is not a port or range of ports; expected 0 to 65535";
    if (lo > hi)
        return "is a range whose first port is above its last";
    if (lo == hi)
        buf_addf(out, "\"%d\"", lo);
    else
        buf_addf(out, "\"%d-%d\"", lo, hi);
    return NULL;
}

static const struct kind addresses = {"addresses", add_address};
static const struct kind ports = {"ports", add_port};

static int wrong_at(const char *path, int index, const cJSON *item, const char *wrong,
                    struct orb_err *err)
{
    char at[ORB_ERR_PATH], number[16];
    const char *text = cJSON_GetStringValue(item);

    snprintf(at, sizeof(at), "%s", path);
    if (index >= 0)
        snprintf(at + strlen(at), sizeof(at) - strlen(at), "/%d", index);
    if (!text) {
        snprintf(number, sizeof(number), "%d", item->valueint);
        text = number;
    }
    return orb_fail_at(err, ORB_E_VETO, at, "\"%s\" %s", text, wrong);
}

static void group_path(const cJSON *group, const struct kind *kind, char *to, size_t size)
{
    snprintf(to, size, "/firewall/groups");
    pointer_push(to, size, group->string);
    pointer_push(to, size, kind->what);
}

/* The elements of a group's list, comma-separated. */
static int add_group(const cJSON *group, const struct kind *kind, struct buf *out,
                     unsigned *families, struct orb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(group, kind->what), *item;
    char path[ORB_ERR_PATH];
    int index = 0;

    cJSON_ArrayForEach (item, list) {
        const char *wrong;

        if (index)
            buf_addc(out, ',');
        wrong = kind->add(item, out, families);
        if (wrong) {
            group_path(group, kind, path, sizeof(path));
            return wrong_at(path, index, item, wrong, err);
        }
        index++;
    }
    return index;
}

/* One element of a rule's list: a literal or @group. */
static int add_element(const struct view *view, const struct kind *kind, const cJSON *item,
                       const char *path, int index, struct buf *out, unsigned *families,
                       struct orb_err *err)
{
    const char *text = cJSON_GetStringValue(item), *wrong;
    const cJSON *group;
    char hint[64], why[160];
    struct near near;
    int r;

    if (!text || text[0] != '@') {
        wrong = kind->add(item, out, families);
        return wrong ? wrong_at(path, index, item, wrong, err) : 0;
    }
    group = cJSON_GetObjectItemCaseSensitive(view->groups, text + 1);
    if (!group) {
        near_init(&near, text + 1);
        near_offer_keys(&near, view->groups);
        if (near.best)
            snprintf(hint, sizeof(hint), "; did you mean @%s?", near.best);
        else
            hint[0] = 0;
        snprintf(why, sizeof(why), "names a group that does not exist%s", hint);
        return wrong_at(path, index, item, why, err);
    }
    r = add_group(group, kind, out, families, err);
    if (r == 0) {
        snprintf(why, sizeof(why), "names a group without %s", kind->what);
        return wrong_at(path, index, item, why, err);
    }
    return r < 0 ? r : 0;
}

static int resolve(const struct view *view, const struct kind *kind, const cJSON *value,
                   const char *path, struct buf *out, unsigned *families, struct orb_err *err)
{
    const cJSON *item;
    int index = 0, r = 0;

    buf_addc(out, '[');
    if (!cJSON_IsArray(value)) {
        r = add_element(view, kind, value, path, -1, out, families, err);
    } else {
        cJSON_ArrayForEach (item, value) {
            if (index)
                buf_addc(out, ',');
            r = add_element(view, kind, item, path, index++, out, families, err);
            if (r < 0)
                break;
        }
        if (!index)
            r = orb_fail_at(err, ORB_E_VETO, path,
                            "an empty list matches nothing; leave it out to match any");
    }
    buf_addc(out, ']');
    return r;
}

int resolve_addresses(const struct view *view, const cJSON *value, const char *path,
                      struct buf *out, unsigned *ret_families, struct orb_err *err)
{
    return resolve(view, &addresses, value, path, out, ret_families, err);
}

int resolve_ports(const struct view *view, const cJSON *value, const char *path, struct buf *out,
                  struct orb_err *err)
{
    unsigned families = 0;

    return resolve(view, &ports, value, path, out, &families, err);
}

int resolve_check_group(const cJSON *group, struct orb_err *err)
{
    struct buf ignored = {0};
    unsigned families = 0;
    int r;

    r = add_group(group, &addresses, &ignored, &families, err);
    if (r >= 0)
        r = add_group(group, &ports, &ignored, &families, err);
    buf_fini(&ignored);
    return r < 0 ? r : 0;
}
