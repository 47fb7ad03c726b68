/* Lists and deletes connections. Each request reads all of conntrack; what does not match is not
 * kept. */
#include "dataplane/flow_list.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/json/tree.h"
#include "dataplane/conntrack.h"
#include "dataplane/flow.h"
#include "dataplane/load.h"
#include "dataplane/policy_internal.h"

#define LIMIT 100 /* in a list, if none is given */
#define LIMIT_MAX 500

/* ---- the filter ---- */

static int read_range(const json_t *value, struct policy_range *ret_range, const struct place *at,
                      struct orb_err *err)
{
    const char *why = "expected an address, a CIDR like 192.0.2.0/24 or a range a-b";

    if (json_is_string(value) && policy_text_parse_range(json_string_value(value), ret_range, &why))
        return 0;
    return policy_read_fail(at, err, "%s", why);
}

static int read_source(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct flow_list_filter *filter = to;

    return read_range(value, &filter->source, at, err);
}

static int read_destination(void *to, const json_t *value, const struct place *at,
                            struct orb_err *err)
{
    struct flow_list_filter *filter = to;

    return read_range(value, &filter->destination, at, err);
}

static int read_protocol(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct flow_list_filter *filter = to;

    return policy_lists_read_protocol(value, &filter->protocol, at, err);
}

static int read_port(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct flow_list_filter *filter = to;
    int64_t number = 0;
    int r = policy_read_integer(value, 1, 65535, &number, at, err);

    filter->port = (uint16_t)number;
    return r;
}

static int read_rule(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct flow_list_filter *filter = to;
    int64_t number = 0;
    int r = policy_read_integer(value, 1, POLICY_MAX_RULE_ID, &number, at, err);

    filter->rule = (uint32_t)number;
    return r;
}

static int read_limit(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct flow_list_filter *filter = to;
    int64_t number = 0;
    int r = policy_read_integer(value, 1, LIMIT_MAX, &number, at, err);

    filter->limit = (unsigned)number;
    return r;
}

static const struct member members[] = {
    {"source", read_source},     {"destination", read_destination},
    {"protocol", read_protocol}, {"port", read_port},
    {"rule", read_rule},         {"limit", read_limit},
};

int flow_list_read(const char *text, size_t len, struct flow_list_filter *ret_filter,
                   struct orb_err *err)
{
    struct flow_list_filter filter = {.protocol = -1, .limit = LIMIT};
    AUTO(json_t) json_t *object = NULL;
    int r = tree_parse(text, len, NULL, &object, err);

    if (!r)
        r = policy_read_members(&filter, object, members, ARRAY_LEN(members), NULL, err);
    if (r < 0)
        return r;
    filter.any = !filter.source.family && !filter.destination.family && filter.protocol < 0 &&
                 !filter.port && !filter.rule;
    *ret_filter = filter;
    return 0;
}

/* first and second: the end as it is before and after translation. */
static bool is_in(const struct policy_range *range, uint8_t family, const struct flow_end *first,
                  const struct flow_end *second)
{
    return !range->family || policy_set_in_ranges(range, 1, family, first->address) ||
           policy_set_in_ranges(range, 1, family, second->address);
}

static bool matches(const struct flow_list_filter *filter, const struct flow *flow)
{
    return policy_protocol_is(filter->protocol, flow->protocol) &&
           (!filter->port || flow->original[1].port == filter->port ||
            flow->reply[0].port == filter->port) &&
           (!filter->rule || (flow->mark & ~ABI_MARK_ENDED) == filter->rule) &&
           is_in(&filter->source, flow->family, &flow->original[0], &flow->reply[1]) &&
           is_in(&filter->destination, flow->family, &flow->original[1], &flow->reply[0]);
}

/* ---- a list ---- */

struct list {
    const struct flow_list_filter *filter;
    struct json_write w;
    unsigned matched, written;
    struct buf messages; /* that delete them */
    bool deletes;
};

static void write_end(struct json_write *w, const char *key, const struct flow *flow,
                      const struct flow_end *end)
{
    char text[INET6_ADDRSTRLEN];

    json_write_object(w, key);
    json_write_string(w, "address", inet_ntop(flow->family, end->address, text, sizeof(text)));
    if (end->port)
        json_write_integer(w, "port", end->port);
    json_write_end(w);
}

