/* Dumps from the kernel by netlink. A socket for each: a dump that is not read to its end does not
 * affect others. */
#include "dataplane/dump.h"

#include <errno.h>
#include <sys/socket.h>

#include "core/base/own.h"

#define RECEIVE_BYTES 65536

/* A list ends with NLMSG_DONE: an error without a code would cut it. */
static int code_of(const struct nlmsghdr *h, bool dump)
{
    int code = -EBADMSG;

    if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        code = ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
    return code > 0 || (code == 0 && dump) ? -EBADMSG : code;
}

/* 1: there is more to come. */
static int read_messages(const char *data, unsigned len, bool dump, dump_fn *each, void *arg,
                         bool *changed)
{
    for (const struct nlmsghdr *h = (const void *)data; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
        *changed |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (h->nlmsg_type == NLMSG_ERROR)
            return code_of(h, dump);
        if (h->nlmsg_type == NLMSG_DONE)
            return *changed ? -EINTR : 0;
        if (!each(arg, h) || !dump)
            return 0;
    }
    return 1;
}

int dump_run(int protocol, const struct nlmsghdr *request, dump_fn *each, void *arg)
{
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    char data[RECEIVE_BYTES] __attribute__((aligned(8)));
    bool changed = false;
    int r = 1;

    if (fd < 0 || send(fd, request, request->nlmsg_len, 0) < 0)
        return -errno;
    while (r > 0) {
        ssize_t n = recv(fd, data, sizeof(data), MSG_TRUNC);

        if (n < 0)
            return -errno;
        if ((size_t)n > sizeof(data)) /* what is cut off would be missing */
            return -EMSGSIZE;
        r = read_messages(data, (unsigned)n, request->nlmsg_flags & NLM_F_ROOT, each, arg,
                          &changed);
    }
    return r;
}
