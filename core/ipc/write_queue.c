/* One sendmsg() for all that was collected in a turn; only what the socket did not take is copied.
 */
#include "core/ipc/write_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG_LEAST 16384u

bool write_queue_add(struct write_queue *q, const void *data, size_t len)
{
    struct iovec *last = q->iov_count ? &q->iov[q->iov_count - 1] : NULL;

    if (last && (const char *)last->iov_base + last->iov_len == data) {
        last->iov_len += len;
    } else {
        if (q->iov_count == WRITE_QUEUE_IOV)
            return false;
        q->iov[q->iov_count].iov_base = (void *)(size_t)data;
        q->iov[q->iov_count++].iov_len = len;
    }
    q->iov_bytes += len;
    return true;
}

static int backlog_add(struct write_queue *q, const void *data, size_t len)
{
    if (q->backlog_at == q->backlog_len)
        q->backlog_at = q->backlog_len = 0;
    if (q->backlog_len + len > q->backlog_cap && q->backlog_at) {
        memmove(q->backlog, q->backlog + q->backlog_at, q->backlog_len - q->backlog_at);
        q->backlog_len -= q->backlog_at;
        q->backlog_at = 0;
    }
    if (q->backlog_len + len > q->backlog_cap) {
        size_t cap = q->backlog_cap ? q->backlog_cap : BACKLOG_LEAST;
        char *p;

        while (cap < q->backlog_len + len)
            cap *= 2;
        p = realloc(q->backlog, cap);
        if (!p)
            return -ENOMEM;
        q->backlog = p;
        q->backlog_cap = cap;
    }
    memcpy(q->backlog + q->backlog_len, data, len);
    q->backlog_len += len;
    return 0;
}

/* Moves what the socket did not take of iov (after `sent` bytes) to the backlog. */
static int keep_rest(struct write_queue *q, size_t sent)
{
    int r = 0;

    for (unsigned i = 0; i < q->iov_count && r == 0; i++) {
        struct iovec *v = &q->iov[i];

        if (sent >= v->iov_len) {
            sent -= v->iov_len;
            continue;
        }
        r = backlog_add(q, (char *)v->iov_base + sent, v->iov_len - sent);
        sent = 0;
    }
    q->iov_count = 0;
    q->iov_bytes = 0;
    return r;
}

/* For a moment only: the rest waits. */
static bool is_full(int code)
{
    return code == EAGAIN || code == ENOBUFS || code == ENOMEM;
}

static ssize_t send_iov(struct write_queue *q, int fd)
{
    struct msghdr message = {.msg_iov = q->iov, .msg_iovlen = q->iov_count};
    ssize_t n;

    do {
        if (q->iov_count == 1)
            n = send(fd, q->iov[0].iov_base, q->iov[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
        else
            n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n;
}

int write_queue_send(struct write_queue *q, int fd, size_t *ret_sent)
{
    ssize_t n = 0;
    int r;

    *ret_sent = 0;
    if (!q->iov_count)
        return q->backlog_at < q->backlog_len;
    if (q->backlog_at == q->backlog_len) {
        n = send_iov(q, fd);
        if (n < 0 && !is_full(errno))
            return -errno;
        *ret_sent = n < 0 ? 0 : (size_t)n;
    }
    if (*ret_sent == q->iov_bytes) {
        q->iov_count = 0;
        q->iov_bytes = 0;
        return 0;
    }
    r = keep_rest(q, *ret_sent);
    return r < 0 ? r : 1;
}

int write_queue_drain(struct write_queue *q, int fd, size_t *ret_sent)
{
    *ret_sent = 0;
    while (q->backlog_at < q->backlog_len) {
        ssize_t n = send(fd, q->backlog + q->backlog_at, q->backlog_len - q->backlog_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !is_full(errno))
            return -errno;
        if (n <= 0)
            return 1;
        q->backlog_at += (size_t)n;
        *ret_sent += (size_t)n;
    }
    free(q->backlog);
    q->backlog = NULL;
    q->backlog_at = q->backlog_len = q->backlog_cap = 0;
    return 0;
}

void write_queue_drop(struct write_queue *q)
{
    q->iov_count = 0;
    q->iov_bytes = 0;
    q->backlog_at = q->backlog_len = 0;
}

void write_queue_fini(struct write_queue *q)
{
    write_queue_drop(q);
    free(q->backlog);
    q->backlog = NULL;
    q->backlog_cap = 0;
}