static void write_protocol(struct json_write *w, uint8_t protocol)
{
    static const struct {
        uint8_t number;
        const char *name;
    } names[] = {{IPPROTO_TCP, "tcp"},
                 {IPPROTO_UDP, "udp"},
                 {IPPROTO_ICMP, "icmp"},
                 {IPPROTO_ICMPV6, "icmpv6"}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].number == protocol) {
            json_write_string(w, "protocol", names[i].name);
            return;
        }
    json_write_format(w, "protocol", "%u", protocol);
}

static const char *state_name(const struct flow *flow)
{
    static const char *const tcp[] = {
        [TCP_CONNTRACK_SYN_SENT] = "syn-sent",       [TCP_CONNTRACK_SYN_RECV] = "syn-received",
        [TCP_CONNTRACK_ESTABLISHED] = "established", [TCP_CONNTRACK_FIN_WAIT] = "fin-wait",
        [TCP_CONNTRACK_CLOSE_WAIT] = "close-wait",   [TCP_CONNTRACK_LAST_ACK] = "last-ack",
        [TCP_CONNTRACK_TIME_WAIT] = "time-wait",     [TCP_CONNTRACK_CLOSE] = "closed"};

    if (flow->mark & ABI_MARK_ENDED)
        return "ended"; /* by a commit: its packets are refused */
    if (flow->tcp_state && flow->tcp_state < ARRAY_LEN(tcp) && tcp[flow->tcp_state])
        return tcp[flow->tcp_state];
    return flow->status & IPS_ASSURED      ? "assured"
           : flow->status & IPS_SEEN_REPLY ? "replied"
                                           : "unreplied";
}

static void write_rule(struct json_write *w, uint32_t mark)
{
    static const char *const hooks[] = {"forward", "input", "output"};
    uint32_t number = mark & ~ABI_MARK_ENDED;

    if (number >= ABI_MARK_FORWARD && number <= ABI_MARK_OUTPUT)
        json_write_string(w, "default", hooks[number - ABI_MARK_FORWARD]);
    else if (number)
        json_write_integer(w, "rule", number);
}

static bool is_same(const struct flow_end *a, const struct flow_end *b)
{
    return a->port == b->port && !memcmp(a->address, b->address, sizeof(a->address));
}

static void write_flow(struct json_write *w, const struct flow *flow)
{
    json_write_object(w, NULL);
    write_protocol(w, flow->protocol);
    write_end(w, "source", flow, &flow->original[0]);
    write_end(w, "destination", flow, &flow->original[1]);
    if (!is_same(&flow->original[0], &flow->reply[1]))
        write_end(w, "translated-source", flow, &flow->reply[1]);
    if (!is_same(&flow->original[1], &flow->reply[0]))
        write_end(w, "translated-destination", flow, &flow->reply[0]);
    json_write_string(w, "state", state_name(flow));
    write_rule(w, flow->mark);
    json_write_integer(w, "expires-s", flow->timeout_s);
    json_write_end(w);
}

static bool each_flow(void *arg, const struct nlmsghdr *h)
{
    struct list *list = arg;
    struct flow flow;

    flow_read(h, &flow);
    if (!flow.tuple || flow.zoned || (flow.family != AF_INET && flow.family != AF_INET6) ||
        !matches(list->filter, &flow))
        return true;
    list->matched++;
    if (list->deletes)
        flow_delete(&flow, &list->messages);
    else if (list->written++ < list->filter->limit)
        write_flow(&list->w, &flow);
    return true;
}

int flow_list_write(const struct flow_list_filter *filter, struct buf *ret_json,
                    struct orb_err *err)
{
    struct list list = {.filter = filter, .w = json_write_to(ret_json)};
    int r;

    json_write_object(&list.w, NULL);
    json_write_array(&list.w, "flows");
    r = conntrack_dump(each_flow, &list, err);
    json_write_end(&list.w);
    json_write_integer(&list.w, "matched", list.matched);
    json_write_end(&list.w);
    return r;
}

int flow_list_delete(struct dataplane *dataplane, const struct flow_list_filter *filter,
                     struct buf *ret_json, struct orb_err *err)
{
    struct list list = {.filter = filter, .deletes = true};
    int r = conntrack_dump(each_flow, &list, err);

    if (!r)
        r = conntrack_send(&list.messages, err);
    load_bump(dataplane); /* the fast path has them, too */
    buf_fini(&list.messages);
    if (r < 0)
        return r;
    list.w = json_write_to(ret_json);
    json_write_object(&list.w, NULL);
    json_write_integer(&list.w, "deleted", list.matched);
    json_write_end(&list.w);
    return 0;
}
