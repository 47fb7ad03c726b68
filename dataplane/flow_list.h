/* Connections of conntrack, listed and deleted by what they have in common. Beside dataplane.h for
 * the host. */
#ifndef DATAPLANE_FLOW_LIST_H
#define DATAPLANE_FLOW_LIST_H

#include "dataplane/dataplane.h"

/* What is not set applies to all. Ranges: family 0 is not set. */
struct flow_list_filter {
    struct policy_range source, destination; /* before or after translation */
    int protocol;                            /* as in a rule; -1: any */
    uint16_t port;                           /* of the destination, before or after translation */
    uint32_t rule;                           /* by which it was accepted */
    unsigned limit;                          /* of a list */
    bool any;                                /* nothing is set */
};

/* Reads {"source"?, "destination"?, "protocol"?, "port"?, "rule"?, "limit"?} from text, scanned
 * before. ORB_E_SCHEMA and path: what is wrong. */
int flow_list_read(const char *text, size_t len, struct flow_list_filter *ret_filter,
                   struct orb_err *err);
/* Appends {"flows": […], "matched"}, at most limit of them. Blocks, as the next. */
int flow_list_write(const struct flow_list_filter *filter, struct buf *ret_json,
                    struct orb_err *err);
/* Deletes them from conntrack, so that the next packet of each is a new one to the rules. Appends
 * {"deleted"}. */
int flow_list_delete(struct dataplane *dataplane, const struct flow_list_filter *filter,
                     struct buf *ret_json, struct orb_err *err);

#endif
