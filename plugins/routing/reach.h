/* Directly connected networks: those of /interfaces (present or new), foreign ones in the kernel,
 * and those covered by routes to an interface. And which of them work at present. */
#ifndef PLUGINS_ROUTING_REACH_H
#define PLUGINS_ROUTING_REACH_H

#include "plugins/routing/model.h"

/* What the kernel has, read once. */
struct kernel {
    struct rtnl_links links;
    struct rtnl_addrs addrs;
};

struct connected {
    char interface[16];
    struct prefix prefix;  /* the interface's own address and length */
    struct prefix network; /* what is reached by it; another one on point-to-point links */
    bool enabled;          /* false: configured on an interface that is switched off */
    bool by_route;         /* a network over the interface, without an own address in it */
    uint32_t table;        /* where a route makes it so; 0: it is so for all */
};

struct reach {
    struct connected *items;
    unsigned count;
    const struct kernel *kernel;
    const cJSON *interfaces;
};

/* How a next hop fits the connected networks. */
enum fit {
    FIT_YES,
    FIT_SELF,         /* an address of this machine */
    FIT_BROADCAST,    /* the broadcast address of a connected network */
    FIT_NETWORK,      /* the network address itself (IPv6: the subnet-router anycast address) */
    FIT_OFF,          /* its interface is switched off */
    FIT_NO_INTERFACE, /* neither configured nor in the kernel */
    FIT_NOWHERE,      /* in no connected network */
};

/* Links and addresses. *ret_kernel is written on success only and the caller's,
 * reach_fini_kernel(). */
int reach_read_kernel(struct nl_sock *socket, struct kernel *ret_kernel, struct orb_err *err);
/* Frees what was read; all zero is fine. */
void reach_fini_kernel(struct kernel *kernel);

/* interfaces: the part /interfaces (NULL: none). kernel and interfaces are kept by reference. */
int reach_make(const struct kernel *kernel, const cJSON *interfaces,
               const struct routes_want *routes, struct reach *ret_reach, struct orb_err *err);
void reach_fini(struct reach *reach);

/* Is there an interface of this name, configured or in the kernel? */
bool reach_has_interface(const struct reach *reach, const char *name);
/* By the configuration: a missing or broken link changes nothing, it may come back. */
enum fit reach_fit(const struct reach *reach, const struct hop_want *hop);
/* Is it an address of this machine, by the configuration? */
bool reach_has(const struct reach *reach, const struct address *source);
/* Refuses (ORB_E_VETO) the first next hop or preferred source that does not fit, if its route is
 * new or changed or if it did fit before; with path, why and what is connected. */
int check_reach(const struct reach *reach, const struct reach *before,
                const struct routes_want *routes, struct orb_err *err);
/* Whether the next hop can be used at present; writes its kernel form. Otherwise false, with why
 * (size bytes) and what the operator can do. */
bool reach_now(const struct reach *reach, const struct hop_want *hop, struct rtnl_hop *ret_hop,
               char *why, size_t size, const char **ret_todo);
/* Can packets be sent from source now? As reach_now(). */
bool reach_source_now(const struct reach *reach, const struct address *source, char *why,
                      size_t size);
/* Restores the routes to networks of configured addresses that were removed although the addresses
 * exist: the kernel makes them only once, with the address. Returns their number. */
int connected_restore(struct nl_sock *socket, const struct reach *reach, unsigned *ret_count,
                      struct orb_err *err);

#endif
