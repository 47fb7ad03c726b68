/* core/ipc/frame_stream.c: frames over a socket that cuts them anywhere and takes them slowly. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/ipc/frame_stream.h"
#include "test/lib/harness.h"

struct ends {
    struct frame_stream a, b;
};

static struct ends make(void)
{
    struct ends e = {0};
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    e.a.fd = fds[0];
    e.b.fd = fds[1];
    return e;
}

static void end(struct ends *e)
{
    frame_stream_fini(&e->a);
    frame_stream_fini(&e->b);
    close(e->a.fd);
    close(e->b.fd);
}

static void add(struct frame_stream *s, uint32_t corr, const char *env, const char *payload)
{
    const struct frame head = {.type = FRAME_REQ, .corr = corr, .len = 99, .envlen = 7};

    ck_assert_int_eq(frame_stream_add(s, &head, env, strlen(env), payload, strlen(payload), NULL),
                     0);
}

TEST(frames_that_are_cut_anywhere_come_whole_and_in_order)
{
    for (size_t piece = 1; piece < 70; piece++) {
        struct ends e = make();
        struct inframe f;
        unsigned got = 0;

        add(&e.a, 1, "{\"to\":\"x\"}", "{\"first\":1}");
        add(&e.a, 2, "", "");
        add(&e.a, 3, "{}", "[3]");
        for (size_t at = 0; at < e.a.out.len; at += piece) {
            size_t n = e.a.out.len - at < piece ? e.a.out.len - at : piece;

            ck_assert_int_eq(send(e.a.fd, e.a.out.data + at, n, 0), (ssize_t)n);
            ck_assert_int_eq(frame_stream_read(&e.b, MSG_DONTWAIT), (long)n);
            while (frame_stream_next(&e.b, &f, NULL) == 0) {
                static const char *const payloads[] = {"{\"first\":1}", "{}", "[3]"};

                ck_assert_uint_eq(f.h.corr, ++got);
                ck_assert_str_eq(f.payload, payloads[got - 1]); /* a NUL follows */
                ck_assert_uint_eq(f.len, strlen(payloads[got - 1]));
            }
        }
        ck_assert_uint_eq(got, 3);
        ck_assert_int_eq(frame_stream_read(&e.b, MSG_DONTWAIT), -EAGAIN);
        ck_assert_int_eq(frame_stream_next(&e.b, &f, NULL), FRAME_MORE);
        ck_assert_ptr_null(e.b.in.data); /* idle, it holds no memory */
        end(&e);
    }
}

TEST(a_frame_that_is_too_long_is_not_queued)
{
    struct ends e = make();
    const struct frame head = {.type = FRAME_REQ};
    static char bytes[FRAME_MAX + 1];
    struct orb_err err;

    ck_assert_int_eq(frame_stream_add(&e.a, &head, bytes, FRAME_MAX_ENVELOPE + 1, NULL, 0, &err),
                     ORB_E_LIMIT);
    ck_assert_int_eq(frame_stream_add(&e.a, &head, bytes, 1, bytes, FRAME_MAX, &err), ORB_E_LIMIT);
    ck_assert_uint_eq(frame_stream_waiting(&e.a), 0);
    ck_assert_int_eq(frame_stream_add(&e.a, &head, bytes, 1, bytes, FRAME_MAX - 1, &err), 0);
    end(&e);
}

TEST(a_full_socket_takes_the_rest_later)
{
    struct ends e = make();
    static char bytes[100000];
    struct inframe f;
    uint32_t corr = 0, got = 0;

    memset(bytes, 'x', sizeof(bytes));
    while (frame_stream_flush(&e.a, MSG_DONTWAIT) == 0) {
        const struct frame head = {.type = FRAME_PUB, .corr = ++corr};

        ck_assert_int_eq(frame_stream_add(&e.a, &head, NULL, 0, bytes, sizeof(bytes) - corr, NULL),
                         0);
    }
    ck_assert_uint_gt(frame_stream_waiting(&e.a), 0);
    while (got < corr) {
        ck_assert_int_gt(frame_stream_read(&e.b, MSG_DONTWAIT), 0);
        ck_assert_int_ge(frame_stream_flush(&e.a, MSG_DONTWAIT), 0);
        while (frame_stream_next(&e.b, &f, NULL) == 0) {
            ck_assert_uint_eq(f.h.corr, ++got);
            ck_assert_uint_eq(f.len, sizeof(bytes) - got);
            ck_assert_int_eq(f.payload[f.len], 0);
        }
    }
    ck_assert_uint_eq(frame_stream_waiting(&e.a), 0);
    end(&e);
}

TEST(the_end_and_what_is_no_frame_are_told_apart)
{
    struct ends e = make();
    struct orb_err err;
    struct inframe f;

    ck_assert_int_eq(send(e.a.fd, (char[FRAME_HEADER]){[6] = 77}, FRAME_HEADER, 0), FRAME_HEADER);
    ck_assert_int_eq(frame_stream_read(&e.b, 0), FRAME_HEADER);
    ck_assert_int_eq(frame_stream_next(&e.b, &f, &err), ORB_E_PROTOCOL);
    shutdown(e.a.fd, SHUT_RDWR);
    ck_assert_int_eq(frame_stream_read(&e.b, 0), 0);
    add(&e.b, 1, "", "");
    ck_assert_int_eq(frame_stream_flush(&e.b, 0), -EPIPE);
    ck_assert_uint_eq(frame_stream_waiting(&e.b), 0);
    end(&e);
}
