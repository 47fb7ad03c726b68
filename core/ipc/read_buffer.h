/* What was read from one socket and is not a whole frame yet, or not handled yet. */
#ifndef CORE_IPC_READ_BUFFER_H
#define CORE_IPC_READ_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ipc/turn_memory.h"

#define READ_BUFFER_MOST 65536u /* bytes read at once */

struct read_buffer {
    unsigned char *part; /* begins with a frame */
    size_t len, cap;
    bool looks; /* for descriptors, before it reads: rights.h */
};

/* Bytes to handle, the first being the begin of a frame. */
struct read_chunk {
    unsigned char *data;
    size_t len;
    size_t received;      /* of them, by this call */
    unsigned char *owned; /* to be freed once data is not used any more; NULL: it is the arena's */
};

/* Reads from fd once. 0: ret_chunk is set, with len 0 while a long frame is incomplete; below 0:
 * -EAGAIN nothing to read, -ENODATA end of stream, -ENOBUFS the arena is full (nothing was read),
 * -EBADMSG file descriptors were received, else the socket's error. */
int read_buffer_fill(struct read_buffer *buffer, int fd, struct turn_memory *memory,
                     struct read_chunk *ret_chunk);
/* What was kept, without reading. */
struct read_chunk read_buffer_take(struct read_buffer *buffer);
/* Copies what was not handled of a chunk: len bytes, the first being the begin of a frame. -ENOMEM:
 * they are lost. */
int read_buffer_keep(struct read_buffer *buffer, const unsigned char *data, size_t len);
void read_buffer_fini(struct read_buffer *buffer);

#endif
