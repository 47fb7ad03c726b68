/* What conntrack forgets because a program asks it to (conntrack -D, -F): the kernel alone would
 * treat the next packet as a first one, so no entry of the flow cache may outlive it by 100 ms.
 * Conntrack's events tell of each connection that ends; most end by themselves, long after their
 * last packet or with a FIN, and these the socket's filter leaves out: the sender of the request
 * is in the message, and there is none.
 *
 * Surprise: a connection that began while no socket listened has no events; its entries ask
 * conntrack anew every 90 ms instead (bpf/slow.bpf.h, slow_fresh). */
#include "dataplane/forgets.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <sys/socket.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "dataplane/dataplane_internal.h"

#define READS 256     /* one turn */
#define PAUSE_MS 20   /* who deletes many does not keep the cache empty */
#define WHOLE 0x40000 /* of a message that passes */

int forgets_open(void)
{
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    struct sock_filter asked[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, WHOLE),
    };
    struct sock_fprog filter = {.len = ARRAY_LEN(asked), .filter = asked};
    int group = NFNLGRP_CONNTRACK_DESTROY;

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return -1;
    return take_fd(&fd);
}

bool forgets_drain(struct dataplane *dp)
{
    char data[64]; /* what it is about does not matter */
    uint64_t now;

    for (int i = 0; dp->forgets >= 0 && i < READS; i++) {
        if (recv(dp->forgets, data, sizeof(data), 0) < 0 && errno != ENOBUFS)
            break;
        dp->forgotten = true;
    }
    if (!dp->forgotten)
        return false;
    now = now_ms();
    if (now - dp->forgotten_ms < PAUSE_MS) /* at the next beat */
        return false;
    dp->forgotten = false;
    dp->forgotten_ms = now;
    return true;
}
