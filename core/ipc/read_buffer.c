/* The short beginning of a frame is copied before the data read next; the rest of a long frame is
 * read directly after its beginning. */
#include "core/ipc/read_buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/ipc/frame.h"
#include "core/ipc/rights.h"

#define PART_SMALL 4096u /* a longer beginning is not moved again for every read */

/* The number of bytes, at least 1, or an error as of read_buffer_fill(). */
static ssize_t receive(const struct read_buffer *buffer, int fd, void *to, size_t len)
{
    ssize_t seen = buffer->looks ? rights_look(fd, to, len) : (ssize_t)len;
    struct iovec iov = {to, seen > 0 ? (size_t)seen : len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (seen == -EBADMSG)
        return seen;
    do
        n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ECONNRESET ? -ENODATA : -errno;
    if (n == 0)
        return -ENODATA;
    return message.msg_flags & MSG_CTRUNC ? -EBADMSG : n;
}

struct read_chunk read_buffer_take(struct read_buffer *buffer)
{
    struct read_chunk chunk = {.data = buffer->part, .len = buffer->len, .owned = buffer->part};

    *buffer = (struct read_buffer){.looks = buffer->looks};
    return chunk;
}

static int fill_long(struct read_buffer *buffer, int fd, struct read_chunk *ret_chunk)
{
    struct frame h;
    size_t total, want;
    ssize_t n;

    frame_get(buffer->part, buffer->len, &h, NULL);
    total = FRAME_HEADER + h.len;
    want = total - buffer->len;
    n = receive(buffer, fd, buffer->part + buffer->len,
                want < READ_BUFFER_MOST ? want : READ_BUFFER_MOST);
    if (n < 0)
        return (int)n;
    buffer->len += (size_t)n;
    *ret_chunk = buffer->len == total ? read_buffer_take(buffer) : (struct read_chunk){0};
    ret_chunk->received = (size_t)n;
    return 0;
}

int read_buffer_fill(struct read_buffer *buffer, int fd, struct turn_memory *memory,
                     struct read_chunk *ret_chunk)
{
    size_t kept = buffer->len;
    unsigned char *data;
    ssize_t n;

    if (kept > PART_SMALL)
        return fill_long(buffer, fd, ret_chunk);
    data = turn_memory_room(memory, kept + READ_BUFFER_MOST);
    if (!data)
        return -ENOBUFS;
    n = receive(buffer, fd, data + kept, READ_BUFFER_MOST);
    if (n < 0)
        return (int)n;
    if (kept)
        memcpy(data, buffer->part, kept);
    buffer->len = 0;
    turn_memory_keep(memory, kept + (size_t)n);
    *ret_chunk = (struct read_chunk){.data = data, .len = kept + (size_t)n, .received = (size_t)n};
    return 0;
}

int read_buffer_keep(struct read_buffer *buffer, const unsigned char *data, size_t len)
{
    size_t need = len;
    struct frame h;

    if (frame_get(data, len, &h, NULL) == FRAME_MORE && h.len && len > PART_SMALL)
        need = FRAME_HEADER + h.len;
    if (need > buffer->cap) {
        free(buffer->part); /* what it held is in data */
        buffer->len = 0;
        buffer->cap = need > PART_SMALL ? need : PART_SMALL;
        buffer->part = malloc(buffer->cap);
        if (!buffer->part) {
            buffer->cap = 0;
            return -ENOMEM;
        }
    }
    memcpy(buffer->part, data, len);
    buffer->len = len;
    return 0;
}

void read_buffer_fini(struct read_buffer *buffer)
{
    free(buffer->part);
    *buffer = (struct read_buffer){0};
}
