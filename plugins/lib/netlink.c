/* Route netlink requests: see netlink.h. libnl maps kernel errors to its own poorer set, so the
 * error callback here keeps the errno and the text of the extended ack. */
#include <errno.h>
#include <netlink/errno.h>
#include <netlink/attr.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "plugins/lib/netlink.h"

#define ANSWER_S 2

struct answer {
    netlink_each *each;
    void *arg;
    int code; /* negative errno the kernel answered with */
    char text[200];
};

int netlink_open(struct nl_sock **ret_socket, struct orb_err *err)
{
    struct timeval wait = {.tv_sec = ANSWER_S};
    struct nl_sock *socket = nl_socket_alloc();
    int one = 1, r;

    if (!socket)
        return orb_fail(err, ORB_E_NOMEM, "no memory for a netlink socket");
    r = nl_connect(socket, NETLINK_ROUTE);
    if (r < 0) {
        nl_socket_free(socket);
        return orb_fail(err, ORB_E_KERNEL, "cannot open a route netlink socket: %s",
                        nl_geterror(r));
    }
    /* Both only make things better; a kernel without them works as well. */
    setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
    setsockopt(nl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    *ret_socket = socket;
    return 0;
}

int netlink_events(struct nl_sock **ret_socket, const int *groups, struct orb_err *err)
{
    struct nl_sock *socket = nl_socket_alloc();
    int r;

    if (!socket)
        return orb_fail(err, ORB_E_NOMEM, "no memory for a netlink socket");
    r = nl_connect(socket, NETLINK_ROUTE);
    for (; r >= 0 && *groups; groups++)
        r = nl_socket_add_membership(socket, *groups);
    if (r >= 0)
        r = nl_socket_set_nonblocking(socket);
    if (r < 0) {
        nl_socket_free(socket);
        return orb_fail(err, ORB_E_KERNEL, "cannot listen to route netlink: %s", nl_geterror(r));
    }
    *ret_socket = socket;
    return 0;
}

static int on_valid(struct nl_msg *message, void *arg)
{
    struct answer *answer = arg;

    if (answer->each)
        answer->each(answer->arg, nlmsg_hdr(message));
    return NL_OK;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *arg)
{
    struct nlmsghdr *header = (struct nlmsghdr *)((char *)error - NLMSG_HDRLEN);
    struct nlattr *tlv[NLMSGERR_ATTR_MAX + 1];
    struct answer *answer = arg;
    size_t used = sizeof(*error);

    (void)from;
    answer->code = error->error < 0 ? error->error : -EIO;
    if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
        return NL_STOP;
    if (!(header->nlmsg_flags & NLM_F_CAPPED))
        used += error->msg.nlmsg_len - NLMSG_HDRLEN;
    if (used + NLMSG_HDRLEN > header->nlmsg_len)
        return NL_STOP;
    if (nla_parse(tlv, NLMSGERR_ATTR_MAX, (struct nlattr *)((char *)error + NLMSG_ALIGN(used)),
                  (int)(header->nlmsg_len - NLMSG_HDRLEN - used), NULL) == 0 &&
        tlv[NLMSGERR_ATTR_MSG])
        nla_strlcpy(answer->text, tlv[NLMSGERR_ATTR_MSG], sizeof(answer->text));
    return NL_STOP;
}

static int on_stop(struct nl_msg *message, void *arg)
{
    (void)message;
    (void)arg;
    return NL_STOP;
}

/* Events carry no sequence number of ours. */
static int on_sequence(struct nl_msg *message, void *arg)
{
    (void)message;
    (void)arg;
    return NL_OK;
}

static int receive(struct nl_sock *socket, struct answer *answer, bool events)
{
    struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
    int r;

    if (!cb)
        return -NLE_NOMEM;
    nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, answer);
    nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_stop, NULL);
    nl_cb_err(cb, NL_CB_CUSTOM, on_error, answer);
    if (events)
        nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_sequence, NULL);
    r = nl_recvmsgs(socket, cb);
    nl_cb_put(cb);
    return r;
}

/* Turns what the two layers said into one error. */
static int explain(int r, const struct answer *answer, struct orb_err *err)
{
    if (answer->code)
        return orb_fail(err, answer->code, "%s", answer->text[0] ? answer->text : "refused");
    if (r < 0)
        return orb_fail(err, ORB_E_KERNEL, "netlink: %s", nl_geterror(r));
    return 0;
}

int netlink_send(struct nl_sock *socket, struct nl_msg *message, struct orb_err *err)
{
    struct answer answer = {0};
    int r;

    if (!message)
        return orb_fail(err, ORB_E_NOMEM, "no memory for a netlink message");
    nlmsg_hdr(message)->nlmsg_flags |= NLM_F_ACK;
    r = nl_send_auto(socket, message);
    nlmsg_free(message);
    if (r >= 0)
        r = receive(socket, &answer, false);
    return explain(r, &answer, err);
}

int netlink_dump(struct nl_sock *socket, int type, void *header, size_t len, netlink_each *cb,
                 void *arg, struct orb_err *err)
{
    struct answer answer = {.each = cb, .arg = arg};
    int r;

    r = nl_send_simple(socket, type, NLM_F_DUMP, header, len);
    if (r >= 0)
        r = receive(socket, &answer, false);
    return explain(r, &answer, err);
}

int netlink_drain(struct nl_sock *socket, netlink_each *cb, void *arg)
{
    struct answer answer = {.each = cb, .arg = arg};

    for (;;) {
        int r = receive(socket, &answer, true);

        if (r == -NLE_AGAIN)
            return 0;
        if (r < 0)
            return 1; /* overrun: the kernel dropped events */
    }
}
