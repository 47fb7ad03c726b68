/* See conntrack.h. */
#include "dataplane/conntrack.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf/abi.h"
#include "core/base/buf.h"
#include "core/base/own.h"
#include "dataplane/flow.h"
#include "orbital/error.h"

#define SEND_BYTES 65536

int conntrack_dump(dump_fn *each, void *arg, struct orb_err *err)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .head = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0}};
    int r = dump_run(NETLINK_NETFILTER, &request.h, each, arg);

    return r < 0 ? orb_fail(err, r, "reading conntrack's connections") : 0;
}

/* Many messages at once; each begins where the one before ends. */
int conntrack_send(const struct buf *messages, struct orb_err *err)
{
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

    if (fd < 0)
        return orb_fail(err, -errno, "a netlink socket");
    for (size_t at = 0, end; at < messages->len; at = end) {
        end = at;
        while (end < messages->len) {
            struct nlmsghdr head;

            memcpy(&head, messages->data + end, sizeof(head));
            if (end > at && end + head.nlmsg_len - at > SEND_BYTES)
                break;
            end += head.nlmsg_len;
        }
        /* If one ended by itself in between, the error in the answer is not read. */
        if (send(fd, messages->data + at, end - at, 0) < 0)
            return orb_fail(err, -errno, "changing connections in conntrack");
    }
    return 0;
}

struct unmark {
    struct buf messages;
    uint32_t bits; /* those that go */
};

static bool each_marked(void *arg, const struct nlmsghdr *h)
{
    struct unmark *unmark = arg;
    struct flow flow;

    flow_read(h, &flow);
    if (flow.tuple && (flow.mark & unmark->bits))
        flow_set_mark(&flow, flow.mark & ~unmark->bits, &unmark->messages);
    return true;
}

static int take_marks(uint32_t bits, struct orb_err *err)
{
    struct unmark unmark = {.bits = bits};
    int r = conntrack_dump(each_marked, &unmark, err);

    if (!r)
        r = conntrack_send(&unmark.messages, err);
    buf_fini(&unmark.messages);
    return r;
}

int conntrack_unmark(struct orb_err *err)
{
    return take_marks(~0u, err);
}

static bool each_unanswered(void *arg, const struct nlmsghdr *h)
{
    struct unmark *unmark = arg;
    struct flow flow;

    flow_read(h, &flow);
    if (flow.tuple && !flow.mark && !(flow.status & IPS_SEEN_REPLY))
        flow_delete(&flow, &unmark->messages);
    return true;
}

int conntrack_forget_unanswered(struct orb_err *err)
{
    struct unmark unmark = {0};
    int r = conntrack_dump(each_unanswered, &unmark, err);

    if (!r)
        r = conntrack_send(&unmark.messages, err);
    buf_fini(&unmark.messages);
    return r;
}

int conntrack_resume(struct orb_err *err)
{
    return take_marks(ABI_MARK_ENDED, err);
}
