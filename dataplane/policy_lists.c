/* Lists of addresses and ports of a `put` payload. "!" excludes an element: from those beside it,
 * or, where all have it, from everything. The result is plain sorted ranges, so no later code deals
 * with exclusions. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/policy_internal.h"

/* A list being read: what is in, and what is out (NULL unless anything is). */
struct ranges {
    struct policy_range *in, *out;
    unsigned in_count, out_count;
};

struct port_list {
    struct policy_ports *in, *out;
    unsigned in_count, out_count;
};

static inline void own_ranges(struct ranges *ranges)
{
    free(ranges->in);
    free(ranges->out);
}

static inline void own_port_list(struct port_list *list)
{
    free(list->in);
    free(list->out);
}

/* The group that an element names: "@mail", "!@mail". NULL: it names none. */
static const char *group_name(const json_t *item)
{
    const char *text = json_string_value(item);

    if (text && *text == '!')
        text++;
    return text && *text == '@' ? text + 1 : NULL;
}

static const struct policy_group *find_group(const struct policy_groups *groups, const char *name,
                                             const struct place *at, struct orb_err *err)
{
    const struct policy_group *group = groups ? policy_group_find(groups, name) : NULL;

    if (!group)
        policy_read_fail(
            at, err, "there is no group \"%.40s\"; groups are put before what names them", name);
    return group;
}

/* Elements of a list with its groups written out; 0: a group that is named does not exist. */
static size_t list_size(const json_t *value, const struct policy_groups *groups, bool ports,
                        const struct place *at, struct orb_err *err)
{
    size_t size = 0;

    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *name = group_name(json_array_get(value, i));
        struct place here = {at, NULL, i};
        const struct policy_group *group = name ? find_group(groups, name, &here, err) : NULL;

        if (name && !group)
            return 0;
        size += !name ? 1 : ports ? group->port_count : group->range_count;
    }
    return size + 1;
}

/* One element: count of them, of a group or one that was read. size: room for all of a list. */
static int add_ranges(struct ranges *ranges, size_t size, bool out, const struct policy_range *read,
                      unsigned count, struct orb_err *err)
{
    struct policy_range **list = out ? &ranges->out : &ranges->in;
    unsigned *have = out ? &ranges->out_count : &ranges->in_count;

    if (!*list)
        *list = calloc(size, sizeof(**list));
    if (!*list)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu addresses", size);
    if (count)
        memcpy(*list + *have, read, count * sizeof(*read));
    *have += count;
    return 0;
}

static int read_range(struct ranges *ranges, const struct policy_groups *groups, size_t size,
                      const json_t *item, const struct place *at, struct orb_err *err)
{
    const char *text = json_string_value(item), *name = group_name(item), *why;
    const struct policy_group *group = name ? policy_group_find(groups, name) : NULL;
    bool out = text && *text == '!';
    struct policy_range read;

    if (!text)
        return policy_read_expected(at, "an address as text", item, err);
    if (group && !group->range_count)
        return policy_read_fail(at, err, "group \"%s\" has no addresses", name);
    if (group)
        return add_ranges(ranges, size, out, group->ranges, group->range_count, err);
    if (!policy_text_parse_range(text + out, &read, &why))
        return policy_read_fail(at, err, "%s; got \"%.80s\"", why, text);
    return add_ranges(ranges, size, out, &read, 1, err);
}

/* Ends reading: the merged list, without what is out. */
static int keep_ranges(struct ranges *ranges, struct policy_range **ret_ranges, unsigned *ret_count,
                       const struct place *at, struct orb_err *err)
{
    size_t size = (size_t)ranges->in_count + ranges->out_count + 2;

    if (!ranges->out) {
        *ret_count = policy_set_merge_ranges(ranges->in, ranges->in_count);
        *ret_ranges = take_ptr(ranges->in);
        return 0;
    }
    *ret_ranges = calloc(size, sizeof(**ret_ranges));
    if (!*ret_ranges)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu addresses", size);
    *ret_count = policy_set_exclude_ranges(ranges->in, ranges->in_count, ranges->out,
                                           ranges->out_count, *ret_ranges);
    return *ret_count
               ? 0
               : policy_read_fail(at, err, "matches nothing: every address is taken out by \"!\"");
}

/* The large group that is all of the list; NULL: it is to be written out. */
static struct policy_group *only_group(const json_t *value, const struct policy_groups *groups)
{
    const char *text = json_string_value(json_array_get(value, 0));
    struct policy_group *group = NULL;

    if (groups && json_array_size(value) == 1 && text && *text == '@')
        group = policy_group_find(groups, text + 1);
    return group && group->range_count >= POLICY_GROUP_SHARED ? group : NULL;
}

static int too_many(size_t size, const char *what, const struct place *at, struct orb_err *err)
{
    policy_read_fail(at, err,
                     "%zu %s in one list; the limit is %d (a list that is one group has no such "
                     "limit)",
                     size, what, POLICY_MAX_LIST);
    return err ? (err->code = ORB_E_LIMIT) : ORB_E_LIMIT;
}

int policy_lists_read_ranges(const json_t *value, const struct policy_groups *groups,
                             struct policy_group **ret_group, struct policy_range **ret_ranges,
                             unsigned *count, const struct place *at, struct orb_err *err)
{
    AUTO(ranges) struct ranges ranges = {0};
    size_t size;

    if (!json_is_array(value))
        return policy_read_expected(at, "an array of addresses", value, err);
    if (ret_group && only_group(value, groups)) {
        *ret_group = policy_group_use(only_group(value, groups));
        *ret_ranges = (*ret_group)->ranges;
        *count = (*ret_group)->range_count;
        return 0;
    }
    size = list_size(value, groups, false, at, err);
    if (!size)
        return ORB_E_SCHEMA;
    if (size - 1 > POLICY_MAX_LIST)
        return too_many(size - 1, "addresses", at, err);
    ranges.in = calloc(size, sizeof(*ranges.in));
    if (!ranges.in)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu addresses", size);
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct place here = {at, NULL, i};
        int r = read_range(&ranges, groups, size, json_array_get(value, i), &here, err);

        if (r < 0)
            return r;
    }
    return keep_ranges(&ranges, ret_ranges, count, at, err);
}

