/* Frames are returned in place in the buffer. A NUL is written after one while it is in use: that
 * byte belongs to the next frame (or is the buffer's own NUL) and is restored before it is read. */
#include "core/ipc/frame_stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void put_back(struct frame_stream *s)
{
    if (s->in_held)
        s->in.data[s->in_at] = s->saved;
    s->in_held = false;
}

/* Removes the frames already returned from the beginning of the buffer. */
static void compact(struct frame_stream *s)
{
    if (s->in_at) {
        s->in.len -= s->in_at;
        if (s->in.len)
            memmove(s->in.data, s->in.data + s->in_at, s->in.len);
        s->in_at = 0;
    }
    if (!s->in.len && (s->in_drained || s->in.cap > FRAME_STREAM_KEEP))
        buf_fini(&s->in);
}

long frame_stream_read(struct frame_stream *s, int flags)
{
    size_t room = s->in_want > FRAME_STREAM_CHUNK ? s->in_want : FRAME_STREAM_CHUNK;
    char *to;
    ssize_t n;

    put_back(s);
    to = buf_reserve(&s->in, room);
    do
        n = recv(s->fd, to, room, flags);
    while (n < 0 && errno == EINTR);
    s->in_drained = n < 0 || (size_t)n < room;
    if (n < 0)
        return -errno;
    s->in.len += (size_t)n;
    s->in.data[s->in.len] = '\0';
    return n;
}

int frame_stream_next(struct frame_stream *s, struct inframe *ret_frame, struct orb_err *err)
{
    size_t left;
    int r = FRAME_MORE;

    put_back(s);
    s->in_want = 0;
    left = s->in.len - s->in_at;
    *ret_frame = (struct inframe){0};
    if (left)
        r = inframe_get((unsigned char *)s->in.data + s->in_at, left, ret_frame, err);
    if (r == FRAME_MORE) {
        if (left)
            s->in_want = FRAME_HEADER + ret_frame->h.len - left;
        compact(s);
    }
    if (r != 0)
        return r;
    s->in_at += FRAME_HEADER + ret_frame->h.len;
    s->saved = s->in.data[s->in_at];
    s->in.data[s->in_at] = '\0';
    s->in_held = true;
    return 0;
}

int frame_stream_add(struct frame_stream *s, const struct frame *head, const char *env,
                     size_t envlen, const char *payload, size_t len, struct orb_err *err)
{
    int r = frame_fits(envlen, len, err);

    if (r < 0)
        return r;
    /* What was written is taken out before the buffer grows. */
    if (s->out_done > FRAME_STREAM_KEEP) {
        memmove(s->out.data, s->out.data + s->out_done, s->out.len - s->out_done);
        s->out.len -= s->out_done;
        s->out_done = 0;
    }
    frame_write((unsigned char *)buf_reserve(&s->out, FRAME_HEADER + envlen + len), head, env,
                envlen, payload, len);
    s->out.len += FRAME_HEADER + envlen + len;
    s->out.data[s->out.len] = '\0';
    return 0;
}

int frame_stream_flush(struct frame_stream *s, int flags)
{
    int r = 0;

    while (s->out_done < s->out.len) {
        ssize_t n =
            send(s->fd, s->out.data + s->out_done, s->out.len - s->out_done, flags | MSG_NOSIGNAL);

        if (n >= 0)
            s->out_done += (size_t)n;
        else if (errno == EAGAIN)
            return 1;
        else if (errno != EINTR) {
            r = -errno;
            break;
        }
    }
    if (s->out.cap > FRAME_STREAM_KEEP)
        buf_fini(&s->out);
    else
        buf_clear(&s->out);
    s->out_done = 0;
    return r;
}

void frame_stream_fini(struct frame_stream *s)
{
    buf_fini(&s->in);
    buf_fini(&s->out);
    s->in_at = s->in_want = s->out_done = 0;
    s->in_held = false;
}
