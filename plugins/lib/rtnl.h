/* What the kernel has – links, addresses, routes, policy rules – as plain arrays, and the few
 * requests that change it. */
#ifndef PLUGINS_LIB_RTNL_H
#define PLUGINS_LIB_RTNL_H

#include "plugins/lib/prefix.h"
#include "plugins/lib/netlink.h"

#define RTNL_MAX_HOPS 32

struct rtnl_link {
    int index;
    char name[16];
    char kind[16];  /* "veth", "bridge"…; "" for physical ports */
    unsigned flags; /* IFF_* */
    uint8_t operstate;
    bool carrier;
    int master;      /* index of the bridge, bond or VRF it belongs to; 0: none */
    char member[16]; /* the kind of its master: "bridge", "bond", "vrf"…; "": none */
    unsigned mtu, min_mtu, max_mtu; /* max 0: no limit known */
    uint8_t mac[8];
    unsigned mac_len;
    /* Settings below net.ipv4.conf and net.ipv6.conf. */
    bool has_inet, promote_secondaries, ignore_linkdown;
    bool has_inet6, inet6_disabled;
    uint8_t addr_gen_mode; /* IN6_ADDR_GEN_MODE_* */
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
};

struct rtnl_addr {
    int index;
    struct prefix prefix;  /* the local address */
    struct prefix network; /* what it connects to: on point-to-point links that of the peer */
    uint8_t protocol;      /* IFA_PROTO; 0 on kernels before 5.18 */
    uint32_t flags;        /* IFA_F_* */
};

struct rtnl_hop {
    int index; /* 0: by gateway */
    bool has_gateway;
    bool onlink; /* the gateway is a neighbour regardless of addresses */
    struct address gateway;
    unsigned weight; /* 1… */
};

struct rtnl_route {
    uint32_t table; /* RT_TABLE_* or a number */
    struct prefix destination;
    uint32_t metric;
    uint8_t protocol; /* RTPROT_* */
    uint8_t type;     /* RTN_* */
    bool aside;       /* for a TOS or a source prefix: never Orbital's, conflicts with none */
    bool extra; /* has attributes Orbital does not use: metrics, encapsulation, a nexthop object */
    struct address source; /* preferred one; family 0: none */
    unsigned hop_count;
    struct rtnl_hop hops[RTNL_MAX_HOPS];
};

struct rtnl_rule {
    uint8_t family;
    uint32_t priority;
    struct prefix from, to; /* family 0: any */
    char iif[16];           /* "": any */
    uint32_t mark, mask;    /* of the packet; mask 0: any */
    uint8_t action;         /* FR_ACT_* */
    uint32_t table;         /* of FR_ACT_TO_TBL */
    bool ignore_default;    /* routes of prefix length 0 do not count */
    uint8_t protocol;       /* RTPROT_* */
    bool extra;             /* has attributes Orbital does not use */
};

struct rtnl_links {
    struct rtnl_link *items;
    unsigned count;
};
struct rtnl_addrs {
    struct rtnl_addr *items;
    unsigned count;
};
struct rtnl_routes {
    struct rtnl_route *items;
    unsigned count;
};
struct rtnl_rules {
    struct rtnl_rule *items;
    unsigned count;
};

/* Snapshots; free items with free(). Links come without counters, which halves the size, unless
 * requested. */
int rtnl_link_list(struct nl_sock *socket, struct rtnl_links *ret_links, struct orb_err *err);
/* As rtnl_link_list(), with counters. */
int rtnl_link_list_counted(struct nl_sock *socket, struct rtnl_links *ret_links,
                           struct orb_err *err);
/* All addresses of all links. */
int rtnl_addr_list(struct nl_sock *socket, struct rtnl_addrs *ret_addrs, struct orb_err *err);
/* The routes of one protocol alone, of every table. */
int rtnl_route_list(struct nl_sock *socket, uint8_t protocol, struct rtnl_routes *ret_routes,
                    struct orb_err *err);
/* The rules of both families, each in the order in which the kernel tries them. */
int rtnl_rule_list(struct nl_sock *socket, struct rtnl_rules *ret_rules, struct orb_err *err);
/* Every route of every table, of IPv4 and then of IPv6, without storing any: there may be a
 * million. route NULL: a dump begins (or is repeated, when the kernel interrupted one): discard the
 * results for this family. */
typedef void rtnl_each_route(void *arg, uint8_t family, const struct rtnl_route *route);
/* Those of one protocol alone. */
int rtnl_route_walk_of(struct nl_sock *socket, uint8_t protocol, rtnl_each_route *each, void *arg,
                       struct orb_err *err);
/* As rtnl_route_walk_of(), for the routes of all protocols. */
int rtnl_route_walk(struct nl_sock *socket, rtnl_each_route *each, void *arg, struct orb_err *err);

/* Fill in from one message; false when it is none of that type. */
bool rtnl_link_read(struct nlmsghdr *header, struct rtnl_link *ret_link);
/* An address of a message; false: it is none. */
bool rtnl_addr_read(struct nlmsghdr *header, struct rtnl_addr *ret_addr);
/* A route of a message; false: it is none. */
bool rtnl_route_read(struct nlmsghdr *header, struct rtnl_route *ret_route);
/* A policy rule of a message; false: it is none. */
bool rtnl_rule_read(struct nlmsghdr *header, struct rtnl_rule *ret_rule);

/* By name, by index; NULL: there is none. */
const struct rtnl_link *rtnl_link_find(const struct rtnl_links *links, const char *name);
/* The link of that index, NULL: there is none. */
const struct rtnl_link *rtnl_link_of(const struct rtnl_links *links, int index);

/* mtu 0: leave; up: -1 leave, 0 down, 1 up. */
int rtnl_link_set(struct nl_sock *socket, int index, unsigned mtu, int up, struct orb_err *err);
/* promote_secondaries and ignore_routes_with_linkdown of IPv4; -1 leaves one as it is. */
int rtnl_link_set_inet(struct nl_sock *socket, int index, int promote, int linkdown,
                       struct orb_err *err);
/* protocol: IFA_PROTO; flags: IFA_F_* beside. */
int rtnl_addr_add_as(struct nl_sock *socket, int index, const struct prefix *prefix,
                     uint8_t protocol, uint32_t flags, struct orb_err *err);
/* Adds an address with Orbital's own protocol and without flags. */
int rtnl_addr_add(struct nl_sock *socket, int index, const struct prefix *prefix,
                  struct orb_err *err);
/* Deletes an address. */
int rtnl_addr_delete(struct nl_sock *socket, int index, const struct prefix *prefix,
                     struct orb_err *err);
/* Makes the route of this table, destination and metric. replace: in the place of the first that is
 * there (atomically); otherwise -EEXIST when there is one, of whatever protocol. */
int rtnl_put_route(struct nl_sock *socket, const struct rtnl_route *route, bool replace,
                   struct orb_err *err);
/* Removes the route of this table, destination and metric if it is of the same protocol; of several
 * such IPv4 ones the one with these next hops. */
int rtnl_put_deletion(struct nl_sock *socket, const struct rtnl_route *route, struct orb_err *err);
/* Adds after those of the same priority; -EEXIST when there is an equal one. */
int rtnl_rule_add(struct nl_sock *socket, const struct rtnl_rule *rule, struct orb_err *err);
/* Deletes the rule equal to this one; errors are those of the kernel. */
int rtnl_rule_delete(struct nl_sock *socket, const struct rtnl_rule *rule, struct orb_err *err);

#endif
