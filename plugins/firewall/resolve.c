/* Address and port lists: see resolve.h. A group that resolves to nothing is refused: to the data
 * plane an empty list would mean "any". */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "plugins/firewall/resolve.h"
#include "plugins/firewall/services.h"
#include "plugins/lib/prefix.h"
#include "orbital/read.h"
#include "plugins/lib/near.h"

#define LARGE 256 /* elements of a group from which on it is named */

/* Families of what is in a list, and of what "!" takes out of it. */
struct seen {
    unsigned in, out;
};

/* One element: text without its "!", NULL when it is a number. */
struct element {
    const cJSON *item;
    const char *text;
    bool negated;
};

/* One kind of list. add appends one element to out; false: why has the reason. */
struct kind {
    const char *what; /* "addresses": the member of a group, too */
    bool (*add)(const struct element *element, struct json_write *out, struct seen *seen,
                char why[160]);
};

static bool say(char why[160], const char *text)
{
    snprintf(why, 160, "%s", text);
    return false;
}

static bool add_address(const struct element *element, struct json_write *out, struct seen *seen,
                        char why[160])
{
    const char *wrong;
    struct address lo, hi;

    if (!element->text)
        return say(why, "is not text");
    wrong = prefix_parse_range(element->text, &lo, &hi);
    if (wrong)
        return say(why, wrong);
    *(element->negated ? &seen->out : &seen->in) |= lo.family == AF_INET ? FAMILY_4 : FAMILY_6;
    json_write_format(out, NULL, "%s%s", element->negated ? "!" : "", element->text);
    return true;
}

/* A decimal number of at most five digits up to 65535; -1 otherwise. Advances *text past it. */
static int port_number(const char **text)
{
    int n = 0, digits = 0;

    for (; **text >= '0' && **text <= '9' && digits < 6; (*text)++, digits++)
        n = n * 10 + (**text - '0');
    return digits && digits < 6 && n <= 65535 ? n : -1;
}

/* A port, a range, or the name of a service. */
static bool parse_ports(const char *text, int *ret_lo, int *ret_hi, char why[160])
{
    int lo, hi;

    if (*text >= 'a' && *text <= 'z') {
        *ret_lo = *ret_hi = service_port(text, why, 160);
        return *ret_lo >= 0;
    }
    lo = hi = port_number(&text);
    if (*text == '-' && lo >= 0) {
        text++;
        hi = port_number(&text);
    }
    if (lo < 0 || hi < 0 || *text)
        return say(why, "is not a port or range of ports; expected 0 to 65535, or a name like "
                        "https");
    if (lo > hi)
        return say(why, "is a range whose first port is above its last");
    *ret_lo = lo;
    *ret_hi = hi;
    return true;
}

static bool add_port(const struct element *element, struct json_write *out, struct seen *seen,
                     char why[160])
{
    int lo = element->item->valueint, hi = lo;

    if (!element->text && !cJSON_IsNumber(element->item))
        return say(why, "is not a port");
    if (!element->text && (lo < 0 || lo > 65535))
        return say(why, "is not a port; expected 0 to 65535");
    if (element->text && !parse_ports(element->text, &lo, &hi, why))
        return false;
    if (lo != hi)
        json_write_format(out, NULL, "%s%d-%d", element->negated ? "!" : "", lo, hi);
    else
        json_write_format(out, NULL, "%s%d", element->negated ? "!" : "", lo);
    return true;
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
    orb_pointer_add(to, size, group->string);
    orb_pointer_add(to, size, kind->what);
}

/* The elements of a group's list; how many. */
static int add_group(const cJSON *group, const struct kind *kind, bool negated,
                     struct json_write *out, struct seen *seen, struct orb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(group, kind->what), *item;
    char path[ORB_ERR_PATH], why[160];
    int index = 0;

    cJSON_ArrayForEach (item, list) {
        struct element element = {item, cJSON_GetStringValue(item), negated};

        if (!kind->add(&element, out, seen, why)) {
            group_path(group, kind, path, sizeof(path));
            return wrong_at(path, index, item, why, err);
        }
        index++;
    }
    return index;
}

bool resolve_is_large(const cJSON *list)
{
    const cJSON *item;
    int count = 0;

    cJSON_ArrayForEach (item, list)
        if (++count >= LARGE)
            return true;
    return false;
}

/* A large group is named; its elements are checked where they are sent. */
static int name_group(const cJSON *group, const struct kind *kind, bool negated,
                      struct json_write *out, struct seen *seen)
{
    unsigned *families = negated ? &seen->out : &seen->in;
    const cJSON *item;

