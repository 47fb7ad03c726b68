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

/* in was made for size elements. */
static int read_range(struct ranges *ranges, size_t size, const json_t *item,
                      const struct place *at, struct orb_err *err)
{
    const char *text = json_string_value(item), *why;
    bool out = text && *text == '!';
    struct policy_range read;

    if (!text)
        return policy_read_expected(at, "an address as text", item, err);
    if (!policy_text_parse_range(text + out, &read, &why))
        return policy_read_fail(at, err, "%s; got \"%.80s\"", why, text);
    if (!out) {
        ranges->in[ranges->in_count++] = read;
        return 0;
    }
    if (!ranges->out)
        ranges->out = calloc(size, sizeof(*ranges->out));
    if (!ranges->out)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu addresses", size);
    ranges->out[ranges->out_count++] = read;
    return 0;
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

int policy_lists_read_ranges(const json_t *value, struct policy_range **ret_ranges, unsigned *count,
                             const struct place *at, struct orb_err *err)
{
    AUTO(ranges) struct ranges ranges = {0};
    size_t size = json_array_size(value);

    if (!json_is_array(value))
        return policy_read_expected(at, "an array of addresses", value, err);
    if (size > POLICY_MAX_LIST) {
        policy_read_fail(at, err, "%zu addresses in one list; the limit is %d", size,
                         POLICY_MAX_LIST);
        return err ? (err->code = ORB_E_LIMIT) : ORB_E_LIMIT;
    }
    ranges.in = calloc(size + 1, sizeof(*ranges.in));
    if (!ranges.in)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu addresses", size);
    for (size_t i = 0; i < size; i++) {
        struct place here = {at, NULL, i};
        int r = read_range(&ranges, size, json_array_get(value, i), &here, err);

        if (r < 0)
            return r;
    }
    return keep_ranges(&ranges, ret_ranges, count, at, err);
}

static int read_port(struct port_list *list, size_t size, const json_t *item,
                     const struct place *at, struct orb_err *err)
{
    const char *text = json_string_value(item), *why;
    bool out = text && *text == '!';
    struct policy_ports read;

    if (!text)
        return policy_read_expected(at, "a port as text like \"80\" or \"1024-65535\"", item, err);
    if (!policy_text_parse_ports(text + out, &read, &why))
        return policy_read_fail(at, err, "%s; got \"%.40s\"", why, text);
    if (!out) {
        list->in[list->in_count++] = read;
        return 0;
    }
    if (!list->out)
        list->out = calloc(size, sizeof(*list->out));
    if (!list->out)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu ports", size);
    list->out[list->out_count++] = read;
    return 0;
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

int policy_lists_read_ports(const json_t *value, bool single, struct policy_ports **ret_ports,
                            unsigned *count, const struct place *at, struct orb_err *err)
{
    AUTO(port_list) struct port_list list = {0};
    bool array = json_is_array(value);
    size_t size = array ? json_array_size(value) : 1;

    if (!array && !(single && json_is_string(value)))
        return policy_read_expected(
            at,
            single ? "a port as text like \"8080\" or \"8000-8010\", or an array"
                   : "an array of ports, for example [\"80\", \"1024-65535\"]",
            value, err);
    if (size > POLICY_MAX_LIST)
        return policy_read_fail(at, err, "%zu ports in one list; the limit is %d", size,
                                POLICY_MAX_LIST);
    list.in = calloc(size + 1, sizeof(*list.in));
    if (!list.in)
        return orb_fail(err, ORB_E_NOMEM, "no memory for %zu ports", size);
    for (size_t i = 0; i < size; i++) {
        struct place here = {at, NULL, i};
        int r = read_port(&list, size, array ? json_array_get(value, i) : value, array ? &here : at,
                          err);

        if (r < 0)
            return r;
    }
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
