/* Shared by the parts of rtnl.h: arrays that grow while a dump is read. */
#ifndef PLUGINS_LIB_RTNL_INTERNAL_H
#define PLUGINS_LIB_RTNL_INTERNAL_H

#include <netlink/attr.h>

#include "plugins/lib/rtnl.h"

struct rtnl_grow {
    void *items;
    unsigned count, size;
    size_t item;
    bool failed;
};

/* One more zeroed item at the end, NULL when there is no memory. */
void *rtnl_grow(struct rtnl_grow *g);
/* Dumps into g: each gets g as its argument. what: "links", for the error. After a failure nothing
 * is kept. */
int rtnl_collect(struct nl_sock *socket, int type, const void *header, size_t len,
                 netlink_each *each, struct rtnl_grow *g, const char *what, struct orb_err *err);
/* A number; what is otherwise when the attribute is not there or too short for one. */
uint32_t rtnl_u32(const struct nlattr *attr, uint32_t otherwise);
/* The value of an attribute, otherwise when it is NULL. */
uint8_t rtnl_u8(const struct nlattr *attr, uint8_t otherwise);
/* Whether a prefix of that family can be so long. */
bool rtnl_fits(uint8_t family, uint8_t len);
/* An address attribute; false when it is none of this family. */
bool rtnl_read_address(const struct nlattr *attr, uint8_t family, struct address *ret);
/* Sends message (taken) when it is there and fits, else frees it: no memory. */
int rtnl_send(struct nl_sock *socket, struct nl_msg *message, bool fits, struct orb_err *err);

#endif
