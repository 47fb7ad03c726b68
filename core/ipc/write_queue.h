/* Output queue of one socket: slices of memory that others own until the turn of the loop ends,
 * and, when the socket is full, a copy of the rest. */
#ifndef CORE_IPC_WRITE_QUEUE_H
#define CORE_IPC_WRITE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#define WRITE_QUEUE_IOV 64

struct write_queue {
    struct iovec iov[WRITE_QUEUE_IOV]; /* borrowed */
    unsigned iov_count;
    size_t iov_bytes;
    char *backlog; /* sent before iov; from backlog_at to backlog_len */
    size_t backlog_at, backlog_len, backlog_cap;
};

/* Bytes that wait. */
static inline size_t write_queue_len(const struct write_queue *q)
{
    return q->iov_bytes + q->backlog_len - q->backlog_at;
}

/* Borrows data until write_queue_send(). false: there are WRITE_QUEUE_IOV slices already; send
 * first. */
bool write_queue_add(struct write_queue *q, const void *data, size_t len);

/* Offers all to the socket fd; nothing is borrowed afterwards. 0: the socket took all of it; 1:
 * some waits until write_queue_drain(); below 0: -errno, of the socket or -ENOMEM. *ret_sent,
 * always set: bytes the socket took. */
int write_queue_send(struct write_queue *q, int fd, size_t *ret_sent);
/* The socket has room: writes of the copy. Results as of write_queue_send(). */
int write_queue_drain(struct write_queue *q, int fd, size_t *ret_sent);

/* Drops all queued data; nothing is borrowed afterwards. */
void write_queue_drop(struct write_queue *q);
void write_queue_fini(struct write_queue *q);

#endif
