/* Foreign changes of nftables. The kernel reports each transaction as the messages about its
 * changes and, last, its id and process. One that touches table inet orbital and is not in the list
 * of this daemon's transactions is foreign.
 *
 * Note: the ids of this daemon's transactions are known only when its worker thread is done, while
 * events.c already reads this; so the ids are kept here and compared later (dataplane_tend.c). */
#include "dataplane/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/own.h"
#include "dataplane/attribute.h"
#include "dataplane/dataplane_internal.h"

#define BUFFER_BYTES (8 << 20) /* of events not read yet */
#define READS 256              /* one turn of the loop */
#define TABLE_NAME 1           /* this attribute of every message but that about a transaction */

void watch_buffer(int fd)
{
    int size = BUFFER_BYTES;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

void watch_add(struct watch_ids *ids, uint32_t id)
{
    ids->items[ids->next++ % WATCH_IDS] = id;
}

bool watch_has(const struct watch_ids *ids, uint32_t id)
{
    for (unsigned i = 0; id && i < WATCH_IDS; i++)
        if (ids->items[i] == id)
            return true;
    return false;
}

int watch_open(struct orb_err *err)
{
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int group = NFNLGRP_NFTABLES;

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return orb_fail(err, -errno, "listening to nftables' events");
    watch_buffer(fd);
    return take_fd(&fd);
}

static bool is_our_table(uint8_t family, const char *start, size_t size)
{
    if (family != NFPROTO_INET)
        return false;
    EACH_ATTRIBUTE(a, start, size)
    {
        if (attribute_type(a) == TABLE_NAME)
            return attribute_size(a) == sizeof("orbital") &&
                   !memcmp(attribute_data(a), "orbital", sizeof("orbital"));
    }
    return false;
}

/* The end of a transaction: its number, and the process that made it. */
static void end(struct dataplane *dp, const char *start, size_t size)
{
    uint32_t id = 0, pid = 0;
    char name[32] = "";

    EACH_ATTRIBUTE(a, start, size)
    {
        int type = attribute_type(a);

        if (type == NFTA_GEN_ID && attribute_size(a) >= sizeof(id))
            memcpy(&id, attribute_data(a), sizeof(id));
        else if (type == NFTA_GEN_PROC_PID && attribute_size(a) >= sizeof(pid))
            memcpy(&pid, attribute_data(a), sizeof(pid));
        else if (type == NFTA_GEN_PROC_NAME)
            snprintf(name, sizeof(name), "%.*s", (int)attribute_size(a), attribute_data(a));
    }
    if (!dp->touching)
        return;
    dp->touching = false;
    watch_add(&dp->touched, ntohl(id));
    snprintf(dp->toucher, sizeof(dp->toucher), "%s, process %u", name, ntohl(pid));
}

/* Elements of sets come and go often, and what they decide about is known to be decided. */
static bool is_structure(unsigned message)
{
    return message <= NFT_MSG_DELRULE || message >= NFT_MSG_NEWFLOWTABLE;
}

static void read_message(struct dataplane *dp, const struct nlmsghdr *h, bool *others)
{
    const struct nfgenmsg *head = NLMSG_DATA(h);
    const char *start = (const char *)head + NLMSG_ALIGN(sizeof(*head));
    size_t size;

    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*head)) || h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
        return;
    size = (size_t)((const char *)h + h->nlmsg_len - start);
    if ((h->nlmsg_type & 255) == NFT_MSG_NEWGEN)
        end(dp, start, size);
    else if (is_our_table(head->nfgen_family, start, size))
        dp->touching = true;
    else
        *others |= is_structure(h->nlmsg_type & 255);
}

bool watch_drain(struct dataplane *dp, bool *ret_others)
{
    char data[16384] __attribute__((aligned(8)));
    unsigned before = dp->touched.next;

    *ret_others = false;
    for (int i = 0; dp->tables >= 0 && i < READS; i++) {
        ssize_t n = recv(dp->tables, data, sizeof(data), 0);
        unsigned len = (unsigned)n;

        if (n < 0 && errno == ENOBUFS) {
            dp->lost_events = *ret_others = true;
            continue;
        }
        if (n < 0)
            break;
        for (const struct nlmsghdr *h = (void *)data; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len))
            read_message(dp, h, ret_others);
    }
    return dp->touched.next != before || dp->lost_events;
}