    if (kind == &addresses)
        cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive(group, kind->what)) {
            const char *text = cJSON_GetStringValue(item);

            *families |= text && strchr(text, ':') ? FAMILY_6 : FAMILY_4;
        }
    json_write_format(out, NULL, "%s@%s", negated ? "!" : "", group->string);
    return 0;
}

int resolve_group_element(const cJSON *group, const char *list, const cJSON *item, int index,
                          struct json_write *out, struct orb_err *err)
{
    const struct kind *kind = strcmp(list, addresses.what) ? &ports : &addresses;
    struct element element = {item, cJSON_GetStringValue(item), false};
    char path[ORB_ERR_PATH], why[160];
    struct seen seen = {0};

    if (kind->add(&element, out, &seen, why))
        return 0;
    group_path(group, kind, path, sizeof(path));
    return wrong_at(path, index, item, why, err);
}

/* One element of a rule's list: a literal or @group, with "!" before it what is not meant. */
static int add_element(const struct view *view, const struct kind *kind, const cJSON *item,
                       const char *path, int index, struct json_write *out, struct seen *seen,
                       struct orb_err *err)
{
    struct element element = {item, cJSON_GetStringValue(item), false};
    const cJSON *group;
    char hint[64], why[160];
    struct suggest near;
    int r;

    element.negated = element.text && *element.text == '!';
    if (element.negated)
        element.text++;
    if (element.text && !strcmp(element.text, "any"))
        return wrong_at(path, index, item, "is no value here; leave it out to match any", err);
    if (!element.text || element.text[0] != '@')
        return kind->add(&element, out, seen, why) ? 0 : wrong_at(path, index, item, why, err);
    group = cJSON_GetObjectItemCaseSensitive(view->groups, element.text + 1);
    if (!group) {
        suggest_init(&near, element.text + 1);
        near_offer_keys(&near, view->groups);
        snprintf(hint, sizeof(hint), "%s%s%s", near.best ? "; did you mean @" : "",
                 near.best ? near.best : "", near.best ? "?" : "");
        snprintf(why, sizeof(why), "names a group that does not exist%s", hint);
        return wrong_at(path, index, item, why, err);
    }
    if (resolve_is_large(cJSON_GetObjectItemCaseSensitive(group, kind->what)))
        return name_group(group, kind, element.negated, out, seen);
    r = add_group(group, kind, element.negated, out, seen, err);
    if (r == 0) {
        snprintf(why, sizeof(why), "names a group without %s", kind->what);
        return wrong_at(path, index, item, why, err);
    }
    return r < 0 ? r : 0;
}

static int resolve(const struct view *view, const struct kind *kind, const cJSON *value,
                   const char *path, struct json_write *out, const char *key, struct seen *seen,
                   struct orb_err *err)
{
    const cJSON *item;
    int index = 0, r = 0;

    json_write_array(out, key);
    if (!cJSON_IsArray(value)) {
        r = add_element(view, kind, value, path, -1, out, seen, err);
    } else {
        cJSON_ArrayForEach (item, value) {
            r = add_element(view, kind, item, path, index++, out, seen, err);
            if (r < 0)
                break;
        }
        if (!index)
            r = orb_fail_at(err, ORB_E_VETO, path,
                            "an empty list matches nothing; leave it out to match any");
    }
    json_write_end(out);
    return r;
}

int resolve_addresses(const struct view *view, const cJSON *value, const char *path,
                      struct json_write *out, const char *key, unsigned *ret_families,
                      struct orb_err *err)
{
    struct seen seen = {0};
    int r = resolve(view, &addresses, value, path, out, key, &seen, err);

    *ret_families |= seen.in ? seen.in : seen.out;
    return r;
}

int resolve_ports(const struct view *view, const cJSON *value, const char *path,
                  struct json_write *out, const char *key, struct orb_err *err)
{
    struct seen seen = {0};

    return resolve(view, &ports, value, path, out, key, &seen, err);
}

int resolve_check_group(const cJSON *group, struct orb_err *err)
{
    static const struct kind *const kinds[] = {&addresses, &ports};
    AUTO(buf) struct buf ignored = {0};
    struct json_write w = json_write_to(&ignored);
    struct seen seen = {0};
    int r = 0;

    json_write_array(&w, NULL);
    for (size_t i = 0; r >= 0 && i < ARRAY_LEN(kinds); i++)
        if (!resolve_is_large(cJSON_GetObjectItemCaseSensitive(group, kinds[i]->what)))
            r = add_group(group, kinds[i], false, &w, &seen, err);
    json_write_end(&w);
    return r < 0 ? r : 0;
}
