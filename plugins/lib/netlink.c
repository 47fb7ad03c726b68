/* Route netlink requests: see netlink.h. libnl maps kernel errors to its own poorer set, so the
 * error callback here keeps the errno and the text of the extended ack. */
#include <errno.h>
#include <netlink/errno.h>
#include <netlink/attr.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "plugins/lib/netlink.h"

#define ANSWER_S 2
/* Buffer for events while the loop is busy. Doubled by the kernel, which counts its own overhead:
 * about two thousand events. */
#define EVENTS_BYTES (1 << 20)
/* As much as the kernel writes of a dump at once: the fewer pieces, the less changes between two.
 */
#define PIECE_BYTES (32 * 1024)
#define DRAIN_MAX 4096 /* messages in one turn of the loop */
/* An interrupted dump is repeated: at once, then after 1, 2, 4, 8, 16, 16 … ms. */
#define DUMP_TRIES 20
#define DUMP_PAUSE_MAX_MS 16

struct answer {
    netlink_each *each;
    void *arg;
    uint32_t seq; /* of the request; 0: these are events */
    bool done;    /* the request was answered to its end */
    int code;     /* negative errno the kernel answered with */
    char text[200];
};

/* Beyond the system's limit if permitted (CAP_NET_ADMIN), else up to it. */
static void make_room(struct nl_sock *socket, int bytes)
{
    int fd = nl_socket_get_fd(socket);

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

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
    /* Optional: a kernel without these works as well. */
    make_room(socket, EVENTS_BYTES);
    nl_socket_set_msg_buf_size(socket, PIECE_BYTES);
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
    make_room(socket, EVENTS_BYTES);
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

    answer->code = error->error < 0 ? error->error : -EIO;
    answer->done = true;
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

static int on_done(struct nl_msg *message, void *arg)
{
    struct answer *answer = arg;

    answer->done = true;
    return NL_STOP;
}

/* Events have no sequence number of this socket. A late answer to an earlier request is skipped, so
 * that it does not fail all later ones. */
static int on_sequence(struct nl_msg *message, void *arg)
{
    const struct answer *answer = arg;

    return !answer->seq || nlmsg_hdr(message)->nlmsg_seq == answer->seq ? NL_OK : NL_SKIP;
}

static int receive(struct nl_sock *socket, struct answer *answer)
{
    struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
    int r;

    if (!cb)
        return -NLE_NOMEM;
    nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, answer);
    nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_done, answer);
    nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_done, answer);
    nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_sequence, answer);
    nl_cb_err(cb, NL_CB_CUSTOM, on_error, answer);
    do
        r = nl_recvmsgs(socket, cb);
    while (r >= 0 && answer->seq && !answer->done);
    nl_cb_put(cb);
    return r;
}

/* Sends message and reads its answer to the end. */
static int ask(struct nl_sock *socket, struct nl_msg *message, struct answer *answer)
{
    int r = nl_send_auto(socket, message);

    answer->seq = nlmsg_hdr(message)->nlmsg_seq;
    nlmsg_free(message);
    return r < 0 ? r : receive(socket, answer);
}

/* Combines the errors of libnl and the kernel. */
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

    if (!message)
        return orb_fail(err, ORB_E_NOMEM, "no memory for a netlink message");
    nlmsg_hdr(message)->nlmsg_flags |= NLM_F_ACK;
    return explain(ask(socket, message, &answer), &answer, err);
}

static bool worth_repeating(int r, const struct answer *answer)
{
    return (!answer->code && (r == -NLE_DUMP_INTR || r == -NLE_NOMEM || r == -NLE_AGAIN)) ||
           answer->code == -EBUSY || answer->code == -EAGAIN;
}

int netlink_dump(struct nl_sock *socket, int type, const void *header, size_t len,
                 const struct netlink_reader *reader, struct orb_err *err)
{
    unsigned pause = 0;

    for (unsigned try = 1;; try++) {
        struct answer answer = {.each = reader->each, .arg = reader->arg};
        struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_DUMP);
        int r;

        if (!message || nlmsg_append(message, (void *)header, len, NLMSG_ALIGNTO) < 0) {
            nlmsg_free(message);
            return orb_fail(err, ORB_E_NOMEM, "no memory for a netlink message");
        }
        r = ask(socket, message, &answer);
        if (!worth_repeating(r, &answer))
            return explain(r, &answer, err);
        if (try == DUMP_TRIES)
            return orb_fail(err, ORB_E_BUSY,
                            "they change faster than they can be read (%u attempts)", try);
        reader->restart(reader->arg);
        poll(NULL, 0, (int)pause);
        pause = pause ? pause * 2 : 1;
        if (pause > DUMP_PAUSE_MAX_MS)
            pause = DUMP_PAUSE_MAX_MS;
    }
}

int netlink_drain(struct nl_sock *socket, netlink_each *cb, void *arg)
{
    struct answer answer = {.each = cb, .arg = arg};
    int lost = 0;

    for (unsigned i = 0; i < DRAIN_MAX; i++) {
        int r = receive(socket, &answer);

        if (r == -NLE_AGAIN)
            break;
        if (r < 0)
            lost = 1; /* overrun: the kernel dropped events, those it kept still come */
    }
    return lost;
}
