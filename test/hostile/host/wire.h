/* Raw frames over a worker's own IPC descriptor, for packages that do what the SDK never would.
 * Everything else a peer must do to stay alive (answering pings) happens while waiting. */
#ifndef TEST_HOSTILE_HOST_WIRE_H
#define TEST_HOSTILE_HOST_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_FD 3
#define WIRE_BIG (300u << 10)

enum wire_type {
    W_HELLO = 1,
    W_WELCOME,
    W_OPEN,
    W_OPENED,
    W_REQ,
    W_REP,
    W_ERR,
    W_CANCEL,
    W_SUB,
    W_UNSUB,
    W_PUB,
    W_EVENT,
    W_GAP,
    W_PING,
    W_PONG,
    W_READY,
    W_LOG,
    W_METRIC,
    W_STOP,
    W_FAIL,
    W_PEER,
};

struct wire_frame {
    uint32_t len;
    uint16_t envlen;
    uint8_t type, flags;
    uint32_t route, corr, src, deadline_ms;
};

/* What came in, as long as it was no PING. text: envelope and payload. */
struct wire_in {
    struct wire_frame head;
    char text[WIRE_BIG];
};

/* Writes all of it, waiting for room; false when the host hung up. */
bool wire_bytes(const void *data, size_t len);
/* A whole frame; head.len and head.envlen are computed. NULL: none. */
bool wire_frame(struct wire_frame head, const char *envelope, const char *payload);
/* The same with lengths, for texts that hold anything. */
bool wire_frame_n(struct wire_frame head, const char *envelope, size_t envlen, const char *payload,
                  size_t len);
/* Short form: type and payload alone. */
bool wire_say(unsigned type, const char *payload);
/* The next frame that is no PING (those are answered if pong); false: nothing within wait_ms, or
 * the host hung up. */
bool wire_next(struct wire_in *in, int wait_ms, bool pong);
/* Sends a request and waits for its answer: the wire name of the error, "ok" for a reply,
 * "silence". The reply's text is left in in. */
const char *wire_ask(struct wire_in *in, unsigned type, uint32_t route, uint32_t src,
                     const char *envelope, const char *payload);
/* Answers pings, and nothing else, for ms milliseconds (0: for ever). */
void wire_linger(struct wire_in *in, int ms);
/* Monotonic milliseconds. */
uint64_t wire_now(void);

#endif