static int add_ports(struct port_list *list, size_t size, bool out, const struct policy_ports *read,
                     unsigned count, struct orb_err *err)
{
    struct policy_ports **to = out ? &list->out : &list->in;
    unsigned *have = out ? &list->out_count : &list->in_count;

    if (!*to)
        *to = calloc(size, sizeof(**to));
    if (!*to)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu ports", size);
    if (count)
        memcpy(*to + *have, read, count * sizeof(*read));
    *have += count;
    return 0;
}

static int read_port(struct port_list *list, const struct policy_groups *groups, size_t size,
                     const json_t *item, const struct place *at, struct orb_err *err)
{
    const char *text = json_string_value(item), *name = group_name(item), *why;
    const struct policy_group *group = name ? find_group(groups, name, at, err) : NULL;
    bool out = text && *text == '!';
    struct policy_ports read;

    if (!text)
        return policy_read_expected(at, "a port as text like \"80\" or \"1024-65535\"", item, err);
    if (name && !group)
        return ORB_E_SCHEMA;
    if (group && !group->port_count)
        return policy_read_fail(at, err, "group \"%s\" has no ports", name);
    if (group)
        return add_ports(list, size, out, group->ports, group->port_count, err);
    if (!policy_text_parse_ports(text + out, &read, &why))
        return policy_read_fail(at, err, "%s; got \"%.40s\"", why, text);
    return add_ports(list, size, out, &read, 1, err);
}

static int keep_ports(struct port_list *list, struct policy_ports **ret_ports, unsigned *ret_count,
                      const struct place *at, struct orb_err *err)
{
    size_t size = (size_t)list->in_count + list->out_count + 1;

    if (!list->out) {
        *ret_count = policy_set_merge_ports(list->in, list->in_count);
        *ret_ports = take_ptr(list->in);
        return 0;
    }
    *ret_ports = calloc(size, sizeof(**ret_ports));
    if (!*ret_ports)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu ports", size);
    *ret_count =
        policy_set_exclude_ports(list->in, list->in_count, list->out, list->out_count, *ret_ports);
    return *ret_count
               ? 0
               : policy_read_fail(at, err, "matches nothing: every port is taken out by \"!\"");
}

/* The elements, which are an array or one text. */
static int read_port_list(struct port_list *list, const struct policy_groups *groups,
                          const json_t *value, const struct place *at, struct orb_err *err)
{
    bool array = json_is_array(value);
    const char *name = array ? NULL : group_name(value);
    const struct policy_group *group = name ? find_group(groups, name, at, err) : NULL;
    size_t size = array ? list_size(value, groups, true, at, err) : 2;

    if (!size || (name && !group))
        return ORB_E_SCHEMA;
    size += group ? group->port_count : 0;
    if (size - 1 > POLICY_MAX_LIST)
        return too_many(size - 1, "ports", at, err);
    list->in = calloc(size, sizeof(*list->in));
    if (!list->in)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu ports", size);
    for (size_t i = 0; i < (array ? json_array_size(value) : 1); i++) {
        struct place here = {at, NULL, i};
        int r = read_port(list, groups, size, array ? json_array_get(value, i) : value,
                          array ? &here : at, err);

        if (r < 0)
            return r;
    }
    return 0;
}

int policy_lists_read_ports(const json_t *value, const struct policy_groups *groups, bool single,
                            struct policy_ports **ret_ports, unsigned *count,
                            const struct place *at, struct orb_err *err)
{
    AUTO(port_list) struct port_list list = {0};
    int r;

    if (!json_is_array(value) && !(single && json_is_string(value)))
        return policy_read_expected(
            at,
            single ? "a port as text like \"8080\" or \"8000-8010\", or an array"
                   : "an array of ports, for example [\"80\", \"1024-65535\"]",
            value, err);
    r = read_port_list(&list, groups, value, at, err);
    if (r < 0)
        return r;
    if (single && list.out && !list.in_count) /* every port but those; 0 cannot be translated */
        list.in[list.in_count++] = (struct policy_ports){1, 65535};
    return keep_ports(&list, ret_ports, count, at, err);
}

int policy_lists_read_protocol(const json_t *value, int *ret_protocol, const struct place *at,
                               struct orb_err *err)
{
    static const char *const words[] = {"any", "tcp", "udp", "icmp", "icmpv6", "tcp_udp"};
    static const int numbers[] = {-1,           IPPROTO_TCP,    IPPROTO_UDP,
                                  IPPROTO_ICMP, IPPROTO_ICMPV6, POLICY_TCP_UDP};
    const char *text = json_string_value(value);
    struct policy_ports number;
    const char *why;
    int index = 0, r;

    if (text && text[0] >= '0' && text[0] <= '9') {
        if (!policy_text_parse_ports(text, &number, &why) || number.lo != number.hi ||
            number.lo > 255)
            return policy_read_expected(at, "a protocol number from 0 to 255", value, err);
        *ret_protocol = number.lo;
        return 0;
    }
    r = policy_read_word(value, words, ARRAY_LEN(words), &index, at, err);
    if (r == 0)
        *ret_protocol = numbers[index];
    return r;
}
