/* What the network packages read of route netlink, from a kernel that answers anything (kernel.h).
 * The first byte selects the request: links, addresses, routes, rules, or events.
 *
 * Reading ends in time, with an array or an error. An array comes from one attempt that was not
 * interrupted, has at most as many items as there were messages, and each has the values of the
 * messages: memory behind them has no effect. */
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/lib/rtnl.h"
#include "test/fuzz/bounds.h"
#include "test/fuzz/kernel.h"

#define MOST_MS 200.0

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINKS, ADDRS, ROUTES, RULES, EVENTS, QUESTIONS };

static const struct kernel_type types[] = {
    {RTM_NEWLINK, sizeof(struct ifinfomsg)},    {RTM_NEWADDR, sizeof(struct ifaddrmsg)},
    {RTM_NEWROUTE, sizeof(struct rtmsg)},       {RTM_NEWRULE, sizeof(struct fib_rule_hdr)},
    {RTM_DELROUTE, sizeof(struct rtmsg)},       {NLMSG_DONE, 4},
    {NLMSG_ERROR, sizeof(struct nlmsgerr) - 4},
};

static struct nl_sock *kernel_socket;

static void check_prefix(const struct prefix *p)
{
    struct prefix network;
    char text[ADDRESS_TEXT];

    if (!p->address.family)
        return;
    must(p->len <= address_size(p->address.family) * 8, "a prefix longer than its address");
    network = prefix_network(p);
    must(prefix_contains(&network, &p->address), "an address outside its own network");
    prefix_text(p, text);
}

static void check_link(const struct rtnl_link *l)
{
    must(l->name[0] && strnlen(l->name, sizeof(l->name)) < sizeof(l->name), "no name");
    for (const char *c = l->name; *c; c++)
        must((unsigned char)*c < 0x80, "a name that is no text");
    must(strnlen(l->kind, sizeof(l->kind)) < sizeof(l->kind) && l->mac_len <= sizeof(l->mac),
         "a kind or an address without an end");
}

static void check_route(const struct rtnl_route *r)
{
    must(r->hop_count <= RTNL_MAX_HOPS, "more next hops than there is room for");
    check_prefix(&r->destination);
    for (unsigned i = 0; i < r->hop_count; i++)
        must(r->hops[i].weight >= 1, "a next hop without a weight");
}

/* What was read, as bytes to compare; r as of the function that read. */
static void take(const struct kernel *kernel, const void *items, unsigned count, size_t each, int r,
                 const struct orb_err *err, struct buf *ret_read)
{
    buf_addf(ret_read, "%d %s", r, r < 0 ? err->text : "");
    if (r < 0) {
        must(err->text[0] != '\0', "refused without a word");
        return;
    }
    must(!kernel->interrupted, "what was interrupted is taken for the whole");
    must(count <= kernel->messages, "more than the kernel told");
    buf_add(ret_read, items, count * each);
}

static void ask_links(struct kernel *kernel, struct buf *ret_read)
{
    struct rtnl_links links = {0};
    struct orb_err err = {0};
    int r = rtnl_link_list(kernel_socket, &links, &err);

    take(kernel, links.items, links.count, sizeof(*links.items), r, &err, ret_read);
    for (unsigned i = 0; i < links.count; i++)
        check_link(&links.items[i]);
    free(links.items);
}

static void ask_addrs(struct kernel *kernel, struct buf *ret_read)
{
    struct rtnl_addrs addrs = {0};
    struct orb_err err = {0};
    int r = rtnl_addr_list(kernel_socket, &addrs, &err);

    take(kernel, addrs.items, addrs.count, sizeof(*addrs.items), r, &err, ret_read);
    for (unsigned i = 0; i < addrs.count; i++) {
        check_prefix(&addrs.items[i].prefix);
        check_prefix(&addrs.items[i].network);
    }
    free(addrs.items);
}

static void ask_rules(struct kernel *kernel, struct buf *ret_read)
{
    struct rtnl_rules rules = {0};
    struct orb_err err = {0};
    int r = rtnl_rule_list(kernel_socket, &rules, &err);

    take(kernel, rules.items, rules.count, sizeof(*rules.items), r, &err, ret_read);
    for (unsigned i = 0; i < rules.count; i++) {
        check_prefix(&rules.items[i].from);
        check_prefix(&rules.items[i].to);
    }
    free(rules.items);
}

struct walked {
    struct buf routes;
    unsigned begun;
};

static void on_route(void *arg, uint8_t family, const struct rtnl_route *route)
{
    struct walked *walked = arg;

    if (!route) {
        walked->begun++;
        buf_clear(&walked->routes);
        return;
    }
    must(walked->begun && route->destination.address.family == family, "a route of another family");
    check_route(route);
    buf_add(&walked->routes, route, sizeof(*route));
}

/* Two dumps: the model has what only the second one contained. */
static void ask_routes(struct kernel *kernel, struct buf *ret_read)
{
    struct walked walked = {0};
    struct orb_err err = {0};
    int r = rtnl_route_walk(kernel_socket, on_route, &walked, &err);

    take(kernel, walked.routes.data, (unsigned)(walked.routes.len / sizeof(struct rtnl_route)),
         sizeof(struct rtnl_route), r, &err, ret_read);
    buf_fini(&walked.routes);
}

static void on_event(void *arg, struct nlmsghdr *header)
{
    struct rtnl_link link;
    struct rtnl_addr addr;
    struct rtnl_route route;
    struct rtnl_rule rule;

    if (rtnl_link_read(header, &link)) {
        check_link(&link);
        buf_add(arg, &link, sizeof(link));
    }
    if (rtnl_addr_read(header, &addr)) {
        check_prefix(&addr.prefix);
        buf_add(arg, &addr, sizeof(addr));
    }
    if (rtnl_route_read(header, &route)) {
        check_route(&route);
        buf_add(arg, &route, sizeof(route));
    }
    if (rtnl_rule_read(header, &rule)) {
        check_prefix(&rule.from);
        buf_add(arg, &rule, sizeof(rule));
    }
}

static void ask(const uint8_t *data, size_t size, uint8_t rest, struct buf *ret_read)
{
    struct kernel kernel = {.types = types,
                            .type_count = ARRAY_LEN(types),
                            .data = data + 1,
                            .left = size - 1,
                            .rest = rest};

    kernel_begin(&kernel);
    switch (data[0] % QUESTIONS) {
    case LINKS:
        ask_links(&kernel, ret_read);
        break;
    case ADDRS:
        ask_addrs(&kernel, ret_read);
        break;
    case ROUTES:
        ask_routes(&kernel, ret_read);
        break;
    case RULES:
        ask_rules(&kernel, ret_read);
        break;
    default:
        netlink_drain(kernel_socket, on_event, ret_read);
        break;
    }
    kernel_end(&kernel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf first = {0}, second = {0};
    double before = cpu_ms();

    if (!size)
        return 0;
    if (!kernel_socket)
        must(netlink_open(&kernel_socket, NULL) == 0, "no socket");
    ask(data, size, 0, &first);
    ask(data, size, 0xff, &second);
    must(first.len == second.len && (!first.len || !memcmp(first.data, second.data, first.len)),
         "what is read depends on the bytes after the message");
    must_fit(first.len, 1024, sizeof(struct rtnl_route), size);
    must_end(before, MOST_MS, size);
    return 0;
}
