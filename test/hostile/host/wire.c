/* See wire.h. Little-endian machines only, like the header it writes. */
#include "test/hostile/host/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HEADER 24

uint64_t wire_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool wire_bytes(const void *data, size_t len)
{
    const char *p = data;

    while (len) {
        ssize_t n = write(WIRE_FD, p, len);

        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd room = {.fd = WIRE_FD, .events = POLLOUT};

            poll(&room, 1, 1000);
        } else if (n == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

bool wire_frame_n(struct wire_frame h, const char *envelope, size_t envlen, const char *payload,
                  size_t len)
{
    static _Thread_local char out[WIRE_BIG + HEADER];

    h.len = (uint32_t)(envlen + len);
    h.envlen = (uint16_t)envlen;
    if (h.len > WIRE_BIG)
        return false;
    memcpy(out, &h, HEADER);
    if (envlen)
        memcpy(out + HEADER, envelope, envlen);
    if (len)
        memcpy(out + HEADER + envlen, payload, len);
    return wire_bytes(out, HEADER + h.len);
}

bool wire_frame(struct wire_frame h, const char *envelope, const char *payload)
{
    return wire_frame_n(h, envelope, envelope ? strlen(envelope) : 0, payload,
                        payload ? strlen(payload) : 0);
}

bool wire_say(unsigned type, const char *payload)
{
    return wire_frame((struct wire_frame){.type = (uint8_t)type}, NULL, payload);
}

static bool take(void *to, size_t len, uint64_t until)
{
    char *p = to;

    while (len) {
        struct pollfd in = {.fd = WIRE_FD, .events = POLLIN};
        uint64_t now = wire_now();
        ssize_t n;

        if (poll(&in, 1, until > now ? (int)(until - now) : 0) <= 0)
            return false;
        n = read(WIRE_FD, p, len);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return true;
}

bool wire_next(struct wire_in *in, int wait_ms, bool pong)
{
    uint64_t until = wire_now() + (uint64_t)wait_ms;

    for (;;) {
        if (!take(&in->head, HEADER, until))
            return false;
        if (in->head.len >= sizeof(in->text) || !take(in->text, in->head.len, wire_now() + 5000))
            return false;
        in->text[in->head.len] = '\0';
        if (in->head.type != W_PING)
            return true;
        if (pong)
            wire_say(W_PONG, "{}");
    }
}

const char *wire_ask(struct wire_in *in, unsigned type, uint32_t route, uint32_t src,
                     const char *envelope, const char *payload)
{
    static _Thread_local char code[64];
    static _Thread_local uint32_t corr = 100;
    struct wire_frame h = {.type = (uint8_t)type, .route = route, .src = src, .corr = ++corr};
    char *at;

    if (!wire_frame(h, envelope, payload))
        return "closed";
    while (wire_next(in, 4000, true)) {
        if (in->head.corr != corr)
            continue;
        if (in->head.type != W_ERR)
            return "ok";
        at = strstr(in->text, "\"code\":\"");
        snprintf(code, sizeof(code), "%s", at ? at + 8 : "?");
        code[strcspn(code, "\"")] = '\0';
        return code;
    }
    return "silence";
}

void wire_linger(struct wire_in *in, int ms)
{
    uint64_t until = wire_now() + (uint64_t)ms;

    while (!ms || wire_now() < until) {
        uint64_t before = wire_now();

        if (!wire_next(in, 200, true) && wire_now() - before < 100)
            usleep(100000); /* the host hung up: live on without burning the processor */
    }
}
