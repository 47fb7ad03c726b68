/* Note: close() of a socket with SO_LINGER does not block in a process that exits. So a socket with
 * unread descriptors is closed by a thread with its own descriptor table, which ends. */
#include "core/ipc/rights.h"

#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/xalloc.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#define STACK_BYTES (64u << 10)

bool rights_refuse(int fd)
{
    int no = 0;

    return setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no)) == 0;
}

ssize_t rights_look(int fd, void *to, size_t len)
{
    struct iovec iov = {to, len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    do
        n = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return message.msg_flags & MSG_CTRUNC ? -EBADMSG : n;
}

struct closing {
    int fd;
    bool copied;
    sem_t ready, closed;
};

static void *on_thread(void *arg)
{
    struct closing *closing = arg;
    int fd = closing->fd;
    bool copied = closing->copied = unshare(CLONE_FILES) == 0;

    sem_post(&closing->ready);
    sem_wait(&closing->closed);
    sem_destroy(&closing->ready);
    sem_destroy(&closing->closed);
    free(closing);
    if (!copied)
        close(fd); /* may take long, but only here */
    return NULL;
}

static void close_elsewhere(int fd)
{
    struct closing *closing = xcalloc(1, sizeof(*closing));
    pthread_attr_t attr;
    pthread_t thread;
    bool copied;
    int r;

    closing->fd = fd;
    sem_init(&closing->ready, 0, 0);
    sem_init(&closing->closed, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    r = pthread_create(&thread, &attr, on_thread, closing);
    pthread_attr_destroy(&attr);
    if (r) { /* no thread: there is no better way left */
        free(closing);
        close(fd);
        return;
    }
    while (sem_wait(&closing->ready) < 0)
        ;
    copied = closing->copied;
    if (copied)
        close(fd); /* not the last reference */
    sem_post(&closing->closed);
}

void rights_close(int fd, bool perhaps)
{
    int queued = 0;

    if (perhaps && shutdown(fd, SHUT_RD) == 0) /* no more data is received */
        perhaps = ioctl(fd, SIOCINQ, &queued) < 0 || queued > 0;
    if (perhaps)
        close_elsewhere(fd);
    else
        close(fd);
}
